"""README.rst: its examples run."""

from __future__ import annotations

import re
import signal
import textwrap
from pathlib import Path

from ..support import Programs, Server, eventually, free_port, in_haste

README = Path(__file__).parents[2] / "README.rst"
TEXT = README.read_text()


def example(title: str) -> str:
    """The first code block below a title."""
    section = TEXT.split(f"\n{title}\n---", 1)[1]
    block = section.split(".. code-block:: python\n", 1)[1]
    return textwrap.dedent(re.split(r"\n(?=\S)", block)[0])


def test_producer_and_customer(programs: Programs, server: Server) -> None:
    (programs.folder / "producer.py").write_text(example("A producer"))
    (programs.folder / "customer.py").write_text(example("A customer"))
    url = {"WOODENWAITER_REDIS_URL": server.url, "PYTHONUNBUFFERED": "1"}
    customer = programs.start("customer.py", **url)
    producer = programs.start("producer.py", **url, **in_haste(programs.folder))
    customer.logged("foods is: {'action': 'sync_custom_data', 'paras': ''}", seconds=40)
    customer.logged("foods is: {'action': 'some_action', 'paras': {'para1': 'value1'")
    producer.signal(signal.SIGINT)
    customer.signal(signal.SIGINT)
    producer.wait()
    customer.wait()
    assert not customer.left_behind()


def test_producer_without_a_server_says_so_in_a_line(programs: Programs) -> None:
    (programs.folder / "producer.py").write_text(example("A producer"))
    url = {"WOODENWAITER_REDIS_URL": f"redis://127.0.0.1:{free_port()}", "PYTHONUNBUFFERED": "1"}
    producer = programs.start("producer.py", **url, **in_haste(programs.folder))
    producer.logged("nothing is cooked: Error ")
    producer.signal(signal.SIGINT)
    assert producer.wait() == 0
    assert "Traceback" not in producer.log


def test_service(programs: Programs, server: Server) -> None:
    (programs.folder / "tasks.py").write_text(example("As a service"))
    arguments = ("-m", "woodenwaiter.supervisor", "tasks", "--redis", server.url)
    supervisor = programs.start(*arguments)
    [(queue, task)] = re.findall(r"redis-cli LPUSH (\S+) '(.*)'", TEXT)
    server.client.lpush(queue, task)
    eventually(lambda: server.client.llen("images:resize") == 0)
    assert supervisor.stop() == 0
