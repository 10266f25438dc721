"""People, cron and PHP: the command line."""
