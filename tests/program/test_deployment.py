"""README.rst: what it says of units, images and manifests holds, and their commands run."""

from __future__ import annotations

import configparser
import io
import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import psutil
import pytest
import yaml
from dockerfile_parse import DockerfileParser

from woodenwaiter import pace
from woodenwaiter.errors import EXIT_APP, EXIT_USAGE
from woodenwaiter.settings import Settings

from ..support import Command, Programs, Server, eventually, free_port, lines
from .test_pid1 import UNSHARE, can_unshare, first
from .test_readme import TEXT
from .test_systemd import STOPPING, Manager, needs_linux

BLOCKS = {
    name: re.sub("(?m)^    ", "", block)
    for block, name in re.findall(
        r"(?m)^\.\. code-block:: \w+\n\n((?:    # (\S+)\n)(?:    .*\n|\n)+)", TEXT
    )
}
"""The code blocks that begin with a file's name."""

AFTER_DRAIN = pace.HOUSEKEEPER_GRACE + pace.EXIT_GRACE
"""Seconds that a supervisor may take for what comes after the running tasks."""

KEDA = {
    "redis": {"address", "databaseIndex", "listName", "listLength"},
    "redis-sentinel": {"addresses", "sentinelMaster", "databaseIndex", "listName", "listLength"},
    "redis-cluster": {"addresses", "listName", "listLength"},
}
"""Its scalers of lists, and what they need or may know, all of it strings."""

WAIT = """
import os, time
def wait():
    while not os.path.exists("set-up"): time.sleep(0.01)
"""

needs_namespaces = pytest.mark.skipif(
    not can_unshare(), reason="this machine lets nobody make a PID namespace"
)


def documents(name: str) -> Any:
    return yaml.safe_load(BLOCKS[name])


@pytest.fixture
def folder(programs: Programs) -> Path:
    """With the application, whose handler notes what it was given."""
    text = BLOCKS["tasks.py"]
    assert text.count("    ...\n") == 1
    note = '    with open("done", "a") as file: file.write(foods["file"] + "\\n")\n'
    (programs.folder / "tasks.py").write_text(text.replace("    ...\n", note))
    return programs.folder


@pytest.fixture
def python_here() -> dict[str, Any]:
    """The environment in which ``python`` is the one that runs the tests."""
    return {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}


def is_run(server: Server, folder: Path) -> bool:
    """See a task run that is pushed as README.rst has it."""
    [(queue, task)] = re.findall(r"redis-cli LPUSH (\S+) '(.*)'", TEXT)
    server.client.lpush(queue, task)
    return bool(eventually(lambda: lines(folder / "done") == [json.loads(task)["file"]]))


# systemd.


def unit() -> configparser.ConfigParser:
    parser = configparser.ConfigParser(interpolation=None)
    parser.optionxform = str  # type: ignore[assignment]
    parser.read_string(BLOCKS["resize.service"])
    return parser


def option(command: list[str], name: str) -> float:
    return float(command[command.index(name) + 1])


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="there is no systemd here")
def test_unit_is_valid(tmp_path: Path) -> None:
    there = "/opt/resize"
    assert there in BLOCKS["resize.service"]
    python = tmp_path / ".venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.symlink_to(sys.executable)
    file = tmp_path / "resize.service"
    file.write_text(BLOCKS["resize.service"].replace(there, str(tmp_path)))
    assert not complaints(file)
    file.write_text(file.read_text().replace("KillMode=mixed", "KillMode=x"))
    assert "kill mode" in complaints(file)


def complaints(file: Path) -> str:
    """Systemd's, of this unit; it may have some of others."""
    verify = ("systemd-analyze", "verify", "--man=no", str(file))
    said = subprocess.run(verify, capture_output=True, text=True, check=False).stderr
    return "\n".join(line for line in said.splitlines() if file.name in line)


def test_unit_gives_the_supervisor_its_time() -> None:
    service = unit()["Service"]
    drain = option(shlex.split(service["ExecStart"]), "--drain-seconds")
    assert float(service["TimeoutStopSec"]) >= drain + AFTER_DRAIN
    assert float(service["TimeoutStartSec"]) >= pace.REDIS_WAIT + pace.SETUP_WAIT + 30
    assert service["RestartPreventExitStatus"].split() == [str(EXIT_USAGE), str(EXIT_APP)]


