"""``woodenwaiter dead``, ``requeue``, ``drop``, ``export``, ``import``, as people use them on many
letters, and what workers make of that."""

from __future__ import annotations

import json
import re
import signal
import stat
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from woodenwaiter.errors import EXIT_UNKNOWN, EXIT_USAGE

from ..application import Application, Code
from ..support import Operate, Programs, Server, eventually
from ..terminal import Terminal

DEAD, DELAYED, TRASH = "{t:d}:dead", "{t:d}:delayed", "{t:d}:trash"
INTERRUPTED = 128 + signal.SIGINT


def bury(client: Any, number: int, **fields: Any) -> list[str]:
    """So many letters of tasks from 0 on: their names."""
    usual = {"reason": "the handler failed", "traceback": "Traceback"}
    pipeline = client.pipeline(transaction=False)
    for n in range(number):
        own = {"id": f"a/{n}", "error": f"ValueError: no '{n}'", "payload": json.dumps({"n": n})}
        pipeline.xadd(DEAD, usual | own | fields)
    client.sadd("woodenwaiter:queues", "t:d")
    return [name.decode() for name in pipeline.execute()]


def waiting(client: Any) -> list[int]:
    """The tasks in the queue, the next one first."""
    return [json.loads(entry)["n"] for entry in reversed(client.lrange("t:d", 0, -1))]


# Looking.


def test_groups(do: Callable[..., str], client: Any) -> None:
    names = bury(client, 1200)
    [other] = bury(client, 1, error="KeyError: 'x\x1b[2J'")
    titles, *lines = do("dead", "t:d").splitlines()
    assert titles.split() == ["group", "letters", "first", "last", "what", "went", "wrong"]
    ages = r" +\d.* s ago +\d.* s ago "
    assert re.fullmatch(
        rf"[0-9a-f]{{6}} +1,200{ages} the handler failed: ValueError: no '…'", lines[0]
    )
    assert lines[1] == f"    {names[-1]}  the handler failed: ValueError: no '1199'"
    assert lines[3] == rf"    {other}  the handler failed: KeyError: 'x\x1b[2J'"
    first = lines[0].split()[0]
    assert lines[4] == (
        f"1,201 in all; woodenwaiter dead t:d --group {first} lists those of the first"
    )
    assert "1,201 in all; 1 groups more: --most" in do("dead", "t:d", "--most", "1")
    listed = do("dead", "t:d", "--group", first, "--most", "1")
    assert listed.splitlines() == [
        f"{names[0]}  the handler failed: ValueError: no '0'",
        '    {"n": 0}',
    ]
    [*groups] = json.loads(do("dead", "t:d", "--json"))["groups"]
    assert [(group["group"] == first, group["count"]) for group in groups] == [
        (True, 1200),
        (False, 1),
    ]
    parts = "group reason error count first last letter example"
    assert " ".join(groups[0]) == parts


def test_nothing_found_is_told(do: Callable[..., str], client: Any) -> None:
    bury(client, 1)
    for command in ("dead", "show", "requeue", "drop", "export"):
        told = do(command, "t:d", "--error", "octarine\x1b", code=EXIT_UNKNOWN)
        what = r"error 'octarine\x1b'"
        assert told == f"woodenwaiter: there is no such dead letter in t:d: {what}\n"


@pytest.mark.parametrize("command", ["show", "requeue", "drop"])
def test_which_are_meant_must_be_said(do: Callable[..., str], client: Any, command: str) -> None:
    [letter] = bury(client, 1)
    told = do(command, "t:d", code=EXIT_USAGE)
    assert told.startswith("woodenwaiter: which dead letters of t:d? ")
    assert told.endswith("or all\n")
    told = do(command, "t:d", letter, "--error", "x", code=EXIT_USAGE)
    assert told.endswith("not both\n")
    assert client.xlen(DEAD) == 1


@pytest.mark.parametrize(
    ("option", "value"),
    [("--older", "x"), ("--newer", "-1"), ("--group", "xyz"), ("--error", ""), ("--rate", "0/s")],
)
def test_options_that_make_no_sense(
    operate: Operate, capsys: pytest.CaptureFixture[str], option: str, value: str
) -> None:
    with pytest.raises(SystemExit) as end:
        operate("requeue", "t:d", f"{option}={value}")
    assert end.value.code == EXIT_USAGE
    [line] = capsys.readouterr().err.splitlines()
    assert line.startswith(f"woodenwaiter requeue: error: argument {option}: a ")


