<?php
/**
 * One accession number, one disc, and its images on to the node 'forward' of mkiso's configuration.
 * README.md says how to call it.
 */

require_once __DIR__ . '/MkisoCommandLine.php';

if (PHP_SAPI === 'cli') {
    exit(MkisoCommandLine::run(array_slice($argv, 1), 'mkiso2.php', true, true));
}
MkisoWeb::serve('mkiso2.php', true, true);