@needs_linux
def test_unit_runs(
    programs: Programs, folder: Path, server: Server, python_here: dict[str, Any]
) -> None:
    service = unit()["Service"]
    python, *arguments = shlex.split(service["ExecStart"])
    assert python == service["WorkingDirectory"] + "/.venv/bin/python"
    variable, url = service["Environment"].split("=", 1)
    assert url.startswith("redis://")
    manager = Manager(str(folder / "notify"))
    confined = ("setpriv", "--no-new-privs", "--bounding-set=-all", "--inh-caps=-all")
    inside = confined if os.geteuid() == 0 and shutil.which("setpriv") else ()
    patience = str(int(float(service["WatchdogSec"]) * 1e6))
    asked = {"NOTIFY_SOCKET": manager.address, "WATCHDOG_USEC": patience}
    environment: dict[str, Any] = {**python_here, variable: server.url, **asked}
    supervisor = programs.enter_context(
        Command(folder, *inside, "python", *arguments, **environment)
    )
    assert manager.next().startswith("READY=1\n")
    assert is_run(server, folder)
    reload = service["ExecReload"].replace("$MAINPID", str(supervisor.pid))
    subprocess.run(shlex.split(reload), check=True)
    assert manager.next().startswith("RELOADING=1\n")
    assert manager.next().startswith("READY=1\n")
    assert supervisor.stop() == 0
    assert manager.next() == STOPPING
    manager.close()


# Containers.


def image() -> dict[str, str]:
    """The last instruction of each kind."""
    parser = DockerfileParser(fileobj=io.BytesIO(BLOCKS["Dockerfile"].encode()))
    return {each["instruction"]: each["value"] for each in parser.structure}


def command_of_image() -> list[str]:
    found: list[str] = json.loads(image()["ENTRYPOINT"])  # a list, hence without a shell
    return found


def test_image_has_no_shell_and_no_root() -> None:
    assert command_of_image()[0] == "python"
    assert isinstance(json.loads(image()["CMD"]), list)
    assert int(image()["USER"]) > 0  # a number, which Kubernetes can tell from root
    assert image()["STOPSIGNAL"] == "SIGTERM"


def probe_of_image() -> tuple[float, list[str]]:
    """How long it may take, in seconds, and its command."""
    options, command = image()["HEALTHCHECK"].split("CMD ")
    [timeout] = re.findall(r"--timeout=(\d+)s", options)
    probe: list[str] = json.loads(command)
    return float(timeout), probe


def is_well(probe: list[str], container: psutil.Process, environment: dict[str, Any]) -> bool:
    """What it finds inside."""
    enter = ("nsenter", "--target", str(container.pid), "--pid", "--mount")
    inside = {**os.environ, **environment}
    return subprocess.run([*enter, *probe], env=inside, check=False).returncode == 0


@needs_namespaces
def test_image_runs_as_pid_1(
    programs: Programs, folder: Path, server: Server, python_here: dict[str, Any]
) -> None:
    command = [*command_of_image(), *json.loads(image()["CMD"])]
    environment = {**python_here, "WOODENWAITER_REDIS_URL": server.url}
    container = programs.enter_context(Command(folder, *UNSHARE, *command, **environment))
    assert is_run(server, folder)
    timeout, probe = probe_of_image()
    assert timeout > pace.ANSWER
    assert is_well(probe, first(container), python_here)
    first(container).send_signal(getattr(signal, image()["STOPSIGNAL"]))
    assert container.wait() == 0


def test_compose_file_is_valid() -> None:
    parse = pytest.importorskip("compose_spec").PyCompose.from_yaml
    parse(BLOCKS["compose.yaml"])
    with pytest.raises(ValueError, match="stop_grace"):
        parse(BLOCKS["compose.yaml"].replace("stop_grace_period", "stop_grace"))


def test_compose_file_gives_the_supervisor_its_time() -> None:
    worker = documents("compose.yaml")["services"]["worker"]
    settings = Settings.from_environment(worker["environment"])
    assert seconds(worker["stop_grace_period"]) >= settings.drain_seconds + AFTER_DRAIN