# Moving.


def test_some_are_requeued_and_the_others_stay(do: Callable[..., str], client: Any) -> None:
    names = bury(client, 3)
    assert do("requeue", "t:d", "--text", '"n": 1') == "1 back in t:d\n"
    told = do("requeue", "t:d", names[0], names[1], code=EXIT_UNKNOWN)
    assert told == f"1 back in t:d\nwoodenwaiter: there is no dead letter {names[1]} in t:d\n"
    assert waiting(client) == [1, 0]
    assert client.xlen(DEAD) == 1


def test_dropped_ones_come_back(do: Callable[..., str], client: Any) -> None:
    bury(client, 3)
    told = do("drop", "t:d", "all", code=EXIT_USAGE)
    assert "this would drop 3 dead letters of t:d, to its trash, for a day: say --yes" in told
    assert client.xlen(DEAD) == 3
    told = do("drop", "t:d", "all", "--yes")
    undo = re.fullmatch("3 dropped from t:d; to undo it: woodenwaiter (restore t:d .*)\n", told)
    assert undo
    assert client.xlen(DEAD) == 0
    assert do(*undo[1].split()) == "3 dead letters back in t:d\n"
    assert client.xlen(DEAD) == 3


@pytest.fixture
def terminals(server: Server) -> Iterator[Callable[..., Terminal]]:
    """Each with a command on it."""
    opened: list[Terminal] = []

    def start(*arguments: str, **environment: Any) -> Terminal:
        terminal = Terminal("--redis", server.url, *arguments, columns=120, **environment)
        opened.append(terminal)
        return terminal

    yield start
    for terminal in opened:
        terminal.close()


def test_drop_asks(terminals: Callable[..., Terminal], client: Any) -> None:
    bury(client, 3)
    for answer, left in (("\n", 3), ("y\n", 0)):
        terminal = terminals("drop", "t:d", "all")
        terminal.shows(
            "This will drop 3 dead letters of t:d, to its trash, for a day. Go on? [y/N]"
        )
        terminal.type(answer)
        assert terminal.end() == (EXIT_USAGE if left else 0)
        assert client.xlen(DEAD) == left


@pytest.mark.parametrize("command", ["requeue", "drop"])
def test_progress_and_ctrl_c(
    terminals: Callable[..., Terminal],
    client: Any,
    do: Callable[..., str],
    command: str,
) -> None:
    """What it says it has done, it has; the line in the audit says the same."""
    number = 100_000
    bury(client, number)
    terminal = terminals(command, "t:d", "all", *["--yes"] * (command == "drop"))
    eventually(lambda: client.xlen(DEAD) < number - 1000)
    terminal.type("\x03")
    assert terminal.end() == INTERRUPTED
    left = client.xlen(DEAD)
    assert 0 < left < number
    assert f"{number - left:,} of {number:,} are " in terminal.text
    assert re.search(rb"of 100,000 \(\d+%\), [\d.]+ m?s left\x1b\[K", terminal.written)
    [line] = json.loads(do("audit", "--json"))["audit"]
    assert (line["verb"], line["count"]) == (command, number - left)
    if command == "drop":
        assert "to undo it: woodenwaiter restore t:d " in terminal.text
    told = do(command, "t:d", "all", *["--yes"] * (command == "drop"))
    assert told.startswith(f"{left:,} ")
    if command == "requeue":
        assert waiting(client) == [*range(number)]


def test_rate_is_kept_and_can_be_interrupted(
    programs: Programs, server: Server, client: Any
) -> None:
    """At five a second one at a time, and a Ctrl-C between two ends it at once."""
    bury(client, 1000)
    command = programs.start(
        *("-m", "woodenwaiter", "--redis", server.url, "requeue", "t:d", "all", "--rate", "5/s")
    )
    eventually(lambda: client.llen("t:d") >= 2)
    first = client.time()
    begun = client.llen("t:d")
    eventually(lambda: client.llen("t:d") >= begun + 5)
    then = client.time()
    assert then[0] - first[0] + (then[1] - first[1]) / 1e6 > 0.7
    command.signal(signal.SIGINT)
    assert command.wait() == INTERRUPTED
    done = client.llen("t:d")
    assert (
        f"woodenwaiter: {done:,} of 1,000 are back in t:d: the same again goes on\n" == command.log
    )


