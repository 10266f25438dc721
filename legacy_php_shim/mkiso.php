<?php
/**
 * One accession number, one disc. README.md says how to call it.
 */

require_once __DIR__ . '/MkisoCommandLine.php';

if (PHP_SAPI === 'cli') {
    exit(MkisoCommandLine::run(array_slice($argv, 1), 'mkiso.php', true, false));
}
MkisoWeb::serve('mkiso.php', true, false);
