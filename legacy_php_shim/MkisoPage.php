<?php
/**
 * What index.php shows: the form, a job under way, its end.
 */

require_once __DIR__ . '/MkisoWeb.php';

final class MkisoPage
{
    /** The script whose links the page uses. */
    const SCRIPT = 'mkiso_multiple.php';

    /** What a person may do, by what the report says of retrying. */
    const ADVICE = array(
        'yes' => 'This may pass by itself: try again in a few minutes.',
        'person' => 'See to what is said above first; then it may be tried again.',
        'no' => 'Trying again alone will not help: ask whoever looks after this page.',
        'never' => 'Do not simply repeat this: have somebody look at the records first.',
    );

    private $web;
    private $jobs;
    private $access;
    private $settings;

    private function __construct(MkisoClient $client)
    {
        $this->settings = $client->settings;
        $this->web = new MkisoWeb($client, self::SCRIPT, false, false);
        $this->jobs = new MkisoJobs($client);
        $this->access = new MkisoAccess($client->settings);
    }

    /** Answer the request of this process. */
    public static function serve()
    {
        MkisoWeb::prepare();
        try {
            $page = new self(MkisoWeb::client());
            $page->answer();
        } catch (MkisoRefused $refused) {
            self::sendRefusal($refused);
        } catch (Exception $error) {
            self::sendRefusal(MkisoWeb::bug($error));
        } catch (Throwable $error) {
            self::sendRefusal(MkisoWeb::bug($error));
        }
    }

    private function answer()
    {
        if ($_SERVER['REQUEST_METHOD'] === 'POST') {
            $job = $this->web->start('POST', $_POST);
            http_response_code(303);
            header("Location: index.php?job=$job->id");
        } elseif (isset($_GET['job'])) {
            $this->showJob($_GET['job']);
        } else {
            $this->requireYes('page', array());
            // An old link may fill the form; only a person who presses the button starts a job.
            $wanted = implode("\n", MkisoRequest::accessions($_GET));
            $modality = implode(', ', MkisoRequest::modalities($_GET));
            self::send(200, 'Patient disc', self::form($wanted, $modality));
        }
    }

    private function showJob($id)
    {
        $job = $this->jobs->find($id);
        $this->requireYes('status', $job === null ? array() : $job->accessions());
        if ($job === null) {
            throw new MkisoRefused(66, 'There is no such disc here; it may have been removed since.');
        }
        $names = implode(', ', $job->accessions());
        if ($job->isRunning()) {
            self::send(200, "Making the disc: $names", $this->running($job, $names));

            return;
        }
        $result = $this->jobs->result($job);
        $title = $result->isOk() ? "Disc ready: $names" : "No disc yet: $names";
        self::send(200, $title, $this->ended($job, $result, $names));
    }

    private function requireYes($action, array $accessions)
    {
        $this->access->requireYes(array(
            'action' => $action,
            'script' => 'index.php',
            'accession_numbers' => $accessions,
            'protected' => true,
        ));
    }

    private static function form($wanted, $modality)
    {
        return '<h1>Make a patient disc</h1>
<form method="post" action="index.php">
<label for="accession_numbers">Accession numbers</label>
<textarea id="accession_numbers" name="accession_numbers" rows="4" required autofocus
 autocomplete="off" autocapitalize="off" spellcheck="false"
 aria-describedby="numbers-hint">' . self::text($wanted) . '</textarea>
<p class="hint" id="numbers-hint">One a line. All of one patient: they go on one disc.</p>
<label for="modality">Only these modalities <span class="hint">(optional)</span></label>
<input id="modality" name="modality" value="' . self::text($modality) . '" autocomplete="off"
 autocapitalize="characters" spellcheck="false" placeholder="all" aria-describedby="modality-hint">
<p class="hint" id="modality-hint">Such as CT, or CT, MR. Empty: everything there is, as a rule the best.</p>
' . self::token() . '<button>Make the disc</button>
</form>';
    }

    private function running(MkisoJob $job, $names)
    {
        $progress = $this->jobs->progress($job);
        $value = $progress['part'] === null ? '' : sprintf(' value="%.3F"', $progress['part']);

        return '<h1>Making the disc</h1>
<p class="numbers">' . self::text($names) . '</p>
<section id="job" data-status="' . self::text(self::SCRIPT . "?status=$job->id") . '">
<progress id="part" max="1" aria-label="Progress"' . $value . '></progress>
<p id="text" role="status" aria-live="polite">' . self::text($progress['text']) . '</p>
<p id="line" class="hint">' . self::text($progress['line']) . '</p>
</section>
<p class="hint">You may leave this page: the work goes on. Its address leads back to it.</p>
<noscript><p><a href="index.php?job=' . $job->id . '">See how far it is</a></p></noscript>
<script src="mkiso.js"></script>';
    }

