<?php
/**
 * The page for people: type accession numbers, see how far it is, take the disc or the reason.
 * Works without JavaScript; with it the progress moves by itself.
 */

require_once __DIR__ . '/MkisoWeb.php';
require_once __DIR__ . '/MkisoPage.php';

MkisoPage::serve();
