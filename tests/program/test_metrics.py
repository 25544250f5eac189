"""``--metrics``: what Prometheus is told of a supervisor under load, and in trouble."""

from __future__ import annotations

import gzip
import json
import re
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable
from contextlib import ExitStack, closing
from http.client import HTTPConnection, HTTPResponse
from pathlib import Path
from typing import Any

import psutil
import pytest

from woodenwaiter import __version__, pace
from woodenwaiter.errors import EXIT_USAGE
from woodenwaiter.metrics.endpoint import AT_ONCE

from ..application import Application, Supervisor, customer
from ..support import Server, await_end_of, eventually, free_port, path_with, run
from .test_rights import Users

parser = pytest.importorskip("prometheus_client.parser")

README = (Path(__file__).parents[2] / "README.rst").read_text()

Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]


class Metrics:
    """Of a supervisor that serves them on a port."""

    def __init__(self, port: int, host: str = "127.0.0.1") -> None:
        self.port = port
        self._host = host

    def ask(
        self,
        path: str = "/metrics",
        method: str = "GET",
        **headers: str,
    ) -> tuple[HTTPResponse, bytes]:
        with closing(HTTPConnection(self._host, self.port, timeout=20)) as connection:
            connection.request(method, path, headers=headers)
            response = connection.getresponse()
            return response, response.read()

    def text(self) -> str:
        """Once somebody answers."""

        def answer() -> str:
            try:
                response, body = self.ask()
            except OSError:
                return ""
            assert response.status == 200
            return body.decode()

        return eventually(answer, "an answer")

    def samples(self) -> Samples:
        found: Samples = {}
        for family in parser.text_string_to_metric_families(self.text()):
            for sample in family.samples:
                key = sample.name, frozenset(sample.labels.items())
                assert key not in found, "told twice"
                found[key] = sample.value
        return found

    def get(self, name: str, **labels: str) -> float | None:
        return self.samples().get((f"woodenwaiter_{name}", frozenset(labels.items())))

    def tasks(self, queue: str = "t:d") -> dict[str, int]:
        """By outcome, but for those of which there are none."""
        return {
            dict(labels)["outcome"]: int(value)
            for (name, labels), value in self.samples().items()
            if name == "woodenwaiter_tasks_total" and ("queue", queue) in labels and value
        }

    def call(self, sent: bytes = b"") -> socket.socket:
        """Begin to ask, and leave it at that."""
        caller = socket.create_connection((self._host, self.port), timeout=20)
        caller.sendall(sent)
        return caller


class Watched:
    """An application whose metrics are served."""

    def __init__(self, app: Application) -> None:
        self.app = app
        self.port = free_port()
        self.metrics = Metrics(self.port)

    def serve(self, *options: str, at: str = "127.0.0.1:{}", **others: Any) -> Supervisor:
        return self.app.serve("--metrics", at.format(self.port), *options, **others)


@pytest.fixture
def watched(app: Application) -> Watched:
    return Watched(app)


def endpoint_of(supervisor: Supervisor) -> psutil.Process:
    return eventually(lambda: supervisor.titled("woodenwaiter: metrics"), "who serves metrics")[0]


def is_away(metrics: Metrics) -> bool:
    [(_, value)] = [(k, v) for k, v in metrics.samples().items() if k[0] == "woodenwaiter_redis_up"]
    return value == 0


FAULTS = """
    note("begun", foods["n"])
    if delivery().number == 1 and foods["n"] % 10 == 1:
        os.kill(os.getpid(), 9)
    if delivery().number == 1 and foods["n"] % 10 == 2:
        raise ValueError
    if foods["n"] % 10 == 3:
        raise Reject("because")
    if delivery().number == 1 and foods["n"] % 10 == 4:
        raise Retry(after=0.1)
    time.sleep(0.002)
    note("done", foods["n"])
"""


