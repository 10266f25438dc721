<?php
/**
 * mkiso from PHP: accession numbers in, a result out. This file needs no other and decides nothing:
 * it runs `mkiso make --json --stdin` and reads the report.
 *
 *     require '/srv/mkiso/MkisoClient.php';
 *     $client = new MkisoClient(array('command' => array('/opt/mkiso/bin/mkiso')));
 *     $result = $client->run(array('MR.180505.026'), array('output' => '/srv/discs'));
 *     if ($result->isOk()) { foreach ($result->discs() as $disc) { echo $disc['path'], "\n"; } }
 *     else { echo $result->message, "\n"; }
 *
 * Runs on PHP 5.6 to 8.x, on Linux.
 */

/** What a run of mkiso came to: its exit code, the sentence for a person, the whole report. */
final class MkisoResult
{
    /**
     * Every exit code of mkiso: its name, whether a retry makes sense, the HTTP status that fits.
     * Codes that are not here (1, 2, 126, 127, 255, signals) are never mkiso's own: INTERNAL.
     */
    const CODES = array(
        0 => array('OK', 'no', 200),
        10 => array('BATCH_PARTIAL', 'person', 500),
        64 => array('USAGE', 'no', 422),
        65 => array('DATA', 'no', 422),
        66 => array('NOT_FOUND', 'person', 404),
        70 => array('INTERNAL', 'no', 500),
        73 => array('CANT_CREATE', 'no', 409),
        74 => array('IO', 'person', 507),
        75 => array('TEMPFAIL', 'yes', 503),
        76 => array('PROTOCOL', 'no', 502),
        77 => array('NOPERM', 'no', 403),
        78 => array('CONFIG', 'no', 502),
        80 => array('INCOMPLETE', 'person', 500),
        81 => array('IDENTITY', 'never', 409),
        82 => array('AMBIGUOUS', 'never', 409),
        83 => array('VERIFY', 'no', 500),
        84 => array('FORWARD', 'yes', 500),
        85 => array('LIMIT', 'no', 413),
        86 => array('DRIVE', 'person', 500),
        87 => array('REFUSED_CONTENT', 'no', 422),
        130 => array('INTERRUPTED', 'yes', 503),
        143 => array('TERMINATED', 'yes', 503),
    );

    /** @var int the exit code: 0 is a complete, verified disc; 75 is try again */
    public $code;
    /** @var string the code's name, such as NOT_FOUND */
    public $name;
    /** @var string yes, no, person (after one has looked) or never */
    public $retry;
    /** @var string one sentence for a person; never a patient's name, birth date or ID */
    public $message;
    /** @var array the report of mkiso, see mkiso/core/report_schema.json */
    public $report;

    private function __construct(array $report)
    {
        $this->report = $report;
        $this->code = $report['code'];
        $this->name = $report['name'];
        $this->retry = $report['retry'];
        $this->message = $report['message'];
    }

    /** Make the result of a failure that mkiso itself could not report. */
    public static function failure($code, $message)
    {
        list($name, $retry) = self::CODES[$code];

        return new self(array(
            'schema' => 1, 'code' => $code, 'name' => $name, 'retry' => $retry,
            'message' => $message, 'discs' => array(), 'warnings' => array(),
        ));
    }

    /**
     * Make the result of what mkiso printed. An exit code of null is one that nobody has seen.
     * A report that contradicts the exit code is not believed.
     */
    public static function fromOutput($stdout, $exitCode)
    {
        $report = json_decode($stdout, true);
        $whole = is_array($report) && isset($report['code'], $report['message'])
            && is_int($report['code']) && is_string($report['message'])
            && array_key_exists($report['code'], self::CODES);
        if ($whole && ($exitCode === null || $exitCode === $report['code'])) {
            list($name, $retry) = self::CODES[$report['code']];
            $report['discs'] = isset($report['discs']) ? (array) $report['discs'] : array();

            return new self($report + array('name' => $name, 'retry' => $retry));
        }
        $how = $exitCode === null ? '' : sprintf(' (exit code %d)', $exitCode);

        return self::failure(
            70,
            "mkiso ended without a valid report$how; it may have been killed. Look at its log."
        );
    }

    /** Whether a complete, verified disc exists. */
    public function isOk()
    {
        return $this->code === 0;
    }

    /** The discs that exist: path, size_bytes, sha256, instances, number, of, complete of each. */
    public function discs()
    {
        return $this->report['discs'];
    }

    /** The HTTP status that fits. */
    public function httpStatus()
    {
        return self::CODES[$this->code][2];
    }
}

/** What is asked for cannot even be given to mkiso, or the shim itself is not set up. */
class MkisoRefused extends Exception
{
    /** @var MkisoResult */
    public $result;
    /** @var int */
    public $httpStatus;

    public function __construct($code, $message, $httpStatus = null)
    {
        parent::__construct($message);
        $this->result = MkisoResult::failure($code, $message);
        $this->httpStatus = $httpStatus === null ? $this->result->httpStatus() : $httpStatus;
    }
}

