<?php
/**
 * How far a job is, for the page and for programs.
 */

require_once __DIR__ . '/MkisoJobs.php';

/** How far a job is, in words. */
final class MkisoProgress
{
    /** What a stage is called, and what it counts. */
    const STAGES = array(
        'find' => array('Asking the archive', ''),
        'retrieve' => array('Fetching the images', 'images'),
        'author' => array('Preparing the disc', 'images'),
        'write' => array('Writing the disc image', 'bytes'),
        'verify' => array('Checking the disc image', 'bytes'),
        'publish' => array('Finishing', ''),
        'forward' => array('Sending the images on', 'images'),
    );

    /**
     * The stage, its counts, a sentence; `part` between 0 and 1, or null when nobody knows.
     * `$status`: what `mkiso status` says, null when it does not.
     */
    public static function of(MkisoJob $job, $status = null)
    {
        $event = $status === null ? $job->latest('progress') : $status;
        $line = $job->latest('line');
        $progress = array(
            'stage' => '', 'done' => 0, 'total' => null, 'part' => null,
            'text' => 'Starting', 'line' => isset($line['text']) ? $line['text'] : '',
        );
        $isKnown = isset($event['stage'], $event['done'])
            && array_key_exists($event['stage'], self::STAGES);
        if (!$isKnown) {
            return $progress;
        }
        list($words, $unit) = self::STAGES[$event['stage']];
        $done = (int) $event['done'];
        $total = isset($event['total']) ? (int) $event['total'] : null;

        return array(
            'stage' => $event['stage'],
            'done' => $done,
            'total' => $total,
            'part' => $total > 0 ? min(1, $done / $total) : null,
            'text' => $words . self::amount($unit, $done, $total),
        ) + $progress;
    }

    private static function amount($unit, $done, $total)
    {
        if ($unit === '' || !$total) {
            return '';
        }

        return $unit === 'bytes'
            ? sprintf(': %d %%', 100 * $done / $total)
            : sprintf(': %d of %d', $done, $total);
    }
}
