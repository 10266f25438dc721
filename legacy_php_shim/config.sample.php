<?php
/**
 * The settings of the PHP pages, with their defaults. Copy this file to config.php and change what
 * differs at your site; lines that are left out keep the default. What concerns the archive stands
 * in mkiso's own configuration (mkiso.sample.toml beside this file), not here.
 */

return array(
    // The program and words before its own, an array: PHP under a web server has no PATH to search.
    'command' => array('/usr/local/bin/mkiso'),

    // Words after `mkiso make`, such as array('--config', '/etc/mkiso.toml').
    'arguments' => array(),

    // Variables for mkiso, such as array('MKISO_INSTITUTION_NAME' => 'City Hospital').
    'environment' => array(),

    // One folder for all images, outside of what the web server shows. Empty: each job of the web
    // has a folder of its own in 'work', removed with it; on the command line mkiso decides.
    'output' => '',

    // The node of mkiso's configuration that mkiso2.php forwards to.
    'forward' => 'forward',

    // mkiso is stopped after this; its own --deadline of 4 hours comes first.
    'deadline_seconds' => 15000,

    // Between asking mkiso to stop (SIGTERM: it cleans up) and killing it.
    'grace_seconds' => 60,

    // The jobs of the web. The folder must exist, belong to the web server's user, and lie outside
    // of what the web server shows:  install -d -m 0700 -o www-data /var/lib/mkiso-web
    'work' => '/var/lib/mkiso-web',

    // Jobs of the web at the same time; one more is answered with 503.
    'maximum_jobs' => 8,

    // Jobs of the web, and the images in their folders, are removed after this.
    'keep_hours' => 48,

    // The site's file with the function authorise(). Empty: authorise.php beside this file.
    'authorise' => '',
);