/** Runs mkiso. */
final class MkisoClient
{
    /** Every setting with its default; config.sample.php explains them. */
    const DEFAULTS = array(
        'command' => array('mkiso'),
        'arguments' => array(),
        'environment' => array(),
        'output' => '',
        'forward' => 'forward',
        'deadline_seconds' => 15000,
        'grace_seconds' => 60,
        'work' => '/var/lib/mkiso-web',
        'maximum_jobs' => 8,
        'keep_hours' => 48,
        'authorise' => '',
    );
    /** The variables that mkiso gets; those of a web request are nobody's business. */
    const ENVIRONMENT = array(
        'PATH', 'HOME', 'LANG', 'LC_ALL', 'TZ', 'TMPDIR',
        'XDG_STATE_HOME', 'XDG_CONFIG_HOME', 'MKISO_CONFIG',
    );
    /** `mkiso status` takes a sixth of a second. */
    const STATUS_SECONDS = 10;
    const DEFAULT_PATH = '/usr/local/bin:/usr/bin:/bin';

    /** @var array */
    public $settings;

    /** Take settings; those not given keep their defaults. Throws MkisoRefused (78). */
    public function __construct(array $settings = array())
    {
        foreach ($settings as $key => $value) {
            $known = array_key_exists($key, self::DEFAULTS);
            if (!$known || gettype($value) !== gettype(self::DEFAULTS[$key])) {
                throw new MkisoRefused(78, $known
                    ? "The setting '$key' of the PHP pages has a value of the wrong kind."
                    : "The PHP pages know no setting '$key'; see config.sample.php.");
            }
        }
        $this->settings = $settings + self::DEFAULTS;
    }

    /**
     * Make one disc of everything under these accession numbers, and wait for it.
     *
     * `$options` are mkiso's own as words: modality, forward, output, name, replace, requested_by,
     * same_patient, allow_incomplete ... `mkiso make --help` lists them, mkiso checks them.
     * `$progress` is called with each event of `--progress json`, an array. Never throws.
     *
     * @return MkisoResult
     */
    public function run(array $accessions, array $options = array(), $progress = null)
    {
        $streams = array();
        try {
            $request = $this->request($accessions, $options);
            $words = $this->command();
            for ($number = 0; $number < 3; $number++) {
                $streams[] = self::opened(tmpfile());
            }
            // Files instead of pipes: whatever mkiso writes, nobody waits for anybody.
            fwrite($streams[0], $request);
            rewind($streams[0]);
            $process = $this->open($words, $streams);
            list($exitCode, $isLate) = $this->waitFor($process, $streams[2], $progress);
            rewind($streams[1]);
            $result = MkisoResult::fromOutput(stream_get_contents($streams[1]), $exitCode);

            return $isLate && $result->code === 70 ? MkisoResult::failure(143, sprintf(
                'mkiso did not end within %d seconds and was stopped.',
                $this->settings['deadline_seconds']
            )) : $result;
        } catch (MkisoRefused $refused) {
            return $refused->result;
        }
    }

    /**
     * What `mkiso status` says of a job: state, progress, report. Null when it does not know the job
     * or cannot be asked; then the job's own files have to do.
     */
    public function status($id, $output)
    {
        $words = array_merge(
            $this->settings['command'],
            array('status', '--json', '--output', $output),
            self::placeArguments($this->settings['arguments']),
            array('--', $id)
        );
        try {
            $streams = array(array('file', '/dev/null', 'r'), self::opened(tmpfile()), self::opened(tmpfile()));
            $process = $this->open($words, $streams);
            $until = self::seconds() + self::STATUS_SECONDS;
            do {
                usleep(10000);
                $status = proc_get_status($process);
                if ($status['running'] && self::seconds() >= $until) {
                    proc_terminate($process, 9);
                }
            } while ($status['running']);
            proc_close($process);
            rewind($streams[1]);
            $answer = json_decode(stream_get_contents($streams[1]), true);
        } catch (MkisoRefused $refused) {
            return null;
        }

        return isset($answer['answer']['job']['state']) ? $answer['answer']['job'] : null;
    }

    /** Of the words after `mkiso make` those that say where mkiso keeps its books. */
    private static function placeArguments(array $words)
    {
        $places = array();
        foreach ($words as $at => $word) {
            $name = strtok($word, '=');
            if ($name === '--config' || $name === '--set') {
                $places[] = $word;
                if ($name === $word && isset($words[$at + 1])) {
                    $places[] = $words[$at + 1];
                }
            }
        }

        return $places;
    }

    /** The words of the command line. Nothing of a visitor is among them. Throws MkisoRefused. */
    public function command()
    {
        $words = array_merge(
            $this->settings['command'],
            array('make', '--json', '--stdin', '--progress', 'json'),
            $this->settings['arguments']
        );
        $this->requireProgram($words[0]);

        return $words;
    }

