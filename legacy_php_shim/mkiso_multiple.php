<?php
/**
 * Several accession numbers of one patient, one disc. README.md says how to call it.
 */

require_once __DIR__ . '/MkisoCommandLine.php';

if (PHP_SAPI === 'cli') {
    exit(MkisoCommandLine::run(array_slice($argv, 1), 'mkiso_multiple.php', false, false));
}
MkisoWeb::serve('mkiso_multiple.php', false, false);
