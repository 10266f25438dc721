<?php
/**
 * Jobs that outlive the request that starts them: a private folder each, mkiso detached in it.
 *
 *     <work>/jobs/<32 hexadecimal digits>/
 *         request.json    what mkiso reads on stdin
 *         report.json     its stdout: the report, when it has ended
 *         progress.jsonl  its stderr: events, a JSON object a line
 *         lock            locked by mkiso itself while it lives, however it dies
 *         discs/          the images, unless the setting 'output' names another folder
 */

require_once __DIR__ . '/MkisoClient.php';
require_once __DIR__ . '/MkisoProgress.php';

/** One job, running or ended. */
final class MkisoJob
{
    /** The end of the progress file that is looked at. */
    const TAIL_BYTES = 65536;

    /** @var string 32 hexadecimal digits */
    public $id;
    /** @var string */
    public $folder;

    public function __construct($id, $folder)
    {
        $this->id = $id;
        $this->folder = $folder;
    }

    /** The accession numbers that were asked for. */
    public function accessions()
    {
        return $this->asked('accessions', array());
    }

    /** The modalities that were asked for; none is all. */
    public function modalities()
    {
        return $this->asked('modality', array());
    }

    /** The folder that its images may be in. */
    public function output()
    {
        return $this->asked('output', "$this->folder/discs");
    }

    /** Whether mkiso lives: it holds the lock that it was born with. */
    public function isRunning()
    {
        $lock = @fopen("$this->folder/lock", 'rb');
        if ($lock === false) {
            return false;
        }
        $isFree = flock($lock, LOCK_SH | LOCK_NB);  // shared: two who look do not see each other
        fclose($lock);

        return !$isFree;
    }

    /** The latest event of a kind, "progress" or "line"; null before the first. */
    public function latest($kind)
    {
        $path = "$this->folder/progress.jsonl";
        $from = max(0, (int) @filesize($path) - self::TAIL_BYTES);
        $lines = explode("\n", (string) @file_get_contents($path, false, null, $from));
        foreach (MkisoEvents::decode(array_reverse($lines)) as $event) {
            if ($event['event'] === $kind) {
                return $event;
            }
        }

        return null;
    }

    /** How it ended; ask only when it is not running. @return MkisoResult */
    public function result()
    {
        $output = (string) @file_get_contents("$this->folder/report.json");

        return MkisoResult::fromOutput($output, null);
    }

    /** When it was started, in seconds since 1970. */
    public function started()
    {
        return (int) @filemtime("$this->folder/request.json");
    }

    private function asked($key, $default)
    {
        $request = json_decode((string) @file_get_contents("$this->folder/request.json"), true);

        return isset($request[$key]) ? $request[$key] : $default;
    }
}

/** All jobs of the work folder. */
final class MkisoJobs
{
    /** Not more at a time: sweeping must not make a person wait. */
    const SWEPT_AT_ONCE = 20;
    /**
     * A child inherits what PHP has open: the web server's sockets, which would stay bound and
     * connected for as long as the job runs. The null device takes the place of all up to here.
     */
    const LAST_INHERITED = 31;

    /** @var MkisoClient */
    private $client;
    private $folder;

    public function __construct(MkisoClient $client)
    {
        $this->client = $client;
        $this->folder = rtrim($client->settings['work'], '/') . '/jobs';
    }

    /** The job with this id, null when there is none: any other text never becomes a path. */
    public function find($id)
    {
        $isId = is_string($id) && preg_match('/\A[0-9a-f]{32}\z/', $id);
        $folder = $isId ? "$this->folder/$id" : '';

        return $isId && is_dir($folder) ? new MkisoJob($id, $folder) : null;
    }

    /** Start a job and return it at once. Throws MkisoRefused. @return MkisoJob */
    public function start(array $accessions, array $options = array())
    {
        $this->requireWorkFolder();
        $umask = umask(0077);
        $turn = MkisoClient::opened(@fopen("$this->folder/turn", 'cb'));
        try {
            flock($turn, LOCK_EX);
            $this->sweep();
            $this->requirePlace();

            return $this->launch($accessions, $options);
        } finally {
            flock($turn, LOCK_UN);  // said aloud: a child that inherited it must not keep it
            fclose($turn);
            umask($umask);
        }
    }

    /** Wait until the job has ended, or is long past its deadline. */
    public function wait(MkisoJob $job)
    {
        $pause = 10000;
        $until = MkisoClient::seconds() + $this->client->settings['deadline_seconds']
            + $this->client->settings['grace_seconds'] + 30;
        while ($job->isRunning() && MkisoClient::seconds() < $until) {
            usleep($pause = min(2 * $pause, 250000));
        }
    }

    /** How far a running job is, for people: what `mkiso status` says, else what its files say. */
    public function progress(MkisoJob $job)
    {
        $status = $this->client->status($job->id, $job->output());

        return MkisoProgress::of($job, isset($status['progress']) ? $status['progress'] : null);
    }

