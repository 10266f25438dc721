<?php
/**
 * What a web request asks for: accession numbers and modalities, whole and as texts. Whether they
 * are acceptable is mkiso's business.
 */

require_once __DIR__ . '/MkisoClient.php';

final class MkisoRequest
{
    /** More on one disc is a mistake, or no person. */
    const MOST_ACCESSIONS = 500;

    /** The accession numbers that were sent, under any of their names. Throws MkisoRefused (64). */
    public static function accessions(array $given)
    {
        $found = array();
        $names = array('accession_number' => false, 'accession_numbers' => true, 'as' => true);
        foreach ($names as $name => $splits) {
            if (isset($given[$name])) {
                $found = array_merge($found, self::texts($given[$name], $splits));
            }
        }
        if (count($found) > self::MOST_ACCESSIONS) {
            throw new MkisoRefused(64, sprintf(
                'These are %d accession numbers; more than %d make no disc.',
                count($found),
                self::MOST_ACCESSIONS
            ));
        }

        return $found;
    }

    /** The modalities that were sent; none is all. Throws MkisoRefused (64). */
    public static function modalities(array $given)
    {
        return isset($given['modality']) ? self::texts($given['modality'], true) : array();
    }

    /**
     * An array as it is; a string as one text, or split as mkiso does: at comma, semicolon and
     * newline, without blank entries.
     */
    private static function texts($value, $splits)
    {
        if (is_array($value)) {
            foreach ($value as $text) {
                if (!is_string($text)) {
                    throw new MkisoRefused(64, 'An accession number or a modality must be a text.');
                }
            }

            return array_values($value);
        }
        if (!$splits) {
            return array($value);
        }
        $texts = array();
        foreach (preg_split('/[,;\r\n]/', $value) as $text) {
            $text = preg_replace('/\A(?:\xEF\xBB\xBF|[ \t])+|[ \t]+\z/', '', $text);
            if ($text !== '') {
                $texts[] = $text;
            }
        }

        return $texts;
    }

    /**
     * PHP cuts a request that is too long and goes on with the rest, which here would be a disc
     * with a gap. Throws MkisoRefused.
     */
    public static function requireWhole($method)
    {
        $length = isset($_SERVER['CONTENT_LENGTH']) ? (int) $_SERVER['CONTENT_LENGTH'] : 0;
        if ($method === 'POST' && !$_POST && $length > 0) {
            throw new MkisoRefused(64, 'The request is too long, or is not a form.', 413);
        }
        $count = 0;
        $given = array($_GET, $_POST);
        array_walk_recursive($given, function () use (&$count) {
            $count++;
        });
        if ($count >= (int) ini_get('max_input_vars')) {
            throw new MkisoRefused(64, 'The request has too many parameters; PHP may have cut it.');
        }
    }
}