def test_totals_are_what_happened(watched: Watched) -> None:
    app = watched.app
    app.write(handler=FAULTS, processes=2, backoff="BACKOFF")
    text = (app.folder / "app.py").read_text().replace("'BACKOFF'", "Backoff(0.1, 0.1)")
    (app.folder / "app.py").write_text(text)
    app.push(*({"n": n} for n in range(100)))
    supervisor = watched.serve()
    eventually(lambda: len(app.done) == 90, "all done", 60)
    killed = failed = asked = rejected = 10
    expected = {
        "done": 90,
        "failed": killed + failed + rejected,
        "retried": killed + failed + asked,
        "buried": rejected,
        "killed": killed,
    }
    eventually(lambda: watched.metrics.tasks() == expected, f"{expected}")
    assert len(app.begun) == 130
    metrics = watched.metrics
    assert metrics.get("restarts_total", queue="t:d", cause="signalled") == killed
    assert metrics.get("task_seconds_count", queue="t:d") == 130
    seconds = metrics.get("task_seconds_sum", queue="t:d")
    assert seconds
    assert 90 * 0.002 < seconds < 60
    eventually(lambda: metrics.get("dead", queue="t:d") == rejected, "dead letters")
    assert metrics.get("claimed", queue="t:d") == metrics.get("waiting", queue="t:d") == 0
    assert metrics.get("cpu_seconds_total", queue="t:d")
    assert supervisor.stop() == 0


def test_what_is_going_on(watched: Watched) -> None:
    app = watched.app
    app.write(processes=2)
    app.push(*({"n": n, "sleep": 60} for n in range(5)))
    supervisor = watched.serve("--drain-seconds", "0")
    metrics = watched.metrics
    eventually(lambda: metrics.get("running", queue="t:d") == 2)
    eventually(lambda: metrics.get("claimed", queue="t:d") == 2)
    assert metrics.get("waiting", queue="t:d") == 3
    least = eventually(lambda: metrics.get("oldest_seconds", queue="t:d", bound="least"))
    assert least < 60
    assert metrics.get("workers", queue="t:d", state="running") == 2
    assert metrics.get("workers", queue="t:d", state="idle") == 0
    samples = metrics.samples()
    [build] = [labels for name, labels in samples if name == "woodenwaiter_build_info"]
    assert dict(build)["version"] == __version__
    for role in ("supervisor", "housekeeper", "metrics", "worker"):
        resident = metrics.get("resident_memory_bytes", role=role)
        own = metrics.get("own_memory_bytes", role=role)
        assert resident
        assert own
        assert 1 << 18 < own < resident < 1 << 30
    assert metrics.get("overhead_cpu_seconds_total", role="supervisor")
    age = metrics.get("housekeeper_look_age_seconds")
    assert age is not None
    assert 0 <= age < 10
    answered = metrics.get("redis_answer_age_seconds")
    assert answered is not None
    assert 0 <= answered < 40
    assert supervisor.stop() == 1


def test_names_of_queues_are_told_as_they_are(watched: Watched) -> None:
    name = 'a"b\\c\nd{e}é:x,le="1"'
    table, _, dish = name.partition(":")
    app = watched.app
    app.write(text=f"NAMES = {(table, dish)!r}", handler="note('done', foods['n'])")
    with (app.folder / "app.py").open("a") as file:
        file.write("manager.add_customer(WoodenCustomer(*NAMES, WoodenWaiter(), handle))\n")
    app.client.lpush(name, json.dumps({"n": 0}))
    watched.serve()
    eventually(lambda: watched.metrics.tasks(name) == {"done": 1})
    eventually(lambda: watched.metrics.get("waiting", queue=name) == 0)


def test_queue_with_several_customers_and_servers(
    watched: Watched, make_server: Callable[..., Server]
) -> None:
    other = make_server()
    app = watched.app
    elsewhere = f"WoodenWaiter.from_url({other.url!r})"
    app.write(customer(processes=1), customer(processes=1), customer(waiter=elsewhere, processes=1))
    app.push(*({"n": n} for n in range(4)))
    other.client.lpush("t:d", '{"n": 4}')
    watched.serve().ready(3)
    metrics = watched.metrics
    eventually(lambda: metrics.tasks() == {"done": 5})
    assert metrics.get("workers", queue="t:d", state="idle") == 3
    app.client.xadd("{t:d}:dead", {"a": 1})
    other.client.xadd("{t:d}:dead", {"a": 1})
    eventually(lambda: metrics.get("dead", queue="t:d") == 2)
    assert metrics.get("redis_up", server=app.url) == metrics.get("redis_up", server=other.url) == 1
    other.kill()
    eventually(lambda: metrics.get("redis_up", server=other.url) == 0)
    assert metrics.get("redis_up", server=app.url) == 1
    assert metrics.get("dead", queue="t:d") == 1


