# SPDX-License-Identifier: MIT
"""The messages under Flask: each worker process keeps one connection to the database."""

import json
import os
import socket
from collections.abc import Iterator

import MySQLdb
from flask import Flask, Response, abort, request
from MySQLdb.constants import FIELD_TYPE
from MySQLdb.converters import conversions
from MySQLdb.cursors import Cursor, SSCursor

COLUMNS = "id, sender, content, stored_at"
FILTERS = {"ID": "id = %s", "From": "sender = %s", "after": "id > %s", "before": "id < %s"}
NDJSON = "application/x-ndjson"
ALIVE = f"ALIVE {socket.gethostname()}\n"
ROWS_AT_ONCE = 500
to_json = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode

app = Flask(__name__)


def to_rfc3339(date: str) -> str:
    """From the database's form of a date in UTC."""
    return date.replace(" ", "T") + "Z"


class Database:
    """The one connection of a worker, which serves one request at a time."""

    def __init__(self) -> None:
        self.connection: MySQLdb.Connection | None = None

    def cursor(self, kind: type = Cursor) -> Cursor:
        if self.connection is None:
            self.connection = self.connect()
        return self.connection.cursor(kind)

    def connect(self) -> MySQLdb.Connection:
        return MySQLdb.connect(
            unix_socket=os.environ["PEER_DB_SOCKET"],
            user="buzon",
            password=os.environ["PEER_DB_PASSWORD"],
            database="buzon",
            charset="utf8mb4",
            autocommit=True,
            conv={**conversions, FIELD_TYPE.DATETIME: to_rfc3339},
        )

    def forget(self) -> None:
        """The next request connects anew."""
        if self.connection is not None:
            self.connection.close()
        self.connection = None


database = Database()


@app.errorhandler(MySQLdb.OperationalError)
def database_away(_: MySQLdb.OperationalError) -> tuple[str, int]:
    database.forget()
    return "The database does not answer.\n", 503


def message(row: tuple[int, str, str, str]) -> dict[str, int | str]:
    ID, sender, content, date = row
    return {"ID": ID, "From": sender, "Content": content, "Date": date}


@app.get("/api/test")
def test() -> Response:
    return Response(ALIVE, mimetype="text/plain")


@app.post("/api/message")
def post() -> Response:
    body = request.get_json()
    if not isinstance(body, dict):
        abort(400, "The body must be a JSON object.")
    texts = (body.get("From"), body.get("Content"))
    if not all(isinstance(text, str) and text for text in texts):
        abort(400, "From and Content must be strings that are not empty.")
    with database.cursor() as cursor:
        cursor.execute(
            "INSERT INTO message (sender, content, stored_at)"
            f" VALUES (%s, %s, UTC_TIMESTAMP(6)) RETURNING {COLUMNS}",
            texts,
        )
        stored = message(cursor.fetchone())
    return Response(to_json(stored), 201, mimetype="application/json")


@app.get("/api/message")
def get() -> Response:
    streamed = NDJSON in request.headers.get("Accept", "")
    query, values = select(streamed)
    if streamed:
        return Response(stream(query, values), mimetype=NDJSON)
    with database.cursor() as cursor:
        cursor.execute(query, values)
        found = [message(row) for row in cursor.fetchall()]
    return Response(to_json(found), mimetype="application/json")


def select(streamed: bool) -> tuple[str, list[int | str]]:
    """The query for the parameters of this request, and its values."""
    conditions, values = ["TRUE"], []
    for name, condition in FILTERS.items():
        value = request.args.get(name, type=str if name == "From" else int)
        if value is not None:
            conditions.append(condition)
            values.append(value)
    query = f"SELECT {COLUMNS} FROM message WHERE {' AND '.join(conditions)} ORDER BY id"
    if not streamed:
        query += " LIMIT %s"
        values.append(request.args.get("limit", default=100, type=int))
    return query, values


def stream(query: str, values: list[int | str]) -> Iterator[str]:
    with database.cursor(SSCursor) as cursor:
        try:
            cursor.execute(query, values)
            while rows := cursor.fetchmany(ROWS_AT_ONCE):
                yield "".join([to_json(message(row)) + "\n" for row in rows])
        except GeneratorExit:
            # The reader has gone: what it did not read is not read for it.
            database.forget()
            raise
