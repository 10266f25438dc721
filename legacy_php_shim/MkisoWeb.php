<?php
/**
 * The three scripts as web pages for programs: JSON out, or an image. index.php is the one for people.
 */

require_once __DIR__ . '/MkisoAccess.php';
require_once __DIR__ . '/MkisoDownload.php';
require_once __DIR__ . '/MkisoJobs.php';
require_once __DIR__ . '/MkisoProgress.php';
require_once __DIR__ . '/MkisoRequest.php';

final class MkisoWeb
{
    /** Seconds after which a 503 may be tried again. */
    const RETRY_AFTER = 60;

    private $client;
    private $jobs;
    private $access;
    private $script;
    private $takesOne;
    private $forwards;

    /** `$takesOne`: a single accession number; `$forwards`: to the node of the setting. */
    public function __construct(MkisoClient $client, $script, $takesOne, $forwards)
    {
        $this->client = $client;
        $this->jobs = new MkisoJobs($client);
        $this->access = new MkisoAccess($client->settings);
        $this->script = $script;
        $this->takesOne = $takesOne;
        $this->forwards = $forwards;
    }

    /** Answer the request of this process. */
    public static function serve($script, $takesOne, $forwards)
    {
        self::prepare();
        try {
            $web = new self(self::client(), $script, $takesOne, $forwards);
            $web->answer($_SERVER['REQUEST_METHOD'], $_GET, $_POST);
        } catch (MkisoRefused $refused) {
            self::sendRefusal($refused);
        } catch (Exception $error) {
            self::sendRefusal(self::bug($error));
        } catch (Throwable $error) {
            self::sendRefusal(self::bug($error));
        }
    }

    /** Errors go into the log, not to the visitor. */
    public static function prepare()
    {
        ini_set('display_errors', '0');
        ini_set('zlib.output_compression', '0');
        header_remove('X-Powered-By');
        self::sendHeaders();  // also for a login page that authorise() answers with
    }

    /** The client with the settings of config.php, or of the file that MKISO_SHIM_CONFIG names. */
    public static function client()
    {
        $named = getenv('MKISO_SHIM_CONFIG');
        $file = $named === false || $named === '' ? __DIR__ . '/config.php' : $named;

        return new MkisoClient(is_file($file) ? require $file : array());
    }

    /** A bug of ours, as the visitor hears of it. */
    public static function bug($error)
    {
        MkisoAccess::note($error);

        return new MkisoRefused(70, 'This is a bug in the PHP pages; the web server\'s log has its place.');
    }

    private function answer($method, array $get, array $post)
    {
        $given = $method === 'POST' ? $post : $get;
        header('Allow: GET, HEAD, POST');
        if (!in_array($method, array('GET', 'HEAD', 'POST'), true)) {
            throw new MkisoRefused(64, 'Use GET or POST.', 405);
        }
        if (isset($given['status'])) {
            $this->sendJob($this->requireJob($given['status'], 'status'));
        } elseif (isset($given['job'])) {
            $this->sendImage($this->requireJob($given['job'], 'download'), $given);
        } elseif ($method === 'HEAD') {
            throw new MkisoRefused(64, 'Use GET or POST to make a disc.', 405);
        } else {
            $this->make($method, $given);
        }
    }

    /** Start a job; answer with it at once, or with its end, or with its image. */
    private function make($method, array $given)
    {
        $job = $this->start($method, $given);
        if (!empty($given['start'])) {
            $this->sendJob($job);

            return;
        }
        set_time_limit(0);
        $this->jobs->wait($job);
        if (!empty($given['download']) && $this->jobs->result($job)->isOk()) {
            $this->sendImage($job, $given);
        } else {
            $this->sendJob($job);
        }
    }

    /** Start a job of what was sent. Throws MkisoRefused. @return MkisoJob */
    public function start($method, array $given)
    {
        MkisoRequest::requireWhole($method);
        $accessions = array();
        $malformed = null;
        try {
            $accessions = MkisoRequest::accessions($given);
            $modality = MkisoRequest::modalities($given);
        } catch (MkisoRefused $refused) {
            $malformed = $refused;  // told only to who may ask
        }
        $by = $this->access->requireYes(array(
            'action' => 'make',
            'script' => $this->script,
            'accession_numbers' => $accessions,
            'protected' => $method === 'POST',
        ));
        if ($method === 'POST') {
            MkisoAccess::requireToken(isset($given['token']) ? $given['token'] : null);
        }
        if ($malformed !== null) {
            throw $malformed;
        }
        if ($this->takesOne && count($accessions) > 1) {
            throw new MkisoRefused(64, "$this->script takes one accession number;"
                . ' mkiso_multiple.php takes several.');
        }
        $options = array();
        if ($modality) {
            $options['modality'] = $modality;
        }
        if ($this->forwards) {
            $options['forward'] = array($this->client->settings['forward']);
        }
        if ($by !== '') {
            $options['requested_by'] = $by;
        }

        return $this->jobs->start($accessions, $options);
    }

