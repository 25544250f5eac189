"""``woodenwaiter completion``: what shells make of it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from woodenwaiter.commands.anatomy import actions_of, commands_in
from woodenwaiter.commands.operate import main, parser
from woodenwaiter.errors import EXIT_USAGE

COMPLETED = [
    ("sta", ["status"]),
    ("status --js", ["--json"]),
    ("dead --mo", ["--most"]),
    ("--redis redis://h dead --mo", ["--most"]),
    ("completion ", ["bash", "zsh", "fish"]),
    ("completion z", ["zsh"]),
    ("--redis-password-file se", ["secret file", "secrets/"]),
    ("status --redis-password-file se", ["secret file", "secrets/"]),
    ("status --redis ", []),
    ("dead ", None),  # a queue's name, which nobody knows here: what a shell then shows is its own
]


@pytest.fixture
def scripts(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Path:
    """A folder with the scripts, and with files to be completed."""
    for shell in ("bash", "zsh", "fish"):
        assert main(["completion", shell]) == 0
        (tmp_path / f"script.{shell}").write_text(capsys.readouterr().out)
    (tmp_path / "secret file").touch()
    (tmp_path / "secrets").mkdir()
    return tmp_path


def shell(name: str, text: str, *arguments: str, folder: Path) -> list[str]:
    if not shutil.which(name):
        pytest.skip(f"there is no {name} here")
    options = {"bash": ["--norc", "-c"], "zsh": ["-f", "-c"], "fish": ["--no-config", "-c"]}[name]
    command = [name, *options, text, *([name] if name != "fish" else []), *arguments]
    environment = {**os.environ, "HOME": str(folder), "PATH": f"{folder}:{os.environ['PATH']}"}
    result = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=True, timeout=30
    )
    assert result.stderr == ""
    return result.stdout.splitlines()


BASH = """
set -eu
source script.bash
compopt() { :; }  # which only bash itself may call, in the middle of a completion
read -ra COMP_WORDS <<< "woodenwaiter $1"
[[ "$1" == *' ' ]] && COMP_WORDS+=('')
COMP_CWORD=$((${#COMP_WORDS[@]} - 1)) COMPREPLY=()
_woodenwaiter
[ ${#COMPREPLY[@]} = 0 ] || printf '%s\\n' "${COMPREPLY[@]}"
"""


@pytest.mark.parametrize(("typed", "expected"), COMPLETED)
def test_bash(scripts: Path, typed: str, expected: list[str] | None) -> None:
    found = shell("bash", BASH, typed, folder=scripts)
    if expected is not None:
        assert sorted(found) == sorted(word.rstrip("/") for word in expected)


@pytest.mark.parametrize(("typed", "expected"), COMPLETED)
def test_fish(scripts: Path, typed: str, expected: list[str] | None) -> None:
    (scripts / "woodenwaiter").symlink_to(sys.executable)  # fish asks whether there is one
    text = "source script.fish; complete -C $argv[1]"
    found = [
        line.partition("\t")[0]
        for line in shell("fish", text, f"woodenwaiter {typed}", folder=scripts)
    ]
    if expected is not None:
        assert sorted(found) == sorted(expected)


def test_fish_tells_what_each_is_for(scripts: Path) -> None:
    text = "source script.fish; complete -C 'woodenwaiter sta'"
    [line] = shell("fish", text, folder=scripts)
    assert line == "status\twhat each queue holds, what comes and goes, how long it waits"


ZSH = """
zmodload zsh/zpty
PS1='> ' zpty z zsh -f -i
setup="fpath=($PWD \\$fpath); autoload -Uz compinit; compinit -u -D; PS1='> '; echo REA''DY"
zpty -w z "$setup"
zpty -r -m z seen '*READY*'
zpty -w -n z "woodenwaiter $1"$'\\t'
zpty -r -m z seen "*$2*" && print found
zpty -d z
"""


@pytest.mark.parametrize(("typed", "expected"), COMPLETED)
def test_zsh(scripts: Path, typed: str, expected: list[str] | None) -> None:
    (scripts / "script.zsh").rename(scripts / "_woodenwaiter")
    assert shell("zsh", "zsh -n _woodenwaiter", folder=scripts) == []
    if expected and len(expected) == 1:  # which it then has typed
        whole = " ".join([*typed.split()[:-1], expected[0]])
        assert shell("zsh", ZSH, typed, whole, folder=scripts) == ["found"]


def test_all_commands_and_options_are_in_each(scripts: Path) -> None:
    whole = parser()
    names = {option for action in actions_of(whole) for option in action.option_strings}
    for name, command in commands_in(whole).items():
        names |= {name, *(o for action in actions_of(command) for o in action.option_strings)}
    for kind in ("bash", "zsh", "fish"):
        text = (scripts / f"script.{kind}").read_text()
        shown = {n.lstrip("-") if kind == "fish" else n for n in names}
        assert [name for name in shown if name not in text] == []


def test_needs_no_server_and_no_project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "pyproject.toml").write_text("[tool.woodenwaiter]\nnonsense = 1")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("WOODENWAITER_REDIS_URL", "nonsense")
    assert main(["completion", "bash"]) == 0


def test_other_shell(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["completion", "bahs"])
    assert ended.value.code == EXIT_USAGE
    assert capsys.readouterr().err.endswith("invalid choice: 'bahs'; is it bash?\n")