def test_no_rights_beside_a_workers(watched: Watched, make_server: Callable[..., Server]) -> None:
    users = Users(make_server())
    watched.app = watched.app.at(users.server)
    watched.serve("--redis", users.url("worker")).ready(2)
    watched.app.push({"n": 0})
    eventually(lambda: watched.metrics.tasks() == {"done": 1})
    assert not is_away(watched.metrics)
    assert [r for r in users.refusals() if r not in ("client|setinfo", "client")] == []


def test_right_that_is_missing_is_told_once(
    watched: Watched, make_server: Callable[..., Server]
) -> None:
    users = Users(make_server())
    watched.app = watched.app.at(users.server)
    users.set("worker", "-xlen")
    supervisor = watched.serve("--redis", users.url("worker")).ready(2)
    watched.app.push({"n": 0})
    eventually(lambda: is_away(watched.metrics) and watched.metrics.tasks() == {"done": 1})
    until = time.monotonic() + 2 * pace.METRICS_AGAIN
    while time.monotonic() < until:
        assert is_away(watched.metrics)
    told = supervisor.logged("metrics of ")
    assert "xlen" in told or "can't run this command" in told  # as Redis 6.2 has it of scripts
    assert supervisor.log.count("metrics of ") == 1
    users.set("worker", "+xlen")
    eventually(lambda: not is_away(watched.metrics))


# Troubles.


@pytest.mark.parametrize("trouble", [signal.SIGKILL, signal.SIGSTOP], ids=lambda n: n.name)
def test_server_is_away(
    watched: Watched, make_server: Callable[..., Server], trouble: signal.Signals
) -> None:
    server = make_server()
    watched.app = watched.app.at(server)
    watched.app.push({"n": 0})
    supervisor = watched.serve("--drain-seconds", "0").ready(2)
    metrics = watched.metrics
    eventually(lambda: metrics.tasks() == {"done": 1})
    assert not is_away(metrics)
    if trouble == signal.SIGKILL:
        server.kill()
    else:
        psutil.Process(server.pid).suspend()
    eventually(lambda: is_away(metrics))
    time_taken = []
    until = time.monotonic() + 2 * pace.METRICS_AGAIN
    while time.monotonic() < until:
        began = time.monotonic()
        assert metrics.tasks() == {"done": 1}
        time_taken.append(time.monotonic() - began)
    assert max(time_taken) < 4  # README: 1.5; Prometheus waits for 10
    assert metrics.get("waiting", queue="t:d") is None
    if trouble == signal.SIGKILL:
        server.start()
    else:
        psutil.Process(server.pid).resume()
    eventually(lambda: not is_away(metrics))
    eventually(lambda: metrics.get("waiting", queue="t:d") == 0)
    assert supervisor.log.count("metrics of") == 0  # the housekeeper tells
    assert "Traceback" not in supervisor.log


def test_who_serves_metrics_is_replaced(watched: Watched) -> None:
    supervisor = watched.serve().ready(2)
    watched.app.push({"n": 0})
    eventually(lambda: watched.metrics.tasks() == {"done": 1})
    former = endpoint_of(supervisor)
    former.kill()
    supervisor.logged(f"metrics (pid {former.pid}) died of signal 9")
    assert watched.metrics.tasks() == {"done": 1}
    assert endpoint_of(supervisor).pid != former.pid
    assert supervisor.stop() == 0
    assert not supervisor.left_behind()


def test_one_that_hangs_holds_up_nobody(watched: Watched) -> None:
    supervisor = watched.serve().ready(2)
    endpoint_of(supervisor).suspend()
    watched.app.push({"n": 0})
    eventually(lambda: watched.app.done == [0])
    began = time.monotonic()
    assert supervisor.stop() == 0
    assert time.monotonic() - began < pace.METRICS_GRACE + 5
    assert "metrics (pid" in supervisor.logged("is killed, as its time is up")
    assert not supervisor.left_behind()


def test_it_ends_with_its_supervisor(watched: Watched) -> None:
    supervisor = watched.serve().ready(2)
    endpoint = endpoint_of(supervisor)
    watched.metrics.text()
    supervisor.process.kill()
    await_end_of([endpoint])
    eventually(lambda: not supervisor.left_behind())
    with pytest.raises(ConnectionError):
        watched.metrics.call()