def test_two_operators_at_once(programs: Programs, server: Server, client: Any) -> None:
    number = 30_000
    bury(client, number)
    act = ("-m", "woodenwaiter", "--redis", server.url)
    both = [
        programs.start(*act, "requeue", "t:d", "all"),
        programs.start(*act, "drop", "t:d", "all", "--yes"),
    ]
    assert [each.wait() for each in both] == [0, 0]
    [trash] = client.keys(f"{TRASH}:*") or [b"none"]
    thrown = [json.loads(fields[b"payload"])["n"] for _, fields in client.xrange(trash)]
    assert Counter(waiting(client)) + Counter(thrown) == Counter(range(number))
    assert client.xlen(DEAD) == 0


# Later.


def test_delayed_letters_run_uncharged_by_the_ids_that_they_had(
    app: Application, do: Callable[..., str]
) -> None:
    app.write(
        handler="""
            this = delivery()
            note("done", foods["n"])
            note("ids", f"{this.id} {this.number} {this.last}")
            if foods["n"] == 1:
                raise ValueError("again")
        """,
        max_deliveries=2,
        processes=1,
    )
    bury(app.client, 2, payload='{"n": 0}')
    app.client.xadd(DEAD, {"payload": '{"n": 1}', "id": "b/1", "deliveries": "2"})
    assert do("requeue", "t:d", "all", "--delay", "1s") == "3 in t:d 1.0 s from now\n"
    assert app.client.zcard(DELAYED) == 3, "two of the same payload"
    told = do("delayed", "t:d")
    assert "failed" not in told
    assert "requeued from dead letter" in told
    supervisor = app.serve()
    eventually(lambda: len(app.noted("ids")) == 4)
    assert sorted(app.noted("ids")) == [
        "a/0 1 False",
        "a/1 1 False",
        "b/1 1 False",
        "b/1 2 True",
    ]
    eventually(app.letters)
    [letter] = app.letters()
    assert (letter[b"id"], letter[b"deliveries"]) == (b"b/1", b"2")
    assert supervisor.stop() == 0
    assert not re.search("host died|its lease|suspect", supervisor.log)
    [queue] = json.loads(do("status", "t:d", "--json"))["queues"]
    counted = {name: queue[name] for name in ("done", "failed", "buried", "requeued", "pushed")}
    assert counted == {"done": 2, "failed": 2, "buried": 1, "requeued": 3, "pushed": 0}


# In an editor.


def editor(folder: Path, script: str) -> str:
    """One that does what a shell script does with $1."""
    file = folder / "editor.sh"
    file.write_text(f"#!/bin/sh\n{script}\n")
    file.chmod(0o700)
    return str(file)


