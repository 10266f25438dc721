<?php
/**
 * Who may: the site's own authorise(), and the token that tells the site's pages from forgeries.
 */

require_once __DIR__ . '/MkisoJobs.php';

final class MkisoAccess
{
    const COOKIE = 'mkiso_token';

    /** @var array */
    private $settings;

    public function __construct(array $settings)
    {
        $this->settings = $settings;
    }

    /**
     * Ask the site's authorise(); throw MkisoRefused (77) unless it says yes. Returns the name of the
     * person when authorise() gave one, else "".
     *
     * `$request`: action (page, make, status, download), script, accession_numbers, and protected:
     * false when another site's page could have made the visitor's browser send this.
     */
    public function requireYes(array $request)
    {
        $answer = false;
        ob_start();  // a site's file may begin with a blank line, which must not go before headers
        try {
            $answer = $this->ask($request);
        } catch (Exception $error) {
            self::note($error);
        } catch (Throwable $error) {
            self::note($error);
        }
        ob_end_clean();
        if (session_id() !== '') {
            session_write_close();  // else the next request of this visitor waits for this one
        }
        if ($answer !== true && (!is_string($answer) || $answer === '')) {
            throw new MkisoRefused(77, 'You may not do this here; log in to the site first.');
        }

        return $answer === true ? '' : $answer;
    }

    /** The token of this visitor: the same in the cookie and in the form. Send it before a page. */
    public static function token()
    {
        $token = self::cookie();
        if ($token === '') {
            $token = MkisoJobs::newId();
            $secure = empty($_SERVER['HTTPS']) || $_SERVER['HTTPS'] === 'off' ? '' : '; Secure';
            header('Set-Cookie: ' . self::COOKIE . "=$token; Path=/; HttpOnly; SameSite=Strict$secure", false);
        }

        return $token;
    }

    /** Throw MkisoRefused (77) unless the request comes from a page of ours. */
    public static function requireToken($given)
    {
        $cookie = self::cookie();
        // What the browser itself says of where the request comes from; old ones do not.
        $origin = 'same-origin';
        $from = isset($_SERVER['HTTP_SEC_FETCH_SITE']) ? $_SERVER['HTTP_SEC_FETCH_SITE'] : $origin;
        if ($cookie === '' || !is_string($given) || !hash_equals($cookie, $given)
            || $from !== $origin) {
            throw new MkisoRefused(77, 'The page you came from is too old; open it again and repeat.');
        }
    }

    /** Write what went wrong into the web server's log: the place, not what it was about. */
    public static function note($error)
    {
        error_log(sprintf(
            'mkiso: %s in %s line %d',
            get_class($error),
            $error->getFile(),
            $error->getLine()
        ));
    }

    private static function cookie()
    {
        $cookie = isset($_COOKIE[self::COOKIE]) ? $_COOKIE[self::COOKIE] : '';

        return is_string($cookie) && preg_match('/\A[0-9a-f]{32}\z/', $cookie) ? $cookie : '';
    }

    private function ask(array $request)
    {
        $file = $this->settings['authorise'] === ''
            ? __DIR__ . '/authorise.php'
            : $this->settings['authorise'];
        if (!is_file($file)) {
            return false;
        }
        require_once $file;

        return function_exists('authorise') ? authorise($request) : false;
    }
}