def test_a_signal_to_all_does_not_end_it_early(watched: Watched) -> None:
    watched.app.push({"n": 0, "sleep": 60})
    supervisor = watched.serve()
    eventually(lambda: watched.app.begun)
    endpoint = endpoint_of(supervisor)
    for process in (*supervisor.tree(), psutil.Process(supervisor.pid)):
        process.send_signal(signal.SIGTERM)
    eventually(lambda: watched.metrics.get("workers", queue="t:d", state="running") == 1)
    assert endpoint.is_running()
    watched.app.let_go(0)
    assert supervisor.wait() == 0
    assert supervisor.log.count("metrics (pid") == 2  # it started, it left
    assert f"metrics (pid {endpoint.pid}) left with exit code 0" in supervisor.log


def test_drain_waits_for_no_scrape(watched: Watched) -> None:
    supervisor = watched.serve().ready(2)
    endpoint_of(supervisor)
    with closing(watched.metrics.call()), closing(watched.metrics.call(b"GET /metr")):
        watched.metrics.text()
        began = time.monotonic()
        assert supervisor.stop() == 0
        assert time.monotonic() - began < pace.CONVERSATION
    assert "killed" not in supervisor.log
    assert not supervisor.left_behind()


def test_who_dawdles_is_cut_off(watched: Watched) -> None:
    watched.serve().ready(2)
    watched.metrics.text()
    began = time.monotonic()
    with closing(watched.metrics.call(b"GET /metrics HTTP/1.1\r\n")) as caller:

        def is_cut_off() -> bool:
            try:
                caller.sendall(b"x")
                caller.settimeout(0.2)
                return caller.recv(100) == b""
            except TimeoutError:
                return False
            except ConnectionError:
                return True

        eventually(is_cut_off)
    assert time.monotonic() - began > pace.CONVERSATION / 2


def test_many_who_dawdle_keep_nobody_out(watched: Watched) -> None:
    supervisor = watched.serve().ready(2)
    watched.metrics.text()
    endpoint = endpoint_of(supervisor)
    with ExitStack() as callers:
        for _ in range(5 * AT_ONCE):
            callers.enter_context(closing(watched.metrics.call(b"GET /metrics HT")))
        began = time.monotonic()
        response, _ = watched.metrics.ask()
        assert response.status == 200
        assert time.monotonic() - began < pace.CONVERSATION
        eventually(lambda: endpoint.num_threads() <= AT_ONCE + 5, "threads that end")
    assert "Traceback" not in supervisor.log


@pytest.mark.parametrize(
    "sent",
    [
        b"\r\n\r\n",
        b"GET\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc",
        b"GET " + b"/" * 70_000 + b" HTTP/1.1\r\n\r\n",
        b"GET /metrics HTTP/1.1\r\n" + b"a: b\r\n" * 1000 + b"\r\n",
        b"GET /metrics?name[]=x HTTP/9.9\r\n\r\n",
        b"GET /%ff%0a HTTP/1.1\r\n\r\n",
    ],
    ids=lambda sent: repr(sent[:12]),
)
def test_who_asks_for_nonsense(watched: Watched, sent: bytes) -> None:
    supervisor = watched.serve().ready(2)
    watched.metrics.text()
    with closing(watched.metrics.call()) as caller:
        caller.sendall(sent)
        caller.shutdown(socket.SHUT_WR)
        try:
            answer = caller.recv(100)
        except ConnectionError:
            answer = b""
    assert b" 200 " not in answer
    watched.metrics.text()
    assert "Traceback" not in supervisor.log
    assert supervisor.log.count("metrics (pid") == 1


# HTTP.


def test_what_http_gets(watched: Watched) -> None:
    watched.serve().ready(2)
    watched.metrics.text()
    ask = watched.metrics.ask
    response, body = ask()
    assert response.headers["Content-Type"].startswith("text/plain; version=0.0.4")
    assert ask("/metrics?x=1")[0].status == 200
    assert [ask(path)[0].status for path in ("/", "/metrics/", "/other")] == [404, 404, 404]
    assert ask(method="POST")[0].status == 405
    response, body = ask(Accept="application/openmetrics-text; version=1.0.0")
    assert response.headers["Content-Type"].startswith("application/openmetrics-text")
    assert body.endswith(b"# EOF\n")
    response, body = ask(**{"Accept-Encoding": "gzip"})
    assert response.headers["Content-Encoding"] == "gzip"
    assert b"woodenwaiter_build_info" in gzip.decompress(body)