    /** The JSON for mkiso's stdin. Throws MkisoRefused (64) for what is no text. */
    public function request(array $accessions, array $options = array())
    {
        $texts = array();
        foreach ($accessions as $accession) {
            if (!is_string($accession) && !is_int($accession)) {
                throw new MkisoRefused(64, 'An accession number must be a text.');
            }
            $texts[] = (string) $accession;
        }
        foreach (array('modality', 'forward') as $word) {
            if (isset($options[$word]) && !is_array($options[$word])) {
                $options[$word] = array($options[$word]);
            }
        }
        if ($this->settings['output'] !== '' && !isset($options['output'])) {
            $options['output'] = $this->settings['output'];
        }
        $json = json_encode(array('accessions' => $texts) + $options);
        if ($json === false) {
            throw new MkisoRefused(64, 'What was sent is not UTF-8 text.');
        }

        return $json;
    }

    /** Throw MkisoRefused (78) when a program cannot be run: PHP would only say so with 127. */
    public function requireProgram($name)
    {
        $environment = $this->environment();
        $folders = strpos($name, '/') === false ? explode(':', $environment['PATH']) : array('');
        foreach ($folders as $folder) {
            $path = $folder === '' ? $name : "$folder/$name";
            if (is_file($path) && is_executable($path)) {
                return;
            }
        }
        throw new MkisoRefused(78, "The program $name cannot be run; name it with its whole path"
            . " as 'command' in config.php.");
    }

    /**
     * Start a program; `$descriptors` are its stdin, stdout, stderr and what else it inherits.
     * Throws MkisoRefused (78).
     */
    public function open(array $words, array $descriptors)
    {
        $process = function_exists('proc_open')
            ? proc_open(self::form($words), $descriptors, $none, null, $this->environment())
            : false;
        if (!is_resource($process)) {
            throw new MkisoRefused(78, 'PHP could not start mkiso; is proc_open disabled in php.ini?');
        }

        return $process;
    }

    /** The words as proc_open takes them: an array and no shell, where PHP can (7.4). */
    public static function form(array $words, $version = PHP_VERSION_ID)
    {
        // exec: the signal at the deadline is for mkiso, not for a shell around it.
        return $version >= 70400 ? $words : 'exec ' . implode(' ', array_map('escapeshellarg', $words));
    }

    /** A clock that nobody sets, in seconds, where PHP has one (7.3). */
    public static function seconds()
    {
        return function_exists('hrtime') ? hrtime(true) / 1e9 : microtime(true);
    }

    /** Return what fopen, tmpfile and their like gave. Throws MkisoRefused (74) for false. */
    public static function opened($stream)
    {
        if (!is_resource($stream)) {
            throw new MkisoRefused(74, 'A file for the job could not be made; is the disk full?');
        }

        return $stream;
    }

    /** mkiso's environment: a few variables of ours, those of the settings over them. */
    private function environment()
    {
        $environment = array('PATH' => self::DEFAULT_PATH, 'LANG' => 'C.UTF-8');
        foreach (self::ENVIRONMENT as $name) {
            $value = getenv($name);
            if (is_string($value) && $value !== '') {
                $environment[$name] = $value;
            }
        }

        return $this->settings['environment'] + $environment;
    }

    /** Wait for the process; return its exit code and whether the deadline ended it. */
    private function waitFor($process, $stderr, $progress)
    {
        $events = new MkisoEvents($stderr);
        $deadline = self::seconds() + $this->settings['deadline_seconds'];
        $signals = array(array(0, 15), array($this->settings['grace_seconds'], 9));
        $pause = 5000;
        do {
            // Asked once and kept: PHP before 8.3 tells the exit code a single time.
            $status = proc_get_status($process);
            foreach ($progress === null ? array() : $events->next() as $event) {
                call_user_func($progress, $event);
            }
            if ($signals && self::seconds() >= $deadline + $signals[0][0]) {
                list(, $signal) = array_shift($signals);
                proc_terminate($process, $signal);
            }
            if ($status['running']) {
                usleep($pause = min(2 * $pause, 100000));
            }
        } while ($status['running']);
        proc_close($process);

        return array($status['exitcode'], count($signals) < 2);
    }
}

/** The JSON lines that mkiso writes on stderr, read beside it. */
final class MkisoEvents
{
    private $stream;
    private $rest = '';

    /** Follow the file behind an open stream. */
    public function __construct($stream)
    {
        // A reader of its own: seeking in the stream itself would move the place mkiso writes at.
        $metadata = stream_get_meta_data($stream);
        $this->stream = fopen($metadata['uri'], 'rb');
    }

    /** The events that have come since the last time. */
    public function next()
    {
        if (!is_resource($this->stream)) {
            return array();
        }
        fseek($this->stream, 0, SEEK_CUR);
        $lines = explode("\n", $this->rest . stream_get_contents($this->stream));
        $this->rest = array_pop($lines);

        return self::decode($lines);
    }

    /** The events among lines; anything else on stderr is not for the caller. */
    public static function decode(array $lines)
    {
        $events = array();
        foreach ($lines as $line) {
            $event = json_decode($line, true);
            if (is_array($event) && isset($event['event'])) {
                $events[] = $event;
            }
        }

        return $events;
    }
}
