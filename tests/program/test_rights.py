"""Users who may do only what they need: README.rst has the lines; what is missing is told."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import redis

from woodenwaiter import Backoff, WoodenWaiter
from woodenwaiter.errors import EXIT_REDIS
from woodenwaiter.protocol import scripts
from woodenwaiter.protocol.beats import Seen, minutes_of, noting
from woodenwaiter.protocol.calls import run_all
from woodenwaiter.protocol.entry import Entry
from woodenwaiter.protocol.history import Account, Beat
from woodenwaiter.protocol.hosts import Host, Running, encoded
from woodenwaiter.protocol.keys import HOSTS, Keys, host_key
from woodenwaiter.protocol.link import Link
from woodenwaiter.protocol.rights import RightsMissing, require_rights
from woodenwaiter.protocol.scripts import Script

from ..application import Application, source
from ..counting import accounts
from ..support import Server, eventually, run
from ..web.site import Site

README = (Path(__file__).parents[2] / "README.rst").read_text()
LINES = {
    name: line.strip()
    for name, line in re.findall(r"^ +(?:redis-cli )?ACL SETUSER (\w+) (.*)$", README, re.MULTILINE)
}
RUNNING = Host("h", 1, "1.0.0", 1, 1, 1, workers=(Running("t:d", 0, 1, "a/1/1", 1, 0),))
FAILS = {"handler": "raise Reject('because')", "backoff": Backoff(0, 0)}


class Users:
    """Of README.rst, for the queue ``t:d``, on a server of their own."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.admin: Any = server.client
        for name, line in LINES.items():
            rules = line.replace("images:resize", "t:d").replace("PASSWORD", "pw").split()
            self.set(name, *rules)

    def set(self, name: str, *rules: str) -> None:
        self.admin.execute_command("ACL", "SETUSER", name, *rules)

    def url(self, name: str) -> str:
        return self.server.url.replace("//", f"//{name}:pw@")

    def refusals(self) -> list[str]:
        """Whatever anybody asked for in vain."""
        return [entry["object"] for entry in self.admin.acl_log()]


@pytest.fixture
def users(make_server: Callable[..., Server]) -> Users:
    return Users(make_server())


@pytest.fixture
def served(app: Application, users: Users) -> Application:
    return app.at(users.server)


def test_readme_has_four() -> None:
    assert LINES.keys() == {"producer", "worker", "viewer", "operator"}


# Each works for what it is for, and for nothing else.


def test_producer_produces_and_nothing_else(users: Users) -> None:
    waiter = WoodenWaiter.from_url(users.url("producer"))
    waiter.take_dish("t:d", {"n": 0})
    assert users.admin.llen("t:d") == 1
    clt: Any = waiter.redis_clt
    for command in (
        ("RPOP", "t:d"),
        ("LRANGE", "t:d", 0, -1),
        ("DEL", "t:d"),
        ("LPUSH", "u:d", "{}"),
        ("LPUSH", "{t:d}:claims:x", "{}"),
        ("EVAL", "return 1", 0),
        ("KEYS", "*"),
    ):
        with pytest.raises(redis.exceptions.NoPermissionError):
            clt.execute_command(*command)
    clt.close()


def test_worker_does_all_of_it_and_is_refused_nothing(served: Application, users: Users) -> None:
    served.write(
        handler="""
            note("done", foods["n"])
            if foods["n"] == 1 and delivery().number == 1:
                raise Retry(after=0.1)
            if foods["n"] == 2:
                raise Reject("because")
            if foods["n"] == 3 and delivery().number == 1:
                os.kill(os.getpid(), 9)
        """
    )
    supervisor = served.serve("--redis", users.url("worker"), "--lease-seconds", "1").ready(2)
    served.push({"n": 0}, {"n": 1}, {"n": 2}, {"n": 3})
    eventually(lambda: served.done == [0, 1, 1, 2, 3, 3], "all done")
    eventually(served.letters, "a dead letter")
    supervisor.ready(2)
    assert supervisor.stop() == 0
    told = [
        line for line in supervisor.log.splitlines() if re.search("NOPERM|may not|refused", line)
    ]
    assert told == []
    # Which of its kind it was, 6.2 does not say.
    assert [r for r in users.refusals() if r not in ("client|setinfo", "client")] == []
    assert users.admin.smembers("woodenwaiter:queues") == {b"t:d"}


