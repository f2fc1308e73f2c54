<?php
// SPDX-License-Identifier: MIT
//
// The messages under PHP-FPM: each child keeps one connection to the database.
declare(strict_types=1);

const COLUMNS = 'id, sender, content, stored_at';
const FILTERS = ['ID' => 'id = ', 'From' => 'sender = ', 'after' => 'id > ', 'before' => 'id < '];
const JSON_FLAGS = JSON_UNESCAPED_UNICODE | JSON_UNESCAPED_SLASHES | JSON_THROW_ON_ERROR;
const CHUNK_BYTES = 65536;

function fail(int $status, string $text): never
{
    http_response_code($status);
    header('Content-Type: text/plain');
    exit("$text\n");
}

function database(): mysqli
{
    $database = mysqli_init();
    // Also tells how to escape; so it costs no SET NAMES for each request.
    $database->options(MYSQLI_SET_CHARSET_NAME, 'utf8mb4');
    $database->options(MYSQLI_OPT_INT_AND_FLOAT_NATIVE, 1);
    $database->real_connect('p:localhost', 'buzon', getenv('PEER_DB_PASSWORD'), 'buzon', 0,
        getenv('PEER_DB_SOCKET'));
    return $database;
}

function quote(mysqli $database, string $text): string
{
    return "'" . $database->real_escape_string($text) . "'";
}

function message(array $row): array
{
    [$id, $sender, $content, $date] = $row;
    return ['ID' => $id, 'From' => $sender, 'Content' => $content,
        'Date' => strtr($date, ' ', 'T') . 'Z'];
}

function post(): void
{
    $body = json_decode(file_get_contents('php://input'), true);
    foreach (['From', 'Content'] as $name) {
        if (!is_string($body[$name] ?? null) || $body[$name] === '') {
            fail(400, "$name must be a string that is not empty.");
        }
    }
    $database = database();
    $stored = $database->query('INSERT INTO message (sender, content, stored_at) VALUES ('
        . quote($database, $body['From']) . ', ' . quote($database, $body['Content'])
        . ', UTC_TIMESTAMP(6)) RETURNING ' . COLUMNS);
    http_response_code(201);
    header('Content-Type: application/json');
    echo json_encode(message($stored->fetch_row()), JSON_FLAGS);
}

/** The query for the parameters of this request. */
function select(mysqli $database, bool $streamed): string
{
    $conditions = ['TRUE'];
    foreach (FILTERS as $name => $condition) {
        if (isset($_GET[$name])) {
            $conditions[] = $condition
                . ($name === 'From' ? quote($database, $_GET[$name]) : (int) $_GET[$name]);
        }
    }
    $query = 'SELECT ' . COLUMNS . ' FROM message WHERE ' . implode(' AND ', $conditions)
        . ' ORDER BY id';
    return $streamed ? $query : $query . ' LIMIT ' . (int) ($_GET['limit'] ?? 100);
}

function get(): void
{
    $database = database();
    $streamed = str_contains($_SERVER['HTTP_ACCEPT'] ?? '', 'application/x-ndjson');
    $query = select($database, $streamed);
    if ($streamed) {
        header('Content-Type: application/x-ndjson');
        stream($database, $query);
        return;
    }
    header('Content-Type: application/json');
    $found = $database->query($query)->fetch_all();
    echo json_encode(array_map(message(...), $found), JSON_FLAGS);
}

/** Row by row as the database sends them. */
function stream(mysqli $database, string $query): void
{
    set_time_limit(0);
    $chunk = '';
    foreach ($database->query($query, MYSQLI_USE_RESULT) as $row) {
        $chunk .= json_encode(message(array_values($row)), JSON_FLAGS) . "\n";
        if (strlen($chunk) >= CHUNK_BYTES) {
            echo $chunk;
            $chunk = '';
        }
    }
    echo $chunk;
}

match ([$_SERVER['REQUEST_METHOD'], $_SERVER['DOCUMENT_URI']]) {
    ['GET', '/api/test'] => test(),
    ['POST', '/api/message'] => post(),
    ['GET', '/api/message'] => get(),
    default => fail(404, 'There is nothing at this path.'),
};

function test(): void
{
    header('Content-Type: text/plain');
    echo 'ALIVE ', gethostname(), "\n";
}