@pytest.mark.skipif(not shutil.which("promtool"), reason="promtool is not installed")
def test_promtool_finds_nothing_wrong(watched: Watched) -> None:
    watched.app.push({"n": 0})
    watched.serve()
    eventually(lambda: watched.metrics.tasks() == {"done": 1})
    eventually(lambda: watched.metrics.get("waiting", queue="t:d") is not None)
    command, text = ["promtool", "check", "metrics"], watched.metrics.text()
    result = subprocess.run(command, input=text, capture_output=True, text=True, check=False)
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")


# Where it listens.


@pytest.mark.parametrize(
    ("at", "hosts"),
    [
        (":{}", ["127.0.0.1", "::1"]),
        ("[::1]:{}", ["::1"]),
        ("localhost:{}", ["localhost"]),
        ("0.0.0.0:{}", ["127.0.0.1"]),
    ],
)
def test_where_it_listens(watched: Watched, at: str, hosts: list[str]) -> None:
    if "::1" in hosts and not _has_ipv6():
        pytest.skip("this machine has no IPv6")
    supervisor = watched.serve(at=at)
    supervisor.logged(f"http://{'localhost' if at[0] == ':' else ''}{at.format(watched.port)}/")
    for host in hosts:
        assert Metrics(watched.port, host).text()


def _has_ipv6() -> bool:
    try:
        with socket.create_server(("::1", 0), family=socket.AF_INET6):
            return True
    except OSError:
        return False


@pytest.mark.parametrize(
    ("where", "said"),
    [
        ("9100", "metrics must be HOST:PORT"),
        ("localhost:0", "metrics must be HOST:PORT"),
        ("::1:9100", "metrics must be HOST:PORT"),
        ("no.such.host.invalid:9100", "metrics cannot be served at no.such.host.invalid:9100: "),
        ("192.0.2.1:9100", "metrics cannot be served at 192.0.2.1:9100: "),
        ("x" * 70 + ":9100", "metrics cannot be served at xxx"),
    ],
)
def test_where_it_cannot(watched: Watched, where: str, said: str) -> None:
    supervisor = watched.serve(at=where)
    assert supervisor.wait() == EXIT_USAGE
    [line] = supervisor.log.splitlines()
    assert line.startswith(f"woodenwaiter: {said}")


def test_port_that_is_taken(watched: Watched) -> None:
    with socket.create_server(("127.0.0.1", watched.port)):
        supervisor = watched.serve()
        assert supervisor.wait() == EXIT_USAGE
    taken = f"metrics cannot be served at 127.0.0.1:{watched.port}: Address already in use"
    assert supervisor.log == f"woodenwaiter: {taken}\n"


def test_without_its_package(watched: Watched) -> None:
    hidden = "import sys; sys.modules['prometheus_client'] = None"
    (watched.app.folder / "sitecustomize.py").write_text(hidden)
    others: Any = {"PYTHONPATH": path_with(watched.app.folder)}
    supervisor = watched.serve(**others)
    assert supervisor.wait() == EXIT_USAGE
    [line] = supervisor.log.splitlines()
    assert line.startswith("woodenwaiter: metrics need the package prometheus-client: ")
    watched.app.push({"n": 0})
    watched.app.serve(**others)
    eventually(lambda: watched.app.done == [0])


def test_nobody_else_listens(watched: Watched) -> None:
    """Neither do workers, nor what handlers start."""
    watched.app.write(
        handler="import subprocess; subprocess.Popen(['sleep', '60'], start_new_session=True)",
        processes=1,
    )
    watched.app.push({"n": 0})
    supervisor = watched.serve().ready(1)
    eventually(lambda: supervisor.titled("sleep 60"))
    endpoint = endpoint_of(supervisor)
    endpoint.kill()
    watched.metrics.text()
    listening = {
        process.pid
        for process in (psutil.Process(supervisor.pid), *supervisor.tree())
        for each in process.net_connections()
        if each.status == psutil.CONN_LISTEN and each.laddr.port == watched.port
    }
    assert listening == {supervisor.pid, endpoint_of(supervisor).pid}


