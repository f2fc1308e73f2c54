<?php
// SPDX-License-Identifier: MIT
//
// Adminer for one database server: its login form is filled in but for the
// password, and whatever a client sends, no connection goes to another server
// (CVE-2021-21311).

declare(strict_types=1);

define('PANEL_SERVER', getenv('ADMINER_SERVER') ?: 'db');
define('PANEL_USERNAME', getenv('ADMINER_USERNAME') ?: 'dbuserwriter');
define('PANEL_DATABASE', getenv('ADMINER_DATABASE') ?: 'buzon');
const ADMINER = '/usr/share/adminer/adminer.php';
// What Adminer calls both MySQL and MariaDB.
const PANEL_DRIVER = 'server';

function refuse(int $status, string $reason): never
{
  http_response_code($status);
  header('Content-Type: text/plain; charset=utf-8');
  header('X-Content-Type-Options: nosniff');
  exit("$reason\n");
}

/** Refuses a login or a page that names another server than ours. */
function check_server(array $asked): void
{
  foreach ($asked as $name => $value) {
    if (!is_string($value)) {
      refuse(400, "The parameter \"$name\" is a list; one value is right.");
    }
  }
  $server = $asked['server'] ?? PANEL_SERVER;
  $driver = $asked['driver'] ?? PANEL_DRIVER;
  if ($server !== PANEL_SERVER || $driver !== PANEL_DRIVER) {
    refuse(403, sprintf(
      'This panel is only for the MariaDB server "%s"; refused: server "%s", system "%s".',
      PANEL_SERVER, $server, $driver
    ));
  }
}

check_server(array_intersect_key($_GET, array_flip(['server', 'username', 'db'])));
if (isset($_POST['auth'])) {
  check_server((array) $_POST['auth'] + ['server' => '', 'driver' => '']);
}

// Where Adminer would keep the answer of its version check, from anybody.
if (($_GET['script'] ?? '') === 'version') {
  refuse(404, 'There is no version check here.');
}

// The proxy ends TLS; cookies are then for TLS alone.
if (($_SERVER['HTTP_X_FORWARDED_PROTO'] ?? '') === 'https') {
  $_SERVER['HTTPS'] = 'on';
}

function adminer_object(): Adminer\Adminer
{
  if (!class_exists('Adminer\Adminer', false)) {
    require __DIR__ . '/adminer-4.php';
  }
  // Adminer's driver for MariaDB comes last: one that is already chosen is of
  // another system (?pgsql=, ?sqlite=, …).
  if (defined('Adminer\DRIVER')) {
    check_server(['driver' => Adminer\DRIVER]);
  }
  // Adminer asks its maker for the newest version where it does not know it.
  $_COOKIE['adminer_version'] = Adminer\VERSION;

  return new class extends Adminer\Adminer {
    public function credentials(): array
    {
      return [PANEL_SERVER, $_GET['username'], Adminer\get_password()];
    }

    /** The empty key of a permanent login: the password is never stored. */
    public function permanentLogin($create = false): string
    {
      return '';
    }

    /** Adminer counts failed logins by client, which the proxy adds last. */
    public function bruteForceKey(): string
    {
      $clients = explode(',', $_SERVER['HTTP_X_FORWARDED_FOR'] ?? $_SERVER['REMOTE_ADDR']);
      return trim(end($clients));
    }

    /** Adminer 4 passes on none of its own. */
    public function csp($csp = null): array
    {
      $csp ??= Adminer\csp();
      $csp[0] = [
        'default-src' => "'self'",
        'frame-ancestors' => "'none'",
        'frame-src' => "'none'",
        'img-src' => "'self' data:",
        'style-src' => "'self' 'unsafe-inline'",
      ] + $csp[0];
      return $csp;
    }

    public function headers(): void
    {
      header('Cache-Control: no-store');
      header('Referrer-Policy: same-origin');
      // The client's own errors are those of the connection.
      if (mysqli_connect_errno() >= 2000) {
        http_response_code(503);
        header('Retry-After: 5');
        $this->error = sprintf(
          'The database server "%s" cannot be reached, so nobody can log in now.'
            . ' Try again in a moment.',
          Adminer\h(PANEL_SERVER)
        );
      }
    }

    /** Without the choice of a permanent login. */
    public function loginForm(): void
    {
      $rows = [
        'System' => '<select name="auth[driver]">'
          . '<option value="' . PANEL_DRIVER . '">MySQL / MariaDB</option></select>',
        'Server' => $this->input('server', PANEL_SERVER, 'readonly'),
        'Username' => $this->input(
          'username', $_GET['username'] ?? PANEL_USERNAME, 'autocomplete="username"'
        ),
        'Password' => $this->input(
          'password', '', 'type="password" autocomplete="current-password" autofocus'
        ),
        'Database' => $this->input('db', $_GET['db'] ?? PANEL_DATABASE),
      ];
      echo '<table class="layout">';
      foreach ($rows as $name => $field) {
        echo '<tr><th>' . Adminer\lang($name) . "<td>$field\n";
      }
      echo '</table><p><input type="submit" value="' . Adminer\lang('Login') . '">';
    }

    private function input(string $name, string $value, string $attributes = ''): string
    {
      return '<input name="auth[' . $name . ']" value="' . Adminer\h($value)
        . '" autocapitalize="off" ' . $attributes . '>';
    }
  };
}

/** Takes Adminer's version out of its pages; what stands in a message cannot look so. */
function hide_version(string $page): string
{
  $is_page = (bool) preg_grep('~^Content-Type: text/html~i', headers_list());
  if (!$is_page || !defined('Adminer\VERSION')) {
    return $page;
  }
  $version = preg_quote(Adminer\VERSION);
  // Browsers keep what it is for by this name, until there is another Adminer.
  $name = substr(hash('sha256', Adminer\VERSION . filemtime(ADMINER)), 0, 8);
  return preg_replace(
    [
      "~(\\b(?:href|src|style)=[\"'][^\"'<>]*[?]file=[^\"'<>]*version=)$version~",
      "~(\\bclass=[\"']version[\"']>\\s*)$version~",
    ],
    ["\${1}$name", '$1'],
    $page
  ) ?? $page;
}

// Pages fit into it as a whole; an export goes through in pieces.
ob_start('hide_version', 1024 * 1024);
require ADMINER;