    /**
     * How a job ended. A report that did not reach its file (a full disk, a killed mkiso) may be in
     * mkiso's own books. @return MkisoResult
     */
    public function result(MkisoJob $job)
    {
        $result = $job->result();
        if ($result->code !== 70 || isset($result->report['job'])) {
            return $result;
        }
        $status = $this->client->status($job->id, $job->output());
        $isEnded = isset($status['report']['code']);

        return $isEnded ? MkisoResult::fromOutput(json_encode($status['report']), null) : $result;
    }

    private function launch(array $accessions, array $options)
    {
        $job = new MkisoJob(self::newId(), '');
        $job->folder = "$this->folder/$job->id";
        if ($this->client->settings['output'] === '') {
            $options['output'] = "$job->folder/discs";
        }
        // The same name on both sides: `mkiso status <32 digits>` works in a shell, too.
        $request = $this->client->request($accessions, array('job_id' => $job->id) + $options);
        $words = $this->words();
        if (!mkdir($job->folder, 0700) || !mkdir("$job->folder/discs", 0700)
            || file_put_contents("$job->folder/request.json", $request) !== strlen($request)) {
            throw new MkisoRefused(74, 'The job could not be written; is the disk full?');
        }
        $lock = MkisoClient::opened(fopen("$job->folder/lock", 'cb'));
        flock($lock, LOCK_EX);
        $descriptors = array(
            array('file', "$job->folder/request.json", 'r'),
            array('file', "$job->folder/report.json", 'w'),
            array('file', "$job->folder/progress.jsonl", 'w'),
            $lock,
        );
        while (count($descriptors) <= self::LAST_INHERITED) {
            $descriptors[] = array('file', '/dev/null', 'r');
        }
        proc_close($this->client->open($words, $descriptors));  // ends as soon as mkiso is on its own
        fclose($lock);  // without unlocking: mkiso holds it now

        return $job;
    }

    /**
     * mkiso behind `setsid`, out of the reach of the web server's process group, and `timeout`,
     * which ends it when the request is long gone. The first setsid has left the group before the
     * second one, being the leader of a new one, forks and ends.
     */
    private function words()
    {
        $words = $this->client->command();
        foreach (array('setsid', 'timeout') as $program) {
            $this->client->requireProgram($program);
        }

        return array_merge(array(
            'setsid', 'setsid', 'timeout', '-k', (string) $this->client->settings['grace_seconds'],
            (string) $this->client->settings['deadline_seconds'],
        ), $words);
    }

    private function requireWorkFolder()
    {
        $work = $this->client->settings['work'];
        if (is_dir($work) && !is_dir($this->folder)) {
            @mkdir($this->folder, 0700);  // another request may be as fast
            clearstatcache();
        }
        if (!is_dir($this->folder) || !is_writable($this->folder)) {
            throw new MkisoRefused(78, "The folder $work is not there or not writable for the web"
                . " server; make it, or name another as 'work' in config.php.");
        }
        $root = empty($_SERVER['DOCUMENT_ROOT']) ? false : realpath($_SERVER['DOCUMENT_ROOT']);
        if ($root !== false && strpos(realpath($work) . '/', rtrim($root, '/') . '/') === 0) {
            throw new MkisoRefused(78, "The folder 'work' of config.php lies where the web server"
                . ' shows files to everybody; choose one outside.');
        }
    }

    private function requirePlace()
    {
        $running = 0;
        foreach ($this->all() as $job) {
            $running += $job->isRunning() ? 1 : 0;
        }
        if ($running >= $this->client->settings['maximum_jobs']) {
            throw new MkisoRefused(75, "$running discs are being made; try again in a few minutes.");
        }
    }

    /** Remove jobs and their images that are older than the settings allow. */
    private function sweep()
    {
        $oldest = time() - 3600 * $this->client->settings['keep_hours'];
        $swept = 0;
        foreach ($this->all() as $job) {
            if ($job->started() < $oldest && !$job->isRunning() && $swept++ < self::SWEPT_AT_ONCE) {
                self::remove($job->folder);
            }
        }
    }

    private function all()
    {
        $found = array();
        foreach ((array) @scandir($this->folder) as $name) {
            $found[] = $this->find($name);
        }

        return array_filter($found);
    }

    private static function remove($path)
    {
        if (is_link($path) || !is_dir($path)) {
            @unlink($path);

            return;
        }
        foreach (array_diff((array) scandir($path), array('.', '..')) as $name) {
            self::remove("$path/$name");
        }
        @rmdir($path);
    }

    /** 128 random bits. */
    public static function newId()
    {
        if (function_exists('random_bytes')) {
            return bin2hex(random_bytes(16));
        }
        $bytes = openssl_random_pseudo_bytes(16, $isStrong);
        if ($bytes === false || !$isStrong) {
            throw new MkisoRefused(70, 'This PHP has no source of random numbers.');
        }

        return bin2hex($bytes);
    }
}
