<?php
/**
 * Sends an image: whole or one range of it (RFC 9110, section 14), never one that has changed since.
 */

require_once __DIR__ . '/MkisoJobs.php';

final class MkisoDownload
{
    const PIECE_BYTES = 262144;

    private $stream;
    private $name;
    private $sizeBytes;
    private $sha256;

    /**
     * Open the disc of a job's report. Throws MkisoRefused (410) when the image is not there any
     * more, or is not the one that the job made and verified.
     */
    public function __construct(MkisoJob $job, array $disc)
    {
        $folder = realpath($job->output());
        $path = realpath($disc['path']);
        if ($folder === false || $path === false || strpos($path, rtrim($folder, '/') . '/') !== 0) {
            throw self::gone();
        }
        // The image first: mkiso replaces the sidecar before the image, so that an image and a
        // sidecar read in this order, and agreeing with the report, belong together.
        $this->stream = @fopen($path, 'rb');
        $status = is_resource($this->stream) ? fstat($this->stream) : array('size' => -1);
        $sidecar = json_decode((string) @file_get_contents(substr($path, 0, -4) . '.json'), true);
        if ($status['size'] !== $disc['size_bytes'] || !isset($sidecar['sha256'])
            || $sidecar['sha256'] !== $disc['sha256']) {
            throw self::gone();
        }
        $this->name = preg_replace('/[^A-Za-z0-9._-]/', '_', basename($path));
        $this->sizeBytes = $disc['size_bytes'];
        $this->sha256 = $disc['sha256'];
    }

    /** Send it with its headers; without a body for HEAD. */
    public function send(array $server)
    {
        $range = $this->wantsRange($server) ? self::range($server['HTTP_RANGE'], $this->sizeBytes) : null;
        header('Accept-Ranges: bytes');
        header('X-Accel-Buffering: no');  // nginx keeps no copy of it in a file
        header("ETag: \"$this->sha256\"");
        if ($range === false) {
            http_response_code(416);
            header("Content-Range: bytes */$this->sizeBytes");
            header('Content-Length: 0');

            return;
        }
        list($first, $last) = $range === null ? array(0, $this->sizeBytes - 1) : $range;
        if ($range !== null) {
            http_response_code(206);
            header("Content-Range: bytes $first-$last/$this->sizeBytes");
        }
        header('Content-Type: application/x-iso9660-image');
        header("Content-Disposition: attachment; filename=\"$this->name\"");
        header('Content-Length: ' . ($last - $first + 1));
        header('Repr-Digest: sha-256=:' . base64_encode(pack('H*', $this->sha256)) . ':');
        if ($server['REQUEST_METHOD'] !== 'HEAD') {
            $this->copy($first, $last - $first + 1);
        }
    }

    /**
     * The one range that is asked for: first and last byte. False when the image has no such bytes;
     * null for several, or for what is no range: they may be answered with the whole.
     */
    public static function range($header, $sizeBytes)
    {
        if (!preg_match('/\Abytes[ \t]*=[ \t]*([0-9]{0,18})-([0-9]{0,18})[ \t]*\z/i', $header, $found)
            || $found[1] . $found[2] === '') {
            return null;
        }
        if ($found[1] === '') {
            $first = max(0, $sizeBytes - (int) $found[2]);

            return (int) $found[2] > 0 ? array($first, $sizeBytes - 1) : false;
        }
        $first = (int) $found[1];
        $last = $found[2] === '' ? $sizeBytes - 1 : min((int) $found[2], $sizeBytes - 1);
        if ($found[2] !== '' && (int) $found[2] < $first) {
            return null;
        }

        return $first < $sizeBytes ? array($first, $last) : false;
    }

    /** A range of another image than the one there now is answered with the whole of this one. */
    private function wantsRange(array $server)
    {
        return isset($server['HTTP_RANGE']) && (!isset($server['HTTP_IF_RANGE'])
            || $server['HTTP_IF_RANGE'] === "\"$this->sha256\"");
    }

    private function copy($first, $count)
    {
        set_time_limit(0);
        while (ob_get_level() > 0) {
            ob_end_clean();
        }
        fseek($this->stream, $first);
        while ($count > 0 && !connection_aborted()) {
            $piece = fread($this->stream, min($count, self::PIECE_BYTES));
            if ($piece === false || $piece === '') {
                return;  // the connection ends before Content-Length: the visitor knows
            }
            echo $piece;
            flush();
            $count -= strlen($piece);
        }
    }

    private static function gone()
    {
        return new MkisoRefused(66, 'The image is not there any more; have the disc made again.', 410);
    }
}
