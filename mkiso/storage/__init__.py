"""The job folder, the configuration file and the ledger."""
