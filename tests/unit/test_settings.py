"""What a supervisor can be told."""

from __future__ import annotations

import string
from contextlib import suppress
from typing import Any, get_type_hints

import pytest
from hypothesis import given
from hypothesis import strategies as st

from woodenwaiter import pace
from woodenwaiter.backoff import LONGEST
from woodenwaiter.errors import EXIT_USAGE, StartupError, WrongValue
from woodenwaiter.settings import (
    Keywords,
    Processes,
    Settings,
    parse_endpoint,
    parse_processes,
)

NAMES = st.text(st.sampled_from(string.ascii_letters + string.digits + ":=-_.{}é"), min_size=1)


@pytest.mark.parametrize(
    ("processes", "expected"),
    [
        ("", None),
        ("4", 4),
        ("cpus", "cpus"),
        ("t:d=3", 3),
        ("4 t:d=3", 3),
        ("t:d=3 4", 3),
        ("other:d=3", None),
        ("4 other:d=3", 4),
        ("2 4", 4),
        ("t:d=cpus", "cpus"),
        ("0-4", (0, 4)),
        ("2 t:d=1-cpus", (1, "cpus")),
        ((0, 4), (0, 4)),
    ],
)
def test_processes_of_a_queue(processes: Processes, expected: Processes | None) -> None:
    assert Settings(processes=processes).processes_of("t:d") == expected


@given(st.dictionaries(NAMES, st.integers(1, 10**6)))
def test_every_queue_gets_its_own_number(counts: dict[str, int]) -> None:
    settings = Settings(processes=" ".join(f"{name}={n}" for name, n in counts.items()))
    assert {name: settings.processes_of(name) for name in counts} == counts


@given(st.text() | st.integers() | st.none())
def test_number_of_processes_is_positive_or_cpus_or_refused(text: str) -> None:
    with suppress(WrongValue):
        parsed = parse_processes(text)
        least, most = parsed if isinstance(parsed, tuple) else (parsed, parsed)
        assert most == "cpus" or int(most) >= 1
        assert "cpus" in (least, most) or 0 <= int(least) <= int(most)


def test_the_environment_counts_where_nothing_is_given() -> None:
    environment = {
        "WOODENWAITER_DRAIN_SECONDS": "7.5",
        "WOODENWAITER_REDIS_WAIT": "0",
        "WOODENWAITER_LEASE_SECONDS": "60",
        "WOODENWAITER_PROCESSES": "2 t:d=cpus",
        "WOODENWAITER_LOG_LEVEL": "debug",
        "WOODENWAITER_LOG_FORMAT": "json",
        "WOODENWAITER_EMBEDDED": "yes",
        "WOODENWAITER_ALLOW_OPEN_CONNECTIONS": "Yes",
        "WOODENWAITER_SETUP_WAIT": "0.5",
        "WOODENWAITER_SLOW": "2.5",
        "WOODENWAITER_METRICS": ":9100",
        "WOODENWAITER_ONCE": "yes",
        "WOODENWAITER_RELOAD": "on",
        "WOODENWAITER_PIDFILE": "/run/pid",
        "WOODENWAITER_REDIS": "redis://not-a-setting",
        "WOODENWAITER_OTHER": "ignored",
    }
    settings = Settings.from_environment(environment, drain_seconds=3.0)
    assert settings == Settings(
        None,
        "2 t:d=cpus",
        3.0,
        0.0,
        60.0,
        "debug",
        "json",
        "",
        True,
        0.5,
        slow=2.5,
        metrics=":9100",
        once=True,
        reload=True,
        pidfile="/run/pid",
    )
    assert Settings.from_environment({}) == Settings()


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("DRAIN_SECONDS", "soon"),
        ("DRAIN_SECONDS", "-1"),
        ("REDIS_WAIT", "nan"),
        ("LEASE_SECONDS", "0.5"),
        ("LEASE_SECONDS", "inf"),
        ("LOG_LEVEL", "loud"),
        ("LOG_FORMAT", "xml"),
        ("PROCESSES", "0"),
        ("PROCESSES", "many"),
        ("PROCESSES", "t:d=-2"),
        ("PROCESSES", "t:d="),
        ("PROCESSES", "0-0"),
        ("PROCESSES", "3-2"),
        ("PROCESSES", "1-2-3"),
        ("PROCESSES", "-"),
        ("CPUS", "0"),
        ("CPUS", "many"),
        ("CPUS", "1-2"),
        ("ALLOW_OPEN_CONNECTIONS", "maybe"),
        ("ONCE", "twice"),
        ("THREADS", "0"),
        ("THREADS", "many"),
        ("THREADS", "1.5"),
    ],
)
def test_refuses_impossible_values(variable: str, value: str) -> None:
    with pytest.raises(StartupError, match="must") as raised:
        Settings.from_environment({f"WOODENWAITER_{variable}": value})
    assert raised.value.exit_code == EXIT_USAGE


