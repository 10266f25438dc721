<?php
/**
 * The three scripts on the command line: `php mkiso.php ACC`. The report on stdout, the sentence on
 * stderr, mkiso's exit code.
 */

require_once __DIR__ . '/MkisoWeb.php';

final class MkisoCommandLine
{
    /** Options that are passed on: with a value, once or often; without. */
    const OPTIONS = array(
        'modality' => 'list', 'output' => 'text', 'name' => 'text', 'requested-by' => 'text',
        'replace' => 'flag', 'same-patient' => 'flag', 'allow-incomplete' => 'flag',
        'skip-not-found' => 'flag', 'per-patient' => 'flag',
    );

    /** Run and return the exit code. */
    public static function run(array $words, $script, $takesOne, $forwards)
    {
        try {
            list($accessions, $options) = self::parse($words);
            if ($takesOne && count($accessions) !== 1) {
                throw new MkisoRefused(64, "Usage: php $script [--modality=CODE] [--output=FOLDER]"
                    . ' ACCESSION_NUMBER (mkiso_multiple.php takes several).');
            }
            $client = MkisoWeb::client();
            if ($forwards) {
                $options['forward'] = array($client->settings['forward']);
            }
            $result = $client->run($accessions, $options);
        } catch (MkisoRefused $refused) {
            $result = $refused->result;
        }
        echo json_encode($result->report, JSON_UNESCAPED_SLASHES), "\n";
        if (!$result->isOk()) {
            fwrite(STDERR, "mkiso: $result->message [$result->code $result->name]\n");
        }

        return $result->code;
    }

    /** The accession numbers and the options; `--` ends the options. Throws MkisoRefused (64). */
    public static function parse(array $words)
    {
        $accessions = $options = array();
        while ($words) {
            $word = array_shift($words);
            if ($word === '--') {
                $accessions = array_merge($accessions, $words);
                break;
            }
            if (strncmp($word, '--', 2) !== 0) {
                $accessions[] = $word;
                continue;
            }
            $pair = explode('=', substr($word, 2), 2);
            $known = array_key_exists($pair[0], self::OPTIONS);
            $kind = $known ? self::OPTIONS[$pair[0]] : '';
            if ($kind === '' || ($kind === 'flag') !== (count($pair) === 1)) {
                throw new MkisoRefused(64, 'Options are --' . implode(', --', array_keys(self::OPTIONS))
                    . '; those with a value are written --modality=CT.');
            }
            $key = strtr($pair[0], '-', '_');
            if ($kind === 'list') {
                $options[$key][] = $pair[1];
            } else {
                $options[$key] = $kind === 'flag' ? true : $pair[1];
            }
        }

        return array($accessions, $options);
    }
}
