"""``woodenwaiter completion SHELL``: a script by which a shell completes commands, options and
choices, made from the parsers that will read them."""

from __future__ import annotations

import argparse
import shlex
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from ..protocol.link import Link
from .anatomy import actions_of, commands_in, summaries_in
from .parsers import Commands, Parents

FILES = ("FILE", "DIR")
"""How arguments are shown that are names of files or folders."""


class Word(NamedTuple):
    """What may be typed: the names of an option, none of an argument; ``choices`` of its value;
    whether that ``is_file``, or ``takes`` any other."""

    names: Sequence[str]
    summary: str
    choices: Sequence[str]
    is_file: bool
    takes: bool


class Command(NamedTuple):
    """``name``: "" for what comes before a command."""

    name: str
    summary: str
    words: Sequence[Word]


def add_completion(commands: Commands, _: Parents) -> None:
    command = commands.add_parser(
        "completion", help="print what has a shell complete these commands; README.rst says how"
    )
    command.add_argument("shell", choices=[*SCRIPTS], metavar="SHELL", help=", ".join(SCRIPTS))
    command.set_defaults(run=print_script, is_local=True)


def print_script(given: argparse.Namespace, _: Link) -> int:
    print("\n".join(SCRIPTS[given.shell](read(given.parser))))
    return 0


def read(parser: argparse.ArgumentParser) -> Sequence[Command]:
    """What it takes, first before any command."""
    summaries = summaries_in(parser)
    whole = Command("", "", [*map(_word, actions_of(parser))])
    commands = commands_in(parser).items()
    return [
        whole,
        *(Command(n, summaries[n], [*map(_word, actions_of(each))]) for n, each in commands),
    ]


def _word(action: argparse.Action) -> Word:
    shown = action.metavar if isinstance(action.metavar, str) else ""
    takes = action.nargs != 0
    choices = [*map(str, action.choices or ())]
    summary = "" if action.help in (None, argparse.SUPPRESS) else str(action.help)
    return Word(action.option_strings, summary, choices, takes and shown in FILES, takes)


def _choices(command: Command) -> Iterator[str]:
    """Of its arguments."""
    for word in command.words:
        if not word.names:
            yield from word.choices


def _options(command: Command) -> Iterator[Word]:
    return (word for word in command.words if word.names)


def bash(commands: Sequence[Command]) -> Iterator[str]:
    """For ``source <(woodenwaiter completion bash)``."""
    others = commands[1:]
    yield "_woodenwaiter() {"
    yield '  local word="${COMP_WORDS[COMP_CWORD]}" before="${COMP_WORDS[COMP_CWORD-1]}"'
    yield "  local command= options= words= i"
    yield "  for ((i = 1; i < COMP_CWORD; i++)); do"
    yield f'    case "${{COMP_WORDS[i]}}" in {"|".join(c.name for c in others)})'
    yield '      command="${COMP_WORDS[i]}"; break ;;'
    yield "    esac"
    yield "  done"
    yield "  COMPREPLY=()"
    yield '  case "$command $before" in'
    for command in commands:
        for option in _options(command):
            if option.takes:
                yield f"    {_patterns(command, option)}) {_bash_value(option)}; return ;;"
    yield "  esac"
    yield '  case "$command" in'
    for command in commands:
        names = " ".join(name for option in _options(command) for name in option.names)
        choices = _choices(command) if command.name else (other.name for other in others)
        told = f"options={_quoted(names)} words={_quoted(' '.join(choices))}"
        yield f"    {_quoted(command.name)}) {told} ;;"
    yield "  esac"
    yield '  [[ "$word" == -* || -z "$words" ]] && words="$options"'
    yield '  COMPREPLY=($(compgen -W "$words" -- "$word"))'
    yield "}"
    yield "complete -F _woodenwaiter woodenwaiter"


def _patterns(command: Command, option: Word) -> str:
    return "|".join(_quoted(f"{command.name} {name}") for name in option.names)


def _bash_value(option: Word) -> str:
    """What completes the word behind it: nothing, where it may be anything."""
    if option.is_file:
        return "local IFS=$'\\n'; COMPREPLY=($(compgen -f -- \"$word\")); compopt -o filenames 2>&-"
    choices = _quoted(" ".join(option.choices))
    return f'COMPREPLY=($(compgen -W {choices} -- "$word"))' if option.choices else ":"


def zsh(commands: Sequence[Command]) -> Iterator[str]:
    """For a file ``_woodenwaiter`` in one of zsh's $fpath."""
    whole, *others = commands
    yield "#compdef woodenwaiter"
    yield "_woodenwaiter() {"
    yield "  local context state state_descr line"
    yield "  typeset -A opt_args"
    yield "  local -a commands=("
    yield from (f"    {_quoted(f'{other.name}:{other.summary}')}" for other in others)
    yield "  )"
    yield "  _arguments -C \\"
    yield from (f"    {spec} \\" for option in _options(whole) for spec in _zsh_specs(option))
    yield "    '1:command:->command' '*::argument:->rest'"
    yield '  case "$state" in'
    yield "    command) _describe command commands ;;"
    yield '    rest) case "$line[1]" in'
    for command in others:
        specs = [spec for option in _options(command) for spec in _zsh_specs(option)]
        if choices := " ".join(_choices(command)):
            specs.append(f"'*:argument:({choices})'")
        yield f"      {command.name}) _arguments {' '.join(specs)} ;;"
    yield "    esac ;;"
    yield "  esac"
    yield "}"
    yield 'if [ "$funcstack[1]" = _woodenwaiter ]; then _woodenwaiter "$@"'
    yield "else compdef _woodenwaiter woodenwaiter; fi"


def _zsh_specs(option: Word) -> Iterator[str]:
    summary = "".join("\\" + c if c in "[]:\\" else c for c in option.summary)
    value = ""
    if option.takes:
        value = ":file:_files" if option.is_file else f":value:({' '.join(option.choices)})"
    for name in option.names:
        yield _quoted(f"{name}[{summary}]{value}")


def fish(commands: Sequence[Command]) -> Iterator[str]:
    """For ``woodenwaiter completion fish | source``."""
    others = commands[1:]
    names = " ".join(other.name for other in others)
    yield "complete -c woodenwaiter -f"
    none = f"not __fish_seen_subcommand_from {names}"
    for other in others:
        told = f"-a {other.name} -d {_fish(other.summary)}"
        yield f"complete -c woodenwaiter -n {_fish(none)} {told}"
    for command in commands:
        seen = f"__fish_seen_subcommand_from {command.name}" if command.name else none
        where = f"complete -c woodenwaiter -n {_fish(seen)}"
        if choices := " ".join(_choices(command)):
            yield f"{where} -a {_fish(choices)}"
        for option in _options(command):
            yield f"{where} {' '.join(_fish_parts(option))}"


def _fish_parts(option: Word) -> Iterator[str]:
    for name in option.names:
        yield f"-l {name[2:]}" if name.startswith("--") else f"-s {name[1:]}"
    if option.takes:
        yield "-rF" if option.is_file else "-x"
        if option.choices:
            yield f"-a {_fish(' '.join(option.choices))}"
    yield f"-d {_fish(option.summary)}"


def _fish(text: str) -> str:
    """As fish reads it between quotes."""
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


_quoted = shlex.quote

SCRIPTS: dict[str, Callable[[Sequence[Command]], Iterator[str]]] = {
    "bash": bash,
    "zsh": zsh,
    "fish": fish,
}