@pytest.mark.parametrize("name", ["allow_open_connections", "once", "reload"])
def test_permission_is_yes_or_no(name: str) -> None:
    with pytest.raises(StartupError, match=f"{name} must be a bool: 'no'"):
        Settings(**_one(name, "no"))


def test_keywords_are_the_settings() -> None:
    assert get_type_hints(Keywords) == get_type_hints(Settings)
    assert Keywords.__required_keys__ == set()


@pytest.mark.parametrize(
    ("name", "least"),
    [("drain_seconds", 0), ("redis_wait", 0), ("lease_seconds", pace.LEAST_LEASE)],
)
def test_seconds_have_limits(name: str, least: float) -> None:
    for seconds in (least, least + 0.5, int(least) + 1, LONGEST - 1):
        settings = Settings(**_one(name, seconds))
        assert getattr(settings, name) == seconds
    for nonsense in (least - 0.001, LONGEST, float("inf"), float("nan"), "5", None):
        with pytest.raises(
            StartupError, match=f"^{name} must be a number of seconds from {least:g} "
        ):
            Settings(**_one(name, nonsense))


def _one(name: str, value: object) -> dict[str, Any]:
    return {name: value}


def test_environment_is_asked_again_each_time(monkeypatch: pytest.MonkeyPatch) -> None:
    for seconds in (7, 8):
        monkeypatch.setenv("WOODENWAITER_REDIS_WAIT", str(seconds))
        assert Settings.from_environment().redis_wait == seconds
    assert Settings.from_environment(redis_wait=9).redis_wait == 9


@pytest.mark.parametrize("no", ["", "0", "no", "off", "false", "False", "NO"])
def test_variable_may_say_no(no: str) -> None:
    variables = {"WOODENWAITER_EMBEDDED": no, "WOODENWAITER_ALLOW_OPEN_CONNECTIONS": no}
    settings = Settings.from_environment(variables)
    assert (settings.embedded, settings.allow_open_connections) == (None, False)


@pytest.mark.parametrize("yes", ["1", "yes", "on", "true", "True"])
def test_variable_that_says_yes_embeds_a_server_in_the_usual_folder(yes: str) -> None:
    assert Settings.from_environment({"WOODENWAITER_EMBEDDED": yes}).embedded == ""


def test_variable_may_name_the_embedded_servers_folder() -> None:
    assert Settings.from_environment({"WOODENWAITER_EMBEDDED": "data/0"}).embedded == "data/0"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("localhost:9100", ("localhost", 9100)),
        ("0.0.0.0:1", ("0.0.0.0", 1)),
        (":65535", ("", 65535)),
        ("[::1]:9100", ("::1", 9100)),
        ("[::]:09100", ("::", 9100)),
        ("[fe80::1%eth0]:9100", ("fe80::1%eth0", 9100)),
        ("bücher.example:80", ("bücher.example", 80)),
        ("9100", None),
        ("localhost", None),
        ("localhost:", None),
        ("localhost:0", None),
        ("localhost:65536", None),
        ("localhost:-1", None),
        ("localhost:http", None),
        ("::1:9100", None),
        ("[::1]9100", None),
        ("[localhost]:9100", None),
        ("http://localhost:9100", None),
        ("a b:9100", None),
        (":9100\n", None),
        (":९१००", None),
    ],
)
def test_where_metrics_are_served(text: str, expected: tuple[str, int] | None) -> None:
    if expected:
        assert parse_endpoint(text) == expected
        return
    with pytest.raises(StartupError, match=r"^metrics must be "):
        Settings(metrics=text)
