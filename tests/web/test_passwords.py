"""The file of who may come in."""

from __future__ import annotations

import logging
import os
import stat
import threading
import time
from pathlib import Path

import pytest

from woodenwaiter.errors import StartupError
from woodenwaiter.web.passwords import AT_ONCE, Passwords, set_password


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "users"
    set_password(str(path), "anna", "pässword")
    return path


@pytest.fixture
def log(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> pytest.LogCaptureFixture:
    monkeypatch.setattr(logging.getLogger("woodenwaiter"), "propagate", True)
    return caplog


def test_who_knows_it_comes_in(file: Path) -> None:
    passwords = Passwords(str(file))
    assert passwords.check("anna", "pässword")
    assert passwords.check("anna", "pa\N{COMBINING DIAERESIS}ssword")
    for user, password in (("anna", "p"), ("anna", ""), ("berta", "pässword"), ("", "")):
        assert not passwords.check(user, password)


def test_it_is_for_its_owner_alone_and_tells_no_password(file: Path) -> None:
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    text = file.read_text()
    assert text.startswith("anna:scrypt:32768:8:3:")
    assert "ssword" not in text
    set_password(str(file), "berta", "pässword")
    assert len({line.rpartition(":")[2] for line in file.read_text().splitlines()}) == 2
    assert [path.name for path in file.parent.iterdir()] == ["users"]


def test_a_new_user_needs_no_restart_nor_does_one_who_goes(file: Path) -> None:
    passwords = Passwords(str(file))
    assert not passwords.check("berta", "b")
    former = passwords.mark("anna")
    set_password(str(file), "berta", "b")
    assert passwords.check("berta", "b")
    assert passwords.mark("anna") == former
    set_password(str(file), "anna", "another")
    assert passwords.check("anna", "another")
    assert not passwords.check("anna", "pässword")
    assert passwords.mark("anna") != former
    assert file.read_text().count("anna:") == 1
    file.write_text(file.read_text().partition("\n")[0] + "\n")  # berta's
    assert passwords.mark("anna") is None
    assert not passwords.check("anna", "another")


def test_what_else_stands_there_stays(file: Path) -> None:
    file.write_text("# ours\n\n" + file.read_text())
    set_password(str(file), "anna", "a")
    set_password(str(file), "ann", "b")
    assert file.read_text().startswith("# ours\n\nanna:")
    assert Passwords(str(file)).check("anna", "a")


def test_a_link_stays_one(file: Path, tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to("users")
    set_password(str(link), "berta", "b")
    assert link.is_symlink()
    assert Passwords(str(file)).check("berta", "b")


def test_file_that_goes_lets_in_nobody_and_is_told_of_once(
    file: Path, log: pytest.LogCaptureFixture
) -> None:
    passwords = Passwords(str(file))
    text = file.read_text()
    file.unlink()
    for _ in range(3):
        assert not passwords.check("anna", "pässword")
    assert len([line for line in log.messages if "nobody can log in" in line]) == 1
    file.write_text(text)
    assert passwords.check("anna", "pässword")


def test_who_else_may_read_it_is_warned_of(file: Path, log: pytest.LogCaptureFixture) -> None:
    file.chmod(0o640)
    passwords = Passwords(str(file))
    assert log.messages == []
    file.chmod(0o644)
    passwords.mark("anna")
    passwords.mark("anna")
    assert log.messages == [f"others may read or write {file}: chmod 600 {file}"]


@pytest.mark.parametrize(
    "line",
    [
        "berta:secret",
        "berta:scrypt:32768:8:3:AAAA:AAAA",
        "berta:scrypt:1000000:8:3:c2FsdHNhbHQ=:" + "A" * 43 + "=",
        "berta:scrypt:8388608:8:1:c2FsdHNhbHQ=:" + "A" * 43 + "=",
        "berta:scrypt:0:8:1:c2FsdHNhbHQ=:" + "A" * 43 + "=",
        "berta:scrypt:16:0:1:c2FsdHNhbHQ=:" + "A" * 43 + "=",
        "berta:scrypt:16:8:9999:c2FsdHNhbHQ=:" + "A" * 43 + "=",
        ":scrypt:16:8:1:c2FsdHNhbHQ=:" + "A" * 43 + "=",
    ],
)
def test_line_that_makes_no_sense_is_passed_over(
    file: Path, log: pytest.LogCaptureFixture, line: str
) -> None:
    file.write_text(f"{line}\n{file.read_text()}")
    passwords = Passwords(str(file))
    assert log.messages == [f"{file}: line 1 is none of a user, and passed over"]
    assert passwords.check("anna", "pässword")
    assert passwords.mark("berta") is None


def test_file_without_users_is_refused_in_a_line(tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.touch(0o600)
    for path in (empty, tmp_path / "none", tmp_path):
        with pytest.raises(StartupError, match="--set-password USER"):
            Passwords(str(path))


@pytest.mark.parametrize(
    ("user", "password"), [("a:b", "p"), ("", "p"), ("a b", "p"), ("a" * 101, "p"), ("a", "")]
)
def test_what_cannot_stand_there_is_refused(tmp_path: Path, user: str, password: str) -> None:
    with pytest.raises(StartupError):
        set_password(str(tmp_path / "users"), user, password)
    with pytest.raises(StartupError, match="cannot be written"):
        set_password(str(tmp_path / "none" / "users"), "anna", "a")
    assert list(tmp_path.iterdir()) == []


def seconds_for(passwords: Passwords, user: str) -> float:
    took = []
    for _ in range(5):
        began = time.thread_time()
        passwords.check(user, "wrong")
        took.append(time.thread_time() - began)
    return min(took)


def test_time_does_not_tell_which_users_there_are(file: Path) -> None:
    text = file.read_text().replace(":32768:8:3:", ":16384:8:2:")  # somebody else's idea of hard
    file.write_text(text)
    passwords = Passwords(str(file))
    there, not_there = (seconds_for(passwords, user) for user in ("anna", "berta"))
    assert there / 1.5 < not_there < there * 1.5


def test_no_more_than_two_at_once(file: Path) -> None:
    passwords = Passwords(str(file))
    for _ in range(10):
        passwords.queue.submit(passwords.check, "anna", "wrong")
    threads = [t for t in threading.enumerate() if t.name.startswith("password")]
    assert len(threads) == AT_ONCE
    passwords.queue.shutdown()


def test_file_is_replaced_at_once(file: Path) -> None:
    former = os.stat(file).st_ino
    set_password(str(file), "berta", "b")
    assert os.stat(file).st_ino != former