def test_newer_code_is_told_of_at_the_same_place(watched: Watched) -> None:
    supervisor = watched.serve().ready(2)
    watched.app.push({"n": 0})
    eventually(lambda: watched.metrics.tasks() == {"done": 1})
    former = endpoint_of(supervisor)
    supervisor.signal(signal.SIGHUP)
    await_end_of([former])
    eventually(lambda: watched.metrics.tasks() == {})
    supervisor.ready(2)
    watched.app.push({"n": 1})
    eventually(lambda: watched.metrics.tasks() == {"done": 1})
    assert endpoint_of(supervisor).pid != former.pid
    assert supervisor.stop() == 0


def test_where_workers_import(watched: Watched) -> None:
    supervisor = watched.serve("--import-in", "worker").ready(2)
    watched.app.push({"n": 0})
    eventually(lambda: watched.metrics.tasks() == {"done": 1})
    eventually(lambda: watched.metrics.get("waiting", queue="t:d") == 0)
    assert supervisor.stop() == 0


REPLACED = {
    "threads": """
        import _thread
        _thread.start_new_thread = threading._start_new_thread = lambda *_: None
    """,
    "gevent": """
        import warnings
        warnings.simplefilter("ignore")
        from gevent import monkey
        monkey.patch_all()
    """,
}


@pytest.mark.parametrize("what", REPLACED)
@pytest.mark.parametrize("where", ["supervisor", "worker"])
def test_application_that_replaces_threads(watched: Watched, what: str, where: str) -> None:
    if what == "gevent":
        pytest.importorskip("gevent")
    watched.app.write(text=REPLACED[what], processes=1)
    watched.app.push({"n": 0})
    watched.serve("--import-in", where).ready(1)
    eventually(lambda: watched.metrics.tasks() == {"done": 1})
    assert not is_away(watched.metrics)
    assert watched.metrics.get("own_memory_bytes", role="worker")


def test_place_is_free_after_a_run(watched: Watched) -> None:
    watched.app.push({"n": 0})
    main = f"""
        assert manager.run(metrics="127.0.0.1:{watched.port}") == 0
        import socket
        with socket.create_server(("127.0.0.1", {watched.port})):
            note("free", 1)
    """
    program = watched.app.run(main)
    eventually(lambda: watched.metrics.tasks() == {"done": 1})
    assert program.stop() == 0
    assert watched.app.noted("free") == ["1"]


def test_launched(watched: Watched) -> None:
    watched.app.push({"n": 0})
    main = f"""
        with manager:
            pass
        manager.launch(metrics="127.0.0.1:{watched.port}")
    """
    program = watched.app.run(main.replace("with manager:\n            pass\n", ""))
    eventually(lambda: watched.metrics.tasks() == {"done": 1})
    assert program.stop() in (0, 143)


# Files for operators.


def printed(watched: Watched, command: str) -> str:
    result = run(watched.app.folder, "-m", "woodenwaiter", command)
    assert (result.returncode, result.stderr) == (0, "")
    return result.stdout


def names_in(text: str) -> set[str]:
    return set(re.findall(r"\bwoodenwaiter_\w+", text))


def test_files_name_what_there_is(watched: Watched) -> None:
    watched.app.push({"n": 0})
    watched.serve()
    eventually(lambda: watched.metrics.tasks() == {"done": 1})
    eventually(lambda: watched.metrics.get("oldest_seconds", queue="t:d", bound="most") is not None)
    eventually(lambda: watched.metrics.get("redis_answer_age_seconds") is not None)
    labels: dict[str, set[str]] = {}
    for name, found in watched.metrics.samples():
        labels.setdefault(name, {"instance"}).update(label for label, _ in found)
    alerts, dashboard = printed(watched, "alerts"), printed(watched, "dashboard")
    panels = [t["expr"] for p in json.loads(dashboard)["panels"] for t in p["targets"]]
    assert len(panels) > 20
    for text in (alerts, *panels):
        assert names_in(text) <= labels.keys()
        for name, selector in re.findall(r"(woodenwaiter_\w+)\{(.*?)\}", text):
            assert set(re.findall(r"(\w+)[=!]", selector)) <= labels[name]
    told = {re.sub("_(bucket|sum|count)$", "", name) for name in labels}
    table = README.partition("metric, ``woodenwaiter_…``")[2].partition("The alerts tell")[0]
    listed = re.findall(r"``(\w+)``", "".join(line[:40] for line in table.splitlines(True)))
    assert told == {f"woodenwaiter_{name}" for name in listed}
    used = {re.sub("_(bucket|sum|count)$", "", name) for name in names_in(alerts + dashboard)}
    assert told == used


