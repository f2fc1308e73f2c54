<?php
// SPDX-License-Identifier: MIT
//
// Gives Adminer 4.8.1, which Debian 12 has, the names of Adminer 5 that index.php
// goes by. It stands here before Adminer has a version and a connection.

declare(strict_types=1);

namespace Adminer;

// No newer one is told of, whatever the number.
const VERSION = '4.8.1';

if (defined('DRIVER')) {
  define('Adminer\DRIVER', \DRIVER);
}

function csp(): array
{
  return \csp();
}

function get_password(): mixed
{
  return \get_password();
}

function h(string $text): string
{
  return \h($text);
}

function lang(string $text): string
{
  return \lang($text);
}

class Adminer extends \Adminer
{
  /** Its pages show no error of ours, but the messages of the session. */
  public function __set(string $name, mixed $value): void
  {
    if ($name === 'error') {
      \redirect(null, $value);
    }
  }
}