@pytest.mark.parametrize(
    "command",
    [
        ("LPUSH", "u:d", "{}"),
        ("GET", "other"),
        ("FLUSHALL",),
        ("CONFIG", "GET", "*"),
        ("ACL", "LIST"),
        ("CLIENT", "LIST"),
        ("DEL", "t:d"),
        ("KEYS", "*"),
    ],
    ids=" ".join,
)
def test_worker_may_do_nothing_else(users: Users, command: tuple[str, ...]) -> None:
    client: Any = redis.Redis.from_url(users.url("worker"))
    with pytest.raises(redis.exceptions.NoPermissionError):
        client.execute_command(*command)
    client.close()


def operate(folder: Path, url: str, *arguments: str) -> tuple[int, str]:
    done = run(folder, "-m", "woodenwaiter", "--redis", url, *arguments)
    return done.returncode, done.stdout + done.stderr


def test_viewer_looks_and_touches_nothing(users: Users, tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(source(handler="pass", processes=1))
    users.admin.lpush("t:d", '{"waits": {}}')
    users.admin.zadd("{t:d}:delayed", {'{"again": 1}': 1})
    users.admin.sadd("woodenwaiter:queues", "t:d")
    users.admin.hset("{t:d}:settled", "owner", "0 1")
    users.admin.xadd("{t:d}:dead", {"payload": "{}", "reason": "so"}, id="1-1")
    url = users.url("viewer")
    for arguments, told in (
        (("status",), "t:d"),
        (("status", "t:d"), "t:d"),
        (("peek", "t:d"), "waits"),
        (("delayed", "t:d"), "again"),
        (("find", "t:d", "{}"), "1 of 1 dead"),
        (("status", "--hosts"), "no supervisor"),
        (("running", "t:d"), "nothing is running"),
        (("dead", "t:d"), "1-1"),
        (("dead", "t:d", "--list"), "1-1  so"),
        (("export", "t:d", "all"), '"letter": "1-1"'),
        (("show", "t:d", "1-1"), "reason: so"),
        (("show", "t:d", "all"), "reason: so"),
        (("trash",), "no trash"),
        (("run", "t:d", "1-1", "--app", "app"), "returned None"),
        (("audit",), "nothing was changed"),
    ):
        code, output = operate(tmp_path, url, *arguments)
        assert (code, told in output) == (0, True), output
    users.admin.set(host_key("a/0"), encoded(RUNNING))
    users.admin.zadd(HOSTS, {"a/0": 1})
    for act in (
        ("requeue", "t:d", "1-1"),
        ("drop", "t:d", "1-1", "--yes"),
        ("running", "--trace"),
        ("pause", "t:d"),
        ("resume", "t:d"),
        ("purge", "t:d", "--yes"),
        ("restore", "t:d", "x"),
        ("put", "t:d", "{}"),
    ):
        code, output = operate(tmp_path, url, *act)
        assert code == EXIT_REDIS
        assert re.search("NOPERM|no permission|can't run this command", output)
        assert len(output.splitlines()) == 1
    code, output = operate(tmp_path, url, "run", "t:d", "1-1", "--app", "app", "--settle")
    assert (code, output.startswith("returned None")) == (EXIT_REDIS, True)
    assert [refused for refused in users.refusals() if refused not in SAID_BY_REDIS_PY] != []
    code, output = operate(tmp_path, url, "check")
    assert "serving" in output  # it may not
    assert "not looked at" not in output
    assert "may not ask" not in output
    assert users.admin.xlen("{t:d}:dead") == users.admin.llen("t:d") == 1


def _digits_of(payload: bytes) -> str:
    return hashlib.sha1(payload, usedforsecurity=False).hexdigest()[:12]


def test_operator_acts(served: Application, users: Users, tmp_path: Path) -> None:
    served.write(processes=1)
    served.push({"n": 0, "sleep": 60})
    users.admin.zadd("{t:d}:delayed", {Entry(b'{"n": 4}', "h/4", 1, 1.0).dump(): 9e13})
    for number in (1, 2, 3):
        users.admin.xadd("{t:d}:dead", {"payload": f'{{"n": {number}}}'}, id=f"{number}-1")
    (tmp_path / "letters").write_text(
        '{"version": 1, "letter": "5-1", "fields": {"payload": "{}"}}'
    )
    supervisor = served.serve("--redis", users.url("worker"))
    url = users.url("operator")
    running = eventually(lambda: operate(tmp_path, url, "running", "--json")[1].count('"claim"'))
    assert running == 1
    for arguments, told in (
        (("running", "--trace"), "in handle"),
        (("requeue", "t:d", "1-1"), "1"),
        (("drop", "t:d", "2-1", "--yes"), "1"),
        (("import", "t:d", "letters"), "1 dead letter imported"),
        (("pause", "t:d"), "t:d is paused"),
        (("put", "t:d", '{"n": 2}'), "1 task put"),
        (("purge", "t:d", "--yes"), "2 tasks in the trash"),
        (("purge", "t:d", "--yes", "--delayed"), "1 delayed task in the trash"),
        (("trash",), "delayed"),
        (("restore", "t:d"), "1 delayed task back"),
        (("restore", "t:d"), "2 tasks back"),
        (("run", "t:d", "3-1", "--app", "app", "--settle"), "restore t:d"),
        (("restore", "t:d"), "1 dead letter back"),
        (("run", "t:d", "h/4", "--app", "app", "--settle"), "h/4 is done"),
        (("resume", "t:d"), "t:d was paused"),
        (("audit",), "resume"),
    ):
        code, output = operate(tmp_path, url, *arguments)
        assert (code, told in output) == (0, True), output
    assert users.admin.xlen("{t:d}:dead") == 2
    served.let_go(0)
    eventually(lambda: served.done == [0, 1, 2, 3, 4])
    assert supervisor.stop() == 0
    assert [r for r in users.refusals() if r not in SAID_BY_REDIS_PY] == []


def test_operator_cancels_and_tells_hosts(
    served: Application, users: Users, tmp_path: Path
) -> None:
    served.write(processes=1)
    served.push({"n": 0, "sleep": 60})
    supervisor = served.serve("--redis", users.url("worker"))
    url = users.url("operator")
    eventually(lambda: operate(tmp_path, url, "running", "--json")[1].count('"claim"'))
    operate(tmp_path, url, "pause", "t:d")
    served.push({"n": 7})
    failed = Entry(b'{"n": 8}', "a/1/7", 1, 1.0, "no").dump()
    users.admin.zadd("{t:d}:delayed", {failed: 1e15})
    for arguments, told in (
        (("host", "all", "continue"), "takes tasks again"),
        (("cancel", "t:d", _digits_of(b'{"n": 7}')), "cancelled while waiting"),
        (("cancel", "t:d", "a/1/7"), "cancelled while delayed"),
        (("cancel", "t:d", _digits_of(b'{"n": 0, "sleep": 60}')), "ended in"),
    ):
        code, output = operate(tmp_path, url, *arguments)
        assert (code, told in output) == (0, True), output
    letters = users.admin.xrange("{t:d}:dead")
    assert [letter[b"reason"] for _, letter in letters] == [b"cancelled"] * 3
    assert supervisor.stop() == 0
    assert [r for r in users.refusals() if r not in SAID_BY_REDIS_PY] == []


def test_page_of_a_viewer_shows_all_and_changes_nothing(users: Users) -> None:
    letter = users.admin.xadd("{t:d}:dead", {"payload": "{}", "error": "E"}).decode()
    users.admin.lpush("t:d", "{}")
    users.admin.sadd("woodenwaiter:queues", "t:d")
    with Site(users.url("viewer")) as site:
        for view in ("overview", "queue", "dead", "hosts", "audit"):
            viewer = site.view(view, queue="t%3Ad")
            assert not viewer.trouble, view
        viewer = site.view("overview")
        viewer.until(lambda v: "findings" in v.parts)
        assert viewer.parts["queue/t%3Ad"]["waiting"] == 1
        assert site.get("letter", queue="t%3Ad", letter=letter)["isJson"]
        assert {*users.refusals()} <= {*SAID_BY_REDIS_PY, "config|get", "config"}
        job = site.done("pause", queue="t%3Ad")
        assert (job["state"], users.admin.exists("{t:d}:paused")) == ("failed", 0)
        assert "refuses a request" in str(job["troubles"])


def test_page_of_an_operator_acts(users: Users) -> None:
    users.admin.lpush("t:d", "{}")
    with Site(users.url("operator")) as site:
        done = [site.done("purge", queue="t%3Ad"), site.done("pause", queue="t%3Ad")]
        done += [site.done(**each["undo"]) for each in done]
    assert [each["state"] for each in done] == ["done"] * 4
    assert {*users.refusals()} <= {*SAID_BY_REDIS_PY, "config|get", "config"}


def test_operator_has_what_the_viewer_has_and_what_acts() -> None:
    rights = {name: {*re.findall(r"\+(\S+)", LINES[name])} for name in ("viewer", "operator")}
    own = {c.lower() for name in ACTS for c in commands_of(getattr(scripts, name))}
    never_run = {"hget", "hset"}  # of what stands before all scripts
    assert rights["operator"] == rights["viewer"] | own - never_run | {"getrange"}


def test_viewer_reads_histories(users: Users) -> None:
    users.admin.lpush("t:d", "{}")
    users.admin.hset("{t:d}:tally", "done", "2")
    users.admin.lpush("{t:d}:beats", "1000 2 2 0 0 0")
    with closing(Link(redis.Redis.from_url(users.url("viewer")), 10)) as link:
        [account] = accounts(link, ["t:d"])
        assert isinstance(account, Account)
        assert (account.pushed, account.before) == (3, Beat(1, 2, 2, 0, 0, 0))
        assert minutes_of(link, ["t:d"]) == [[]]
        [refused] = run_all(link, [noting(Keys("t:d"), Seen())])
        assert isinstance(refused, redis.ResponseError)
        assert users.admin.llen("{t:d}:beats") == 1


SAID_BY_REDIS_PY = ("client|setinfo", "client|maint_notifications", "client")


@pytest.mark.parametrize(("name", "kind"), [("producer", "%W~"), ("viewer", "%R~")])
def test_narrower_keys(users: Users, tmp_path: Path, name: str, kind: str) -> None:
    if users.admin.info("server")["redis_version"].startswith("6."):
        pytest.skip("of Redis 7.0 and newer")
    keys = re.findall(r"~\S+", LINES[name].replace("images:resize", "t:d"))
    users.set(name, "resetkeys", *(kind + key[1:] for key in keys))
    if name == "producer":
        waiter = WoodenWaiter.from_url(users.url(name))
        waiter.take_dish("t:d", {"n": 0})
        waiter.redis_clt.close()
    else:
        users.set(name, "-eval", "-evalsha", "+eval_ro", "+evalsha_ro")
    users.admin.xadd("{t:d}:dead", {"payload": "{}"})
    commands = ("status", "dead", "peek", "delayed")
    looks = [operate(tmp_path, users.url(name), command, "t:d")[0] for command in commands]
    assert looks == [EXIT_REDIS if name == "producer" else 0] * 4


# What is missing.


LOOKS = ("SIZES", "LOOK", "AILING", "HISTORY", "TRASHES", "SEEK")
"""Scripts of who looks."""

ACTS = (
    *("ASK", "PAUSE", "RESUME", "REQUEUE", "IMPORT", "DISCARD", "PURGE", "RESTORE", "EMPTY", "PUT"),
    *("SETTLE", "CANCEL", "CLAIMED", "AUDIT"),
)
"""Scripts of who acts."""


def required() -> Iterator[str]:
    """The commands of the scripts that supervisors and workers run."""
    for name, script in vars(scripts).items():
        others = ("RIGHTS", "PUBLISH", "TRIM", *ACTS, *LOOKS)
        if isinstance(script, Script) and name not in others:
            yield from commands_of(script)


def commands_of(script: Script) -> set[str]:
    return set(re.findall(r"call\(\s*'(\w+)'", script.source))


def test_viewer_has_what_is_required() -> None:
    scripts_call = {c.lower() for name in LOOKS for c in commands_of(getattr(scripts, name))}
    others = {"eval", "evalsha", "smembers", "xrange", "xrevrange", "mget", "info"}
    others |= {"client|setname"}
    assert set(re.findall(r"\+(\S+)", LINES["viewer"])) == scripts_call | others


OF_PUBLISHING = sorted(commands_of(scripts.PUBLISH) - {*required()})
OF_METRICS = sorted((commands_of(scripts.SIZES) | commands_of(scripts.HISTORY)) - {*required()})
OPTIONAL = [
    *("blmove", "sadd", "scan", "info", "client|setname", "xtrim"),
    *map(str.lower, (*OF_PUBLISHING, *OF_METRICS)),
]


def test_what_is_required_is_tried_out_and_no_more() -> None:
    assert set(required()) == set(re.findall(r"try\('(\w+)'", scripts.RIGHTS.source))


def test_worker_has_what_is_required_and_what_it_can_go_without() -> None:
    commands = {command.lower() for command in required()} | {"eval", "evalsha"}
    assert set(re.findall(r"\+(\S+)", LINES["worker"])) == commands | {*OPTIONAL}


@pytest.mark.parametrize("optional", OPTIONAL)
def test_worker_can_go_without(served: Application, users: Users, optional: str) -> None:
    users.set("worker", f"-{optional.partition('|')[0]}")
    supervisor = served.serve("--redis", users.url("worker")).ready(2)
    served.push({"n": 0})
    eventually(lambda: served.done == [0])
    assert supervisor.stop() == 0
    assert "trying again" not in supervisor.log


@pytest.mark.parametrize("right", ["~", *OF_PUBLISHING])
def test_who_may_not_be_seen_serves(served: Application, users: Users, right: str) -> None:
    if right == "~":
        users.set("worker", "resetkeys", "~t:d", "~{t:d}:*", "~woodenwaiter:queues")
    else:
        users.set("worker", f"-{right.lower()}")
    supervisor = served.serve("--redis", users.url("worker"), "--lease-seconds", "1").ready(2)
    assert supervisor.logged("status --hosts does not show this supervisor")
    served.push(*({"n": n} for n in range(20)))
    eventually(lambda: len(served.done) == 20)
    assert supervisor.stop() == 0
    assert supervisor.log.count("does not show") == 1
    assert not users.admin.keys("{woodenwaiter:hosts}:*")


@pytest.mark.parametrize("command", sorted({*required(), "EVAL"}))
def test_command_that_is_missing_is_named(users: Users, command: str) -> None:
    users.set("worker", f"-{command.lower()}", "-evalsha")
    assert trouble(users) == [command, f"+{command.lower()}"]
    users.set("worker", f"+{command.lower()}")
    assert trouble(users) == []


def trouble(users: Users) -> list[str]:
    """The first request that is refused, and what the line to allow it says at its end."""
    link = Link(redis.Redis.from_url(users.url("worker")), 10)
    try:
        require_rights(link, ["t:d"])
    except RightsMissing as error:
        request, _, line = str(error).partition(": refused to user worker, whom this allows it: ")
        return [request.split()[0], line.removeprefix("ACL SETUSER worker ")]
    finally:
        link.close()
    return []


@pytest.mark.parametrize("patterns", [["~t:d"], ["~{t:d}:*"], []], ids=str)
def test_keys_that_are_missing_are_named(users: Users, patterns: list[str]) -> None:
    users.set("worker", "resetkeys", *patterns)
    link = Link(redis.Redis.from_url(users.url("worker")), 10)
    with pytest.raises(RightsMissing, match=r"ACL SETUSER worker ~t:d ~\{t:d\}:\*$"):
        require_rights(link, ["t:d"])
    users.set("worker", "~t:d", "~{t:d}:*")
    require_rights(link, ["t:d"])
    link.close()


def test_all_that_is_missing_stands_in_one_line(users: Users) -> None:
    users.set("worker", "-@all", "+eval", "resetkeys", "~t:d", "~{t:d}:*")
    link = Link(redis.Redis.from_url(users.url("worker")), 10)
    queues = ["t:d", *(f"t:{n}" for n in range(100))]
    for _ in range(2):  # what cannot be undone is tried out when the rest is allowed
        with pytest.raises(RightsMissing) as raised:
            require_rights(link, queues)
        assert len(str(raised.value)) < 800
        _, _, line = str(raised.value).partition("ACL SETUSER worker ")
        users.set("worker", *line.replace("…", "").split())
    require_rights(link, ["t:d", "t:0", "t:1"])
    link.close()


def test_name_with_characters_of_patterns(users: Users) -> None:
    users.set("worker", "resetkeys", "~x")
    link = Link(redis.Redis.from_url(users.url("worker")), 10)
    with pytest.raises(RightsMissing) as raised:
        require_rights(link, ["a*[b]?"])
    users.set("worker", *str(raised.value).partition("SETUSER worker ")[2].split())
    require_rights(link, ["a*[b]?"])
    with pytest.raises(RightsMissing):
        require_rights(link, ["aX[b]?"])
    link.close()


def everything(client: Any) -> dict[bytes, bytes]:
    return {key: client.dump(key) for key in client.keys("*")}


def test_trying_out_changes_nothing(client: Any) -> None:
    client.lpush("t:d", "1", "2")
    client.hset("{t:d}:settled", "a", "0 1")
    client.lpush("{t:d}:claims:", "somebody's")
    client.lpush("{t:d}:claims:a", "3")
    client.zadd("{t:d}:leases", {"a": 5})
    client.zadd("{t:d}:delayed", {"x": 5})
    client.xadd("{t:d}:dead", {"payload": "4"})
    before = everything(client)
    link = Link(client, 10)
    require_rights(link, ["t:d", "u:d"])
    assert everything(client) == before
    client.delete("{t:d}:claims:")
    require_rights(link, ["t:d"])
    assert not client.exists("{t:d}:claims:")
    link.close()


def test_wrong_types_are_another_matter(client: Any) -> None:
    for key in ("t:d", *(f"{{t:d}}:{name}" for name in ("settled", "leases", "dead", "claims:"))):
        client.set(key, "text")
    link = Link(client, 10)
    require_rights(link, ["t:d"])
    link.close()


def test_full_server_is_another_matter(make_server: Callable[..., Server]) -> None:
    server = make_server()
    server.client.config_set("maxmemory", "1")
    link = Link(server.client, 10)
    require_rights(link, ["t:d"])
    link.close()


# At the start, and while it runs.


def test_missing_right_is_told_at_the_start_and_may_come(served: Application, users: Users) -> None:
    served.write(processes=1, **FAILS)
    users.set("worker", "-xadd")
    served.push({"n": 1})
    supervisor = served.serve("--redis", users.url("worker"), "--redis-wait", "60")
    line = supervisor.logged("refused to user")
    assert "XADD {t:d}:dead: refused to user worker, whom this allows it: " in line
    assert "ACL SETUSER worker +xadd; trying again" in line
    users.set("worker", "+xadd")
    supervisor.logged("works again")
    eventually(served.letters)
    supervisor.logged("; buried: ")
    assert supervisor.stop() == 0


def test_missing_right_ends_it_in_time(served: Application, users: Users) -> None:
    users.set("worker", "-xadd", "-zadd")
    supervisor = served.serve("--redis", users.url("worker"), "--redis-wait", "1")
    assert supervisor.wait() == EXIT_REDIS
    told = [line for line in supervisor.log.splitlines() if "refused to user" in line]
    assert len(told) == 2
    assert "ACL SETUSER worker +zadd +xadd" in told[-1]
    assert "Traceback" not in supervisor.log


@pytest.mark.parametrize("right", ["ltrim", "hset", "zadd", "lmove", "eval evalsha", "@all", "~"])
def test_right_that_is_taken_away_and_given_back(
    served: Application, users: Users, right: str
) -> None:
    served.write(
        processes=2,
        max_deliveries=2,
        backoff=Backoff(0, 0),
        handler="""
            if foods["n"] % 2 and delivery().number == 1:
                raise RuntimeError("first time")
            note("done", foods["n"])
            note("deliveries", delivery().number)
        """,
    )
    supervisor = served.serve("--redis", users.url("worker")).ready(2)
    served.push({"n": 0}, {"n": 1})
    eventually(lambda: served.done == [0, 1])
    users.set("worker", *(["resetkeys"] if right == "~" else [f"-{one}" for one in right.split()]))
    served.push(*({"n": n} for n in range(2, 10)))
    supervisor.logged("trying again")
    assert served.letters() == []
    given = re.findall(r"[~+]\S+", LINES["worker"].replace("images:resize", "t:d"))
    users.set("worker", *given)
    eventually(lambda: set(served.done) == set(range(10)), "all done")
    assert served.letters() == []
    assert supervisor.stop() == 0


def test_buried_is_told_when_it_is_so(served: Application, users: Users) -> None:
    served.write(processes=1, **FAILS)
    supervisor = served.serve("--redis", users.url("worker")).ready(1)
    users.set("worker", "-xadd")
    served.push({"n": 1})
    supervisor.logged("trying again")
    assert "buried: {" not in supervisor.log
    assert served.letters() == []
    users.set("worker", "+xadd")
    supervisor.logged("buried: {")
    assert len(served.letters()) == 1
    assert supervisor.stop() == 0