@pytest.mark.skipif(not shutil.which("promtool"), reason="promtool is not installed")
def test_promtool_takes_the_alerts(watched: Watched) -> None:
    (watched.app.folder / "alerts.yml").write_text(printed(watched, "alerts"))
    assert "9 rules found" in promtool(watched, "check", "rules", "alerts.yml")


@pytest.mark.skipif(not shutil.which("promtool"), reason="promtool is not installed")
def test_promtool_takes_the_dashboard(watched: Watched) -> None:
    panels = json.loads(printed(watched, "dashboard"))["panels"]
    exprs = [target["expr"] for panel in panels for target in panel["targets"]]
    exprs = [e.replace("$__rate_interval", "5m").replace('"$', '"') for e in exprs]
    rules = [{"record": f"r:{n}", "expr": expr} for n, expr in enumerate(exprs)]
    text = json.dumps({"groups": [{"name": "dashboard", "rules": rules}]})  # which YAML is as well
    (watched.app.folder / "rules.yml").write_text(text)
    assert f"{len(rules)} rules found" in promtool(watched, "check", "rules", "rules.yml")


ALL_IS_WELL = {
    "build_info": "1x60",
    'redis_up{server="a"}': "1x60",
    "housekeeper_look_age_seconds": "0.1x60",
    'waiting{queue="q"}': "5x60",
    'oldest_seconds{queue="q",bound="least"}': "10x60",
    'workers{queue="q",state="idle"}': "2x60",
    'tasks_total{queue="q",outcome="done"}': "0+100x60",
    'tasks_total{queue="q",outcome="failed"}': "0+5x60",
    'dead{queue="q"}': "3x60",
    'restarts_total{queue="q",cause="max_tasks"}': "0+9x60",
    'restarts_total{queue="q",cause="signalled"}': "2x60",
    'restarts_total{queue="q",cause="setup_failed"}': "2x60",
}


@pytest.mark.parametrize(
    ("name", "series", "values"),
    [
        ("", "build_info", "1x60"),
        ("Gone", "build_info", "_x60"),
        ("RedisAway", 'redis_up{server="a"}', "1x50 0x10"),
        ("HousekeeperStuck", "housekeeper_look_age_seconds", "0.1x50 60x10"),
        ("NobodyServes", 'workers{queue="q",state="idle"}', "2x50 0x10"),
        ("TasksWait", 'oldest_seconds{queue="q",bound="least"}', "10x40 400x20"),
        ("TasksFail", 'tasks_total{queue="q",outcome="failed"}', "0+20x60"),
        ("TasksDie", 'dead{queue="q"}', "3x50 4x10"),
        ("WorkersDie", 'restarts_total{queue="q",cause="signalled"}', "2x50 2+1x10"),
        ("SetupFails", 'restarts_total{queue="q",cause="setup_failed"}', "2x50 2+1x10"),
    ],
)
@pytest.mark.skipif(not shutil.which("promtool"), reason="promtool is not installed")
def test_alert_of_what_is_wrong_and_no_other(
    watched: Watched, name: str, series: str, values: str
) -> None:
    """Each value stands for a minute."""
    alerts = printed(watched, "alerts")
    (watched.app.folder / "alerts.yml").write_text(alerts)
    given = {**ALL_IS_WELL, series: values}
    alarms = re.findall(r"alert: WoodenWaiter(\w+)", alerts)
    assert name in ("", *alarms)
    tests = {
        "input_series": [{"series": f"woodenwaiter_{s}", "values": v} for s, v in given.items()],
        "promql_expr_test": [
            {
                "expr": 'count by (alertname) (ALERTS{alertstate="firing"})',
                "eval_time": "60m",
                "exp_samples": [
                    {"labels": f'{{alertname="WoodenWaiter{name}"}}', "value": 1}
                    for _ in filter(None, [name])
                ],
            }
        ],
    }
    text = json.dumps({"rule_files": ["alerts.yml"], "tests": [{"interval": "1m", **tests}]})
    (watched.app.folder / "tests.yml").write_text(text)
    promtool(watched, "test", "rules", "tests.yml")


def promtool(watched: Watched, *arguments: str) -> str:
    """What it says, if it has no objections."""
    result = subprocess.run(
        ["promtool", *arguments],
        cwd=watched.app.folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout
