"""Values that nobody is to see."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from woodenwaiter.web.redaction import HIDDEN, Redaction

SECRET = "hunter2secret"

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=10,
)


def hidden(value: Any, *keys: str) -> Any:
    return json.loads(Redaction(keys or ["password"]).payload(json.dumps(value).encode()))


@pytest.mark.parametrize("key", ["password", "PassWord"])
def test_values_are_hidden_wherever_they_are(key: str) -> None:
    assert hidden({key: SECRET, "a": [{key: {"b": SECRET}}]}) == {key: HIDDEN, "a": [{key: HIDDEN}]}


def test_key_that_json_spells_otherwise_is_the_same_key() -> None:
    payload = b'{"pass\\u0077ord": "%s"}' % SECRET.encode()
    assert SECRET.encode() not in Redaction(["password"]).payload(payload)


@given(JSON, st.sampled_from(["password", "secret"]))
def test_nothing_is_left_of_it(value: Any, key: str) -> None:
    payload = json.dumps({"deep": [value, {key: {"in": [SECRET, value]}}]}).encode()
    assert SECRET.encode() not in Redaction(["secret", "password"]).payload(payload)


@given(JSON)
def test_what_has_nothing_to_hide_stays_as_it_is(value: Any) -> None:
    payload = json.dumps({"deep": value}).encode()
    assert Redaction(["no such key"]).payload(payload) == payload
    assert Redaction().payload(b"\xff no json") == b"\xff no json"


@pytest.mark.parametrize(
    "payload",
    [
        b"password=hunter2secret",
        b'{"password": "hunter2se',
        b"[" * 9999,
        b'{"a": {"password": "hunter2"}, "a": 1}',
        b'{"password": "hunter2", "password": "\xe2\x80\xa2\xe2\x80\xa2\xe2\x80\xa2"}',
    ],
)
def test_of_what_cannot_be_read_nothing_is_shown(payload: bytes) -> None:
    shown = Redaction(["password"]).payload(payload)
    assert shown == HIDDEN.encode()


def test_of_what_is_cut_nothing_is_shown() -> None:
    payload = b'{"password": "hunter2secret"}'
    assert b"hunter" not in Redaction(["password"]).payload(payload, is_whole=False)


@pytest.mark.parametrize("secret", [SECRET, 'it\'s "a" \\ secret\n', 123456, ["x", SECRET]])
def test_errors_do_not_tell_them(secret: Any) -> None:
    payload = json.dumps({"password": secret}).encode()
    redaction = Redaction(["password"])
    for text in (f"no login with {secret!r}", f"no login with {secret}", json.dumps(secret)):
        told = redaction.text(f"LoginError: {text}", payload)
        assert HIDDEN in told
        assert "secret" not in told
        assert "123456" not in told


@pytest.mark.parametrize("payload", [b"password=hunter2", b'{"password": "hunter2'])
def test_of_an_error_about_what_cannot_be_read_its_kind_is_told(payload: bytes) -> None:
    redaction = Redaction(["password"])
    assert redaction.text("LoginError: hunter2", payload) == "LoginError: •••"
    assert redaction.text("no hunter2", payload) == "•••"
    assert redaction.text("a.E: hunter2", b"{}", is_whole=False) == "a.E: •••"
    assert redaction.text("", payload) == ""
    assert Redaction().text("E: hunter2", payload) == "E: hunter2"


def test_deep_payloads_tell_nothing_and_break_nothing() -> None:
    deep = b'{"a": ' * 900 + b'{"password": "hunter2"}' + b"}" * 900
    assert Redaction(["password"]).text("E: hunter2", deep) == "E: •••"
    assert b"hunter" not in Redaction(["password"]).payload(deep)


def test_short_values_are_not_looked_for() -> None:
    payload = b'{"password": "a"}'
    assert Redaction(["password"]).text("a fault", payload) == "a fault"
