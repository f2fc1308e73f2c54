# SPDX-License-Identifier: MIT
"""Text and JSON that programs stumble over: corpora of others, and tables of ours."""

import ast
import json
from pathlib import Path

CORPORA = Path(__file__).resolve().parent / "corpora"


def json_test_suite(first: str) -> dict[str, bytes]:
    """Cases of JSONTestSuite: y must be accepted, n refused, i is up to the parser."""
    cases = {
        "n_structure_100000_opening_arrays": b"[" * 100_000,
        # There it is twice as long, which is more than a body may have here.
        "n_structure_open_array_object": b'[{"":' * 24_000,
    }
    for line in (CORPORA / "JSONTestSuite.txt").read_text().splitlines():
        name, text = line.split("\t")
        cases[name] = ast.literal_eval(text)
    return {name: text for name, text in cases.items() if name.startswith(first)}


def big_list() -> list[str]:
    """The Big List of Naughty Strings, without the empty one."""
    found: list[str] = json.loads((CORPORA / "blns.json").read_text())
    return [text for text in found if text]


# Of what is up to the parser: numbers of any size are JSON; text that is no Unicode and
# nesting without end are not for us.
ACCEPTED_BY_CHOICE = "i_number_"

# What is no UTF-8, by how it is none.
NOT_UTF8 = {
    "a continuation alone": b"\x80",
    "the last continuation alone": b"\xbf",
    "two continuations": b"\x80\xbf",
    "2 bytes cut": b"\xc3",
    "3 bytes cut after 1": b"\xe2",
    "3 bytes cut after 2": b"\xe2\x82",
    "4 bytes cut after 1": b"\xf0",
    "4 bytes cut after 2": b"\xf0\x9f",
    "4 bytes cut after 3": b"\xf0\x9f\x98",
    "3 bytes broken off": b"\xe2\x82a",
    "4 bytes broken off by a start": b"\xf0\x9f\xc3\xb1",
    "overlong NUL": b"\xc0\x80",
    "overlong slash of 2": b"\xc0\xaf",
    "overlong quote of 2": b"\xc0\xa7",
    "overlong of 2, the longest": b"\xc1\xbf",
    "overlong of 3": b"\xe0\x80\xaf",
    "overlong of 3, the longest": b"\xe0\x9f\xbf",
    "overlong of 4": b"\xf0\x80\x80\xaf",
    "overlong of 4, the longest": b"\xf0\x8f\xbf\xbf",
    "first surrogate": b"\xed\xa0\x80",
    "last surrogate": b"\xed\xbf\xbf",
    "a pair of surrogates": b"\xed\xa0\xbd\xed\xb8\x80",
    "above U+10FFFF": b"\xf4\x90\x80\x80",
    "F5": b"\xf5\x80\x80\x80",
    "5 bytes": b"\xf8\x88\x80\x80\x80",
    "6 bytes": b"\xfc\x84\x80\x80\x80\x80",
    "FE": b"\xfe",
    "FF": b"\xff",
    "UTF-16 with its mark": b"\xff\xfea\x20",
    "Latin-1": b"ma\xf1ana",
    "Windows-1252": b"\x93quoted\x94",
    "Shift JIS": b"\x83e\x83X\x83g",
    "GBK that eats a quote": b"\xbf'",
    "GBK that eats a backslash": b"\xbf\\",
    "UTF-7 and a byte": b"+AGE-\xa0",
}