def test_edited_letter(
    do: Callable[..., str], client: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    [letter] = bury(client, 1, payload='{"n":1,"file":"c\\u00e4t\\u202e.png"}')
    keep = f"cp $1 {tmp_path}/seen; stat -c %a $1 > {tmp_path}/mode; echo $1 > {tmp_path}/name"
    monkeypatch.setenv("VISUAL", editor(tmp_path, f"{keep}; sed -i s/1/2/ $1"))
    assert do("requeue", "t:d", letter, "--edit") == "1 back in t:d\n"
    assert (tmp_path / "seen").read_text() == '{\n  "n": 1,\n  "file": "cät\\u202e.png"\n}\n'
    assert (tmp_path / "mode").read_text() == "600\n"
    assert client.lrange("t:d", 0, -1) == [b'{"n": 2, "file": "c\\u00e4t\\u202e.png"}']
    assert not Path((tmp_path / "name").read_text().strip()).exists()
    [line] = json.loads(do("audit", "--json"))["audit"]
    assert (line["what"], line["count"]) == (f"{letter}, edited", 1)


@pytest.mark.parametrize("payload", ['{"n":  1}', "no JSON"])
def test_letter_that_was_left_as_it_is_goes_back_byte_for_byte(
    do: Callable[..., str],
    client: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    payload: str,
) -> None:
    [letter] = bury(client, 1, payload=payload)
    monkeypatch.setenv("VISUAL", "true")
    assert do("requeue", "t:d", letter, "--edit", "--delay", "1h").startswith("1 in t:d ")
    [entry] = client.zrange(DELAYED, 0, -1)
    assert entry.endswith(b"\n" + payload.encode())


@pytest.mark.parametrize(
    ("script", "told"),
    [
        ("echo '{\"n\": 1,\n]' > $1", "that is no task: not JSON in UTF-8: .*line 2 column 1.*"),
        ("echo '[1]' > $1", "that is no task: a JSON list, not an object; nothing was put back"),
        ("exit 3", "the editor .* ended with 3: nothing was put back"),
    ],
)
def test_edit_that_comes_to_nothing_changes_nothing(
    do: Callable[..., str],
    client: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    script: str,
    told: str,
) -> None:
    [letter] = bury(client, 1)
    monkeypatch.setenv("VISUAL", editor(tmp_path, script))
    [kept, why] = do("requeue", "t:d", letter, "--edit", code=EXIT_USAGE).splitlines()
    assert re.fullmatch(f"woodenwaiter: {told}", why)
    file = Path(kept.removeprefix("woodenwaiter: what you edited is in "))
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    file.unlink()
    assert (client.xlen(DEAD), client.llen("t:d")) == (1, 0)


def test_letter_that_is_gone_meanwhile_is_not_put_back(
    do: Callable[..., str],
    server: Server,
    client: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    [letter] = bury(client, 1)
    gone = f"{tmp_path}/gone"
    script = f"echo '{{\"n\": 2}}' > $1; touch {gone}; while [ -e {gone} ]; do sleep 0.01; done"
    monkeypatch.setenv("VISUAL", editor(tmp_path, script))

    def meddle() -> None:
        eventually(Path(gone).exists)
        client.xdel(DEAD, letter)
        Path(gone).unlink()

    meddler = Thread(target=meddle)
    meddler.start()
    told = do("requeue", "t:d", letter, "--edit", code=EXIT_UNKNOWN)
    meddler.join()
    assert f"dead letter {letter} is no longer in t:d: nothing was put back" in told
    kept = re.search(r"what you edited is in (\S+)", told)
    assert kept
    assert json.loads(Path(kept[1]).read_text()) == {"n": 2}
    Path(kept[1]).unlink()
    assert client.llen("t:d") == 0


def test_editing_again_or_giving_up(
    terminals: Callable[..., Terminal], client: Any, tmp_path: Path
) -> None:
    [letter] = bury(client, 1)
    seen = f"{tmp_path}/seen"
    script = f"[ -e {seen} ] && echo '{{\"n\": 7}}' > $1 || echo x > $1; touch {seen}"
    terminal = terminals("requeue", "t:d", letter, "--edit", VISUAL=editor(tmp_path, script))
    terminal.shows("that is no task: not JSON in UTF-8", "Edit it again? [Y/n]")
    terminal.type("\n")
    assert terminal.end() == 0
    assert waiting(client) == [7]
    [letter] = bury(client, 1)
    terminal = terminals("requeue", "t:d", letter, "--edit", VISUAL=editor(tmp_path, "echo x > $1"))
    terminal.shows("Edit it again? [Y/n]")
    terminal.type("n\n")
    assert terminal.end() == EXIT_USAGE
    kept = re.search(r"what you edited is in (\S+)", terminal.text)
    assert kept
    Path(kept[1]).unlink()
    assert client.xlen(DEAD) == 1


def test_edit_is_for_one(do: Callable[..., str], client: Any) -> None:
    bury(client, 2)
    told = do("requeue", "t:d", "all", "--edit", code=EXIT_USAGE)
    assert told == "woodenwaiter: --edit is for one dead letter, not 2\n"


# Elsewhere, and back.


def test_export_and_import(
    do: Callable[..., str], client: Any, tmp_path: Path, programs: Programs, server: Server
) -> None:
    bury(client, 450, error=b"\xff\x00")
    before = [fields for _, fields in client.xrange(DEAD)]
    file = str(tmp_path / "letters.jsonl")
    assert do("export", "t:d", "--to", file) == f"450 of t:d in {file}\n"
    assert Path(file).read_text() == do("export", "t:d", "all")
    told = do("export", "t:d", "--to", file, code=EXIT_USAGE)
    assert told == f"woodenwaiter: {file} is there already: name a new file\n"
    client.delete(DEAD)
    assert do("import", "t:d", file) == "450 dead letters imported into t:d\n"
    again = "0 dead letters imported into t:d; 450 had been within a day, and are not again\n"
    assert do("import", "t:d", file) == again
    assert [fields for _, fields in client.xrange(DEAD)] == before
    audit = json.loads(do("audit", "--json"))["audit"]
    assert [(line["verb"], line["count"]) for line in audit] == [("import", 450)]


def test_import_of_what_is_none_adds_nothing(
    do: Callable[..., str], client: Any, tmp_path: Path
) -> None:
    bury(client, 2)
    file = tmp_path / "letters.jsonl"
    lines = do("export", "t:d").splitlines()
    file.write_text("\n".join([*lines, "", "nonsense", *lines]))
    told = do("import", "t:d", str(file), code=EXIT_USAGE)
    assert told.startswith(f"woodenwaiter: nothing was imported: {file}, line 4: no JSON: ")
    assert client.xlen(DEAD) == 2
    told = do("import", "t:d", "/no/where", code=EXIT_USAGE)
    assert told == "woodenwaiter: /no/where cannot be read: No such file or directory\n"


def test_import_into_what_nobody_has_served_asks(
    do: Callable[..., str], client: Any, tmp_path: Path
) -> None:
    bury(client, 1)
    file = str(tmp_path / "letters.jsonl")
    do("export", "t:d", "--to", file)
    told = do("import", "t:dd", file, code=EXIT_USAGE)
    assert "this would import 1 dead letter, though no such queue" in told
    assert "is it t:d?" in told
    assert not client.exists("{t:dd}:dead")
    assert do("import", "t:dd", file, "--yes") == "1 dead letter imported into t:dd\n"


def test_import_from_a_pipe(server: Server, client: Any, tmp_path: Path) -> None:
    bury(client, 3)
    act = f"{sys.executable} -m woodenwaiter --redis {server.url}"
    pipe = f"{act} export t:d --text 1 | {act} import t:d - --json"
    done = subprocess.run(["sh", "-c", pipe], capture_output=True, text=True, check=True)
    told = json.loads(done.stdout)
    assert (told["imported"], told["before"]) == (1, 0)
    assert client.xlen(DEAD) == 4


# While all goes on.


ACTS: list[tuple[str, ...]] = [
    ("requeue", "t:d", "--text", "1"),
    ("drop", "t:d", "--error", "not yet", "--yes"),
    ("requeue", "t:d", "all", "--delay", "0.1s"),
    ("requeue", "t:d", "all"),
]


def test_every_task_is_accounted_for_while_workers_are_killed(
    app: Application, operate: Operate
) -> None:
    """Each fails at first, and is put back, now or later, or dropped and restored, again and again:
    in the end all are done, and the sums are true."""
    number = 300
    app.write(
        handler="""
            if not os.path.exists(f"go-{foods['n'] % 3}"):
                raise Reject(f"not yet: {foods['n']}")
            note("done", foods["n"])
        """,
        processes=3,
        backoff=Code("Backoff(0, 0)"),
    )
    supervisor = app.serve().ready(3)
    app.push(*({"n": n} for n in range(number)))
    for turn in range(12):
        eventually(lambda: app.client.xlen(DEAD) or len({*app.done}) == number)
        act(operate, *ACTS[turn % len(ACTS)])
        for worker in supervisor.workers()[:1]:
            worker.kill()
        if turn % 4 == 3:
            app.let_go(turn // 4)
            supervisor.ready(3)
    eventually(lambda: is_settled(app, operate, number))
    assert {*app.done} == {*range(number)}
    [queue] = json.loads(operate("status", "t:d", "--json")[1])["queues"]
    assert (queue["pushed"], queue["buried"]) == (number, queue["requeued"])
    assert supervisor.stop() == 0


def act(operate: Operate, *arguments: str) -> None:
    """Which may find nothing to do. What was dropped is restored."""
    code, printed, errors = operate(*arguments)
    assert code in (0, EXIT_UNKNOWN), errors
    if undo := re.search("woodenwaiter (restore .*)", printed):
        assert operate(*undo[1].split())[0] == 0


def is_settled(app: Application, operate: Operate, number: int) -> bool:
    if app.client.xlen(DEAD):
        act(operate, "requeue", "t:d", "all")
    [queue] = json.loads(operate("status", "t:d", "--json")[1])["queues"]
    left = sum(queue[state] for state in ("waiting", "claimed", "delayed", "dead"))
    return len({*app.done}) == number and not left
