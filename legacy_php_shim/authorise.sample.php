<?php
/**
 * Who may have discs made and take them. Copy this file to authorise.php and let it ask what your
 * site asks everywhere else. Without it nobody may do anything.
 *
 * These are patients' images: say yes only to people you know.
 */

/**
 * $request['action']             page (the form), make (start a job), status, download
 * $request['script']             the script that asks, such as mkiso.php
 * $request['accession_numbers']  array of what the job is about, as the visitor typed it
 * $request['protected']          false: a link on another site could have made the visitor's browser
 *                                send this (a GET that starts a job). The pages here never do it.
 *
 * Return the person's user name (kept in the report of the disc), or true, for yes; anything else
 * is no. An exception is no.
 */
function authorise(array $request)
{
    // The old site's login: its session, in which it keeps the user's name.
    session_name('PHPSESSID');
    session_start();
    if (empty($_SESSION['user'])) {
        return false;
    }

    // The old site's GET links (mkiso.php?as=...) start a job by a mere click, as they always did.
    // Take the two slashes away when the site still has such links.
    $oldLinks = false;
    // $oldLinks = $request['action'] === 'make';
    if (!$request['protected'] && !$oldLinks) {
        return false;
    }

    return (string) $_SESSION['user'];
}