    /** The job with this id, when the visitor may see it. */
    private function requireJob($id, $action)
    {
        $job = $this->jobs->find($id);
        $this->access->requireYes(array(
            'action' => $action,
            'script' => $this->script,
            'accession_numbers' => $job === null ? array() : $job->accessions(),
            'protected' => true,
        ));
        if ($job === null) {
            throw new MkisoRefused(66, 'There is no such job; it may have been removed since.');
        }

        return $job;
    }

    private function sendImage(MkisoJob $job, array $given)
    {
        $discs = $job->isRunning() ? array() : $this->jobs->result($job)->discs();
        $number = isset($given['disc']) ? $given['disc'] : (count($discs) === 1 ? '1' : '');
        if (!$discs || !is_string($number) || !preg_match('/\A[1-9][0-9]{0,3}\z/', $number)) {
            // No disc (yet), or several and none named: one of them would be half an answer.
            $this->sendJob($job, $discs ? 300 : null);

            return;
        }
        if (!isset($discs[$number - 1])) {
            throw new MkisoRefused(66, 'The job has no disc of that number.');
        }
        $download = new MkisoDownload($job, $discs[$number - 1]);
        self::sendHeaders();
        $download->send($_SERVER);
    }

    private function sendJob(MkisoJob $job, $httpStatus = null)
    {
        if ($job->isRunning()) {
            self::sendJson(202, array(
                'state' => 'running',
                'web_job' => $job->id,
                'status_url' => $this->link(array('status' => $job->id)),
                'progress' => $this->jobs->progress($job),
            ));

            return;
        }
        $result = $this->jobs->result($job);
        self::sendJson($httpStatus === null ? $result->httpStatus() : $httpStatus, array(
            'state' => 'done',
            'web_job' => $job->id,
            'status_url' => $this->link(array('status' => $job->id)),
        ) + $this->withoutPlaces($job, $result));
    }

    /** The report for a visitor: how to get the discs instead of where they are. */
    public function withoutPlaces(MkisoJob $job, MkisoResult $result)
    {
        $report = $result->report;
        unset($report['log']);
        foreach ($report['discs'] as $at => $disc) {
            $number = (string) ($at + 1);
            unset($report['discs'][$at]['path']);
            $report['discs'][$at]['name'] = basename($disc['path']);
            $report['discs'][$at]['url'] = $this->link(
                array('job' => $job->id, 'download' => '1', 'disc' => $number)
            );
        }
        $places = array($job->output() . '/', $job->output());
        foreach (array('message', 'warnings', 'details') as $key) {
            if (isset($report[$key])) {
                $report[$key] = str_replace($places, '', $report[$key]);
            }
        }

        return $report;
    }

    private function link(array $parameters)
    {
        return "$this->script?" . http_build_query($parameters, '', '&');
    }

    private static function sendRefusal(MkisoRefused $refused)
    {
        self::sendJson($refused->httpStatus, array('state' => 'refused') + $refused->result->report);
    }

    private static function sendJson($status, array $body)
    {
        $json = json_encode($body, JSON_UNESCAPED_SLASHES | JSON_HEX_TAG) . "\n";
        http_response_code($status);
        self::sendHeaders();
        header('Content-Type: application/json');
        header('Content-Length: ' . strlen($json));
        if ($status === 503) {
            header('Retry-After: ' . self::RETRY_AFTER);
        }
        if ($_SERVER['REQUEST_METHOD'] !== 'HEAD') {
            echo $json;
        }
    }

    /** What every answer says: patients' images are for nobody's cache, frame or address book. */
    public static function sendHeaders()
    {
        header('Cache-Control: no-store');
        header('X-Content-Type-Options: nosniff');
        header('Referrer-Policy: no-referrer');
        header("Content-Security-Policy: default-src 'none'; style-src 'self'; script-src 'self';"
            . " img-src data:; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'");
    }
}