def seconds(text: str) -> float:
    assert text.endswith("s")
    return float(text[:-1])


@pytest.mark.skipif(not shutil.which("redis-cli"), reason="there is no redis-cli here")
def test_compose_file_knows_a_healthy_server(server: Server) -> None:
    kind, check = documents("compose.yaml")["services"]["redis"]["healthcheck"]["test"]
    assert kind == "CMD-SHELL"
    for port, code in ((server.port, 0), (free_port(), 1)):
        here = check.replace("redis-cli", f"redis-cli -p {port}")
        assert subprocess.run(["sh", "-c", here], check=False).returncode == code


# Kubernetes.


def pod() -> Any:
    return documents("deployment.yaml")["spec"]["template"]["spec"]


def test_deployment_is_valid() -> None:
    kubernetes_validate = pytest.importorskip("kubernetes_validate")
    deployment = documents("deployment.yaml")
    kubernetes_validate.validate(deployment, kubernetes_validate.latest_version(), strict=True)
    deployment["spec"]["template"]["spec"]["terminationGracePeriod"] = 75
    with pytest.raises(kubernetes_validate.ValidationError, match="terminationGracePeriod"):
        kubernetes_validate.validate(deployment, kubernetes_validate.latest_version(), strict=True)


def test_deployment_gives_the_supervisor_its_time() -> None:
    [container] = pod()["containers"]
    drain = option(container["args"], "--drain-seconds")
    assert pod()["terminationGracePeriodSeconds"] >= drain + AFTER_DRAIN


def test_deployment_gives_probes_their_time() -> None:
    [container] = pod()["containers"]
    for kind in ("startupProbe", "livenessProbe", "readinessProbe"):
        assert container[kind]["timeoutSeconds"] > pace.ANSWER
    for kind in ("startupProbe", "livenessProbe"):  # an import, which answers nobody
        assert container[kind]["failureThreshold"] * container[kind]["periodSeconds"] >= 120


@needs_namespaces
def test_deployment_runs_and_is_ready_once_set_up(
    programs: Programs, folder: Path, server: Server, python_here: dict[str, Any]
) -> None:
    text = (folder / "tasks.py").read_text()
    text = text.replace('processes="cpus"', 'processes="cpus", setup=wait')
    (folder / "tasks.py").write_text(WAIT + text)
    [worker] = pod()["containers"]
    [variable] = [each["name"] for each in worker["env"]]
    environment = {**python_here, variable: server.url}
    command = [*command_of_image(), *worker["args"]]
    container = programs.enter_context(Command(folder, *UNSHARE, *command, **environment))

    def passes(kind: str) -> bool:
        return is_well(worker[kind]["exec"]["command"], supervisor, python_here)

    supervisor = first(container)
    container.logged("#0 (pid")
    eventually(lambda: passes("startupProbe"), "that the pod has started")
    assert passes("livenessProbe")
    assert not passes("readinessProbe")
    (folder / "set-up").touch()
    eventually(lambda: passes("readinessProbe"), "that the pod is ready")
    assert is_run(server, folder)
    supervisor.terminate()
    assert container.wait() == 0


def test_scaler_watches_the_queue_of_the_deployment(server: Server) -> None:
    scaled = documents("scaledobject.yaml")
    assert (scaled["apiVersion"], scaled["kind"]) == ("keda.sh/v1alpha1", "ScaledObject")
    spec = scaled["spec"]
    assert spec["scaleTargetRef"]["name"] == documents("deployment.yaml")["metadata"]["name"]
    triggers = [*spec["triggers"], *documents("triggers.yaml")]
    assert [trigger["type"] for trigger in triggers] == list(KEDA)
    [(queue, task)] = re.findall(r"redis-cli LPUSH (\S+) '(.*)'", TEXT)
    server.client.lpush(queue, task)
    for trigger in triggers:
        assert trigger.keys() == {"type", "metadata"}
        metadata = trigger["metadata"]
        assert {"listName", "listLength"} < metadata.keys() <= KEDA[trigger["type"]]
        assert all(isinstance(value, str) for value in metadata.values())
        assert server.client.llen(metadata["listName"]) == 1
