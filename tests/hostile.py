"""Entries that somebody may push, by mistake or on purpose."""

from __future__ import annotations

import json
from typing import Any

from woodenwaiter.errors import BadEntry
from woodenwaiter.protocol.entry import RECORD_SEPARATOR, load

DEEP = 100_000
LARGE = 100 << 20
HEADER = {"id": "host.1/1", "deliveries": 1, "first_failed": 1.5, "reason": "because"}


def framed(payload: bytes, **changes: Any) -> bytes:
    return RECORD_SEPARATOR + json.dumps({**HEADER, **changes}).encode() + b"\n" + payload


TASKS = {
    "NaN": b'{"name": "NaN", "n": [NaN, Infinity, -Infinity]}',
    "duplicate keys": b'{"name": "first", "name": "duplicate keys"}',
    "lone surrogate": rb'{"name": "lone surrogate", "n": "\ud800", "\udfff": 0}',
    "NUL": rb'{"name": "NUL", "n": "\u0000"}',
    "huge number": b'{"name": "huge number", "n": 1' + b"0" * 4000 + b", " + b'"x": 1e99999}',
    "spaces around": b' \r\n\t{"name": "spaces around"}\n ',
    "some nesting": b'{"name": "some nesting", "n": ' + b"[" * 500 + b"]" * 500 + b"}",
    "key of the class": b'{"name": "key of the class", "__class__": "os.system", "self": 1}',
    "header": framed(b'{"name": "header"}'),
    "header with lone surrogate": framed(
        b'{"name": "header with lone surrogate"}', reason="\ud800"
    ),
    "header with more": framed(b'{"name": "header with more"}', more=[]),
}
"""What is a task, by the name that its handler gets."""

BURIED = {
    "empty": b"",
    "space": b" ",
    "NUL byte": b"\x00",
    "invalid UTF-8": b'{"a": "\xff\xfe"}',
    "encoded surrogate": b'{"a": "\xed\xa0\x80"}',
    "overlong UTF-8": b'{"a": "\xc0\x80"}',
    "UTF-16": '{"a": 1}'.encode("utf-16"),
    "byte order mark": b'\xef\xbb\xbf{"a": 1}',
    "array": b'[{"a": 1}]',
    "string": b'"a"',
    "number": b"1",
    "null": b"null",
    "bare NaN": b"NaN",
    "cut": b'{"a": ',
    "two objects": b"{}{}",
    "single quotes": b"{'a': 1}",
    "pickle": b"\x80\x04\x95\x0b\x00\x00\x00\x00\x00\x00\x00}\x94\x8c\x01a\x94K\x01s.",
    "deep arrays": b"[" * DEEP,
    "deep objects": b'{"a":' * DEEP + b"1" + b"}" * DEEP,
    "number too long": b'{"a": 1' + b"0" * 100_000 + b"}",
    "separator alone": RECORD_SEPARATOR,
    "two separators": RECORD_SEPARATOR * 2 + b"{}\n{}",
    "header without newline": framed(b"")[:-1],
    "header without payload": framed(b""),
    "header before garbage": framed(b"\xff\x00\n\x1e"),
    "header twice": framed(framed(b"{}")),
    "header is an array": RECORD_SEPARATOR + b"[]\n{}",
    "header is null": RECORD_SEPARATOR + b"null\n{}",
    "header is no JSON": RECORD_SEPARATOR + b"\xff\n{}",
    "header is deep": RECORD_SEPARATOR + b"[" * DEEP + b"\n{}",
    "header lacks the id": RECORD_SEPARATOR + b'{"deliveries": 1}\n{}',
    "header of 10^30 deliveries": framed(b"{}", deliveries=10**30),
    "header of negative deliveries": framed(b"{}", deliveries=-1),
    "header of no deliveries": framed(b"{}", deliveries=0),
    "header of NaN deliveries": framed(b"{}", deliveries=float("nan")),
    "header of true deliveries": framed(b"{}", deliveries=True),
    "header from the far future": framed(b"{}", first_failed=1e300),
    "header from never": framed(b"{}", first_failed=float("nan")),
    "header of an infinite id": framed(b"{}", id=["x"] * 1000),
    "header of an id in two lines": framed(b"{}", id="a\nb"),
    "header of a long id": framed(b"{}", id="x" * 100_000),
    "header of a reason that is none": framed(b"{}", reason={}),
}
"""What is none."""


def payload_of(raw: bytes) -> bytes:
    """What was pushed, as far as that can be told: all of it where the header is not ours."""
    try:
        return load(raw).payload
    except BadEntry:
        return raw