# SQL, by how it would get out of its place.
SQL = [
    *("'", '"', "`", "''", '""', "\\", "\\'", "\\\\'", "\\\"", "'\\", "')", "'))", "';"),
    *("--", "-- ", "'-- ", "'--\n", "'#", "# ", "'/*", "*/", "/**/", "'/**/OR/**/1=1#"),
    *("' OR '1'='1", "' OR 1=1 -- ", '" OR ""="', "1 OR 1=1", "') OR ('1'='1", "' || '1"),
    *("'='", "'+'", "'^'", "' AND 1=0 -- ", "' RLIKE '.*", "' LIKE '%", "%' OR 1 -- "),
    *("%", "_", "?", "??", ":1", "$1", "@@version", "NULL", "DEFAULT", "TRUE", "id", "*"),
    "' UNION SELECT 1,2,3,4 -- ",
    "' UNION ALL SELECT NULL,NULL,NULL,NULL,NULL,NULL -- ",
    "' UNION SELECT user, password, 1, 1 FROM information_schema.user_privileges -- ",
    "0 UNION SELECT id, sender, content, stored_at FROM message",
    "'; DROP TABLE message; -- ",
    "1; DROP TABLE message",
    "x'); DELETE FROM message; -- ",
    "'; UPDATE message SET content = 'x'; -- ",
    "'); INSERT INTO message (sender, content, stored_at) VALUES ('x', 'y', NOW(6)); -- ",
    "'; ALTER TABLE message ADD COLUMN x INT; -- ",
    "'; CREATE TABLE x (id INT); -- ",
    "'; GRANT ALL ON *.* TO 'buzon'@'%'; -- ",
    "'; SET GLOBAL max_connections = 1; -- ",
    "'; SHUTDOWN; -- ",
    "'; COMMIT; LOCK TABLES message WRITE; -- ",
    "' ON DUPLICATE KEY UPDATE content = 'x' -- ",
    "' FOR UPDATE -- ",
    "' PROCEDURE ANALYSE(1, 1) -- ",
    "' INTO OUTFILE 'buzon-injected' -- ",
    "' AND LOAD_FILE('/etc/passwd') -- ",
    "' AND SLEEP(9) -- ",
    "'||SLEEP(9)||'",
    "1 AND SLEEP(9)",
    "1; SELECT SLEEP(9)",
    "' OR (SELECT 1 FROM (SELECT SLEEP(9)) x) -- ",
    "' AND BENCHMARK(2000000000, SHA2(1, 512)) -- ",
    "' AND GET_LOCK('x', 9) -- ",
    "' AND EXTRACTVALUE(1, CONCAT(0x7e, VERSION())) -- ",
    "' AND UPDATEXML(1, CONCAT(0x7e, USER()), 1) -- ",
    "' AND 18446744073709551615 + 1 -- ",
    "' ORDER BY 99 -- ",
    "' LIMIT 0 -- ",
    "' HAVING 1=1 -- ",
    "' GROUP BY 1 WITH ROLLUP -- ",
    "0x27204f5220313d31",
    "x'27'",
    "b'100111'",
    "CHAR(39)",
    "_latin1'\\'",
    "_gbk 0xbf27",
    "N'x'",
    "{d '2020-01-01'}",
    "{fn SLEEP(9)}",
    "/*!50000 SLEEP(9) */",
    "/*M! SLEEP(9) */",
    "'/*! OR 1=1 */-- ",
    "%27%20OR%201=1",
    "%bf%27 OR 1=1 -- ",
    "\u00bf' OR 1=1 -- ",
    "\u7e17' OR 1=1 -- ",
    "\uff07 OR 1=1 -- ",
    "\u02bc OR 1=1 -- ",
    "\u2019 OR 1=1 -- ",
    "\x1a' OR 1=1 -- ",
    "'\n;\nDELETE FROM message;\n",
    "'\r\nDELIMITER //\r\nDROP TABLE message//",
    "\\! id",
    "\\g",
    "'\u00a0OR\u00a01=1\u00a0--\u00a0",
    "'\tOR\v1=1\f-- ",
    "' OR 1=1 -- " * 20,
]

# Characters of every sort, beside those that tests/integration has.
UNICODE = {
    "each plane": "".join(chr(plane << 16 | 0x1F4A) for plane in range(17)),
    "its ends": "".join(chr(p << 16 | low) for p in range(17) for low in range(0xFFFD, 0x10000)),
    "noncharacters": "".join(map(chr, range(0xFDD0, 0xFDF0))),
    "private use": "\ue000\uf8ff\U000f0000\U000ffffd\U00100000\U0010fffd",
    "around the surrogates": "\ud7ff\ue000",
    "byte order marks": "\ufeff\ufffe\ufeff",
    "right to left": "\u202bשלום\u202c \u2067مرحبا\u2069 \u200f\u061c\u202eabc",
    "zero width": "a\u200bb\u200cc\u200dd\u2060e\ufefff\u180eg",
    "combining": "e\u0301\u0327\u0323 \u0301alone Z" + "\u035f" * 100,
    "composed and not": "\u00c5 A\u030a \u212b \ud55c \u1112\u1161\u11ab \ufb01 fi",
    "joined": "👩🏽‍🚀🏴󠁧󠁢󠁥󠁮󠁧󠁿👨‍👩‍👧‍👦🇪🇸",
    "tags": "\U000e0001\U000e0020\U000e007f",
    "variation selectors": "☃\ufe0e☃\ufe0f葛\U000e0100",
    "blanks": "\u0009\u0020\u00a0\u1680\u2000\u2003\u2009\u200a\u202f\u205f\u3000",
    "line ends": "\n\r\n\r\u0085\u2028\u2029\x0b\x0c",
    "controls": "".join(map(chr, (*range(1, 32), *range(127, 160)))),
    "cases": "ßẞﬃıİiIſΣσςǅ",
    "digits": "٠١٢߀०௧๔①𝟘½Ⅷ",
    "1 to 4 bytes at their ends": "\x01\x7f\x80\u07ff\u0800\uffff\U00010000\U0010ffff",
}