    private function ended(MkisoJob $job, MkisoResult $result, $names)
    {
        $report = $this->web->withoutPlaces($job, $result);
        $discs = $this->discs($report['discs']);
        if ($result->isOk()) {
            return '<h1>The disc is ready</h1><p class="numbers">' . self::text($names) . '</p>'
                . $discs . self::notes('To know', $report, 'warnings')
                . '<p><a href="index.php">Make another disc</a></p>';
        }
        $heading = $discs === '' ? 'There is no disc' : 'There is a disc, but look at this first';

        return "<h1>$heading</h1>" . '<p class="numbers">' . self::text($names) . '</p>
<div class="reason"><p>' . self::text($result->message) . '</p>
<p>' . self::ADVICE[$result->retry] . '</p>
<p class="hint">Code ' . $result->code . ', ' . self::text($result->name) . '</p></div>
' . $discs . self::notes('Details', $report, 'details') . self::notes('To know', $report, 'warnings')
            . self::again($job, $result) . '<p><a href="' . self::text(self::formLink($job))
            . '">Change the request</a></p><p><a href="index.php">Make another disc</a></p>';
    }

    private function discs(array $discs)
    {
        $html = '';
        $hours = $this->settings['output'] === '' ? $this->settings['keep_hours'] : 0;
        foreach ($discs as $disc) {
            $of = isset($disc['of']) && $disc['of'] > 1 ? "disc $disc[number] of $disc[of], " : '';
            $gap = isset($disc['complete']) && !$disc['complete'] ? 'INCOMPLETE, ' : '';
            $html .= '<li><a class="download" href="' . self::text($disc['url']) . '" download>Download '
                . self::text($disc['name']) . '</a><span class="hint">' . $gap . $of
                . (int) $disc['instances'] . ' images and documents, '
                . number_format($disc['size_bytes'] / 1e6, 1) . '&nbsp;MB</span>
<details><summary>Checksum</summary><code>SHA-256 ' . self::text($disc['sha256']) . '</code></details></li>';
        }

        return $html === '' ? '' : "<ul class=\"discs\">$html</ul>"
            . '<p class="hint">The image of a disc: burn it, or open it. It was read back and compared with'
            . ' what the archive sent.' . ($hours ? " It stays here for $hours hours." : '') . '</p>';
    }

    private static function notes($title, array $report, $key)
    {
        $lines = isset($report[$key]) ? $report[$key] : array();
        $items = array_map(function ($line) {
            return '<li>' . MkisoPage::text($line) . '</li>';
        }, array_slice($lines, 0, 50));

        return $items ? "<h2>$title</h2><ul class=\"notes\">" . implode('', $items) . '</ul>' : '';
    }

    /** The same request once more, by a button. */
    private static function again(MkisoJob $job, MkisoResult $result)
    {
        if ($result->retry === 'never') {
            return '';
        }
        $fields = '';
        foreach ($job->accessions() as $number) {
            $fields .= '<input type="hidden" name="accession_numbers[]" value="' . self::text($number) . '">';
        }
        foreach ($job->modalities() as $modality) {
            $fields .= '<input type="hidden" name="modality[]" value="' . self::text($modality) . '">';
        }

        return '<form method="post" action="index.php">' . $fields . self::token()
            . '<button>Try again</button></form>';
    }

    /** The form, filled with what was asked for. */
    private static function formLink(MkisoJob $job)
    {
        return 'index.php?' . http_build_query(array(
            'accession_numbers' => $job->accessions(),
            'modality' => $job->modalities(),
        ), '', '&');
    }

    private static function token()
    {
        return '<input type="hidden" name="token" value="' . MkisoAccess::token() . '">';
    }

    private static function sendRefusal(MkisoRefused $refused)
    {
        self::send($refused->httpStatus, 'Not possible', '<h1>This is not possible</h1>
<div class="reason"><p>' . self::text($refused->getMessage()) . '</p>
<p class="hint">Code ' . $refused->result->code . ', ' . $refused->result->name . '</p></div>
<p><a href="index.php">Back to the beginning</a></p>');
    }

    private static function send($status, $title, $body)
    {
        $html = '<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="robots" content="noindex">
<title>' . self::text($title) . '</title>
<link rel="stylesheet" href="mkiso.css">
<link rel="icon" href="data:,">
</head>
<body>
<main>
' . $body . '
</main>
</body>
</html>
';
        http_response_code($status);
        MkisoWeb::sendHeaders();
        header('Content-Type: text/html; charset=utf-8');
        header('Content-Length: ' . strlen($html));
        echo $html;
    }

    /** Text for HTML, in an attribute or between tags. */
    public static function text($text)
    {
        return htmlspecialchars((string) $text, ENT_QUOTES, 'UTF-8');
    }
}
