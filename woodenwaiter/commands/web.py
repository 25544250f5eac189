"""``woodenwaiter web``: the page, in the foreground; and who may come in."""

from __future__ import annotations

import argparse
import signal
import sys
from typing import NoReturn

from .. import logs, pace
from ..errors import StartupError
from ..processes.fork import end_process
from ..processes.listeners import listener_at
from ..processes.signals import SignalInbox
from ..protocol.link import Link, require_usable
from ..web.options import HOST, PORT, Options
from ..web.packages import require_packages
from .parsers import Commands, Parents
from .terminal import duration, number


def add_web(commands: Commands, parents: Parents) -> None:
    command = commands.add_parser(
        "web", parents=[parents.server], help="serve a page that shows and does all this"
    )
    _add_place(command)
    _add_who(command)
    command.add_argument("--read-only", action="store_true", help="let nobody change anything")
    command.add_argument(
        "--redact",
        action="append",
        default=[],
        metavar="KEY",
        help="hide the values of this key of payloads; may be repeated",
    )
    command.add_argument(
        "--late",
        type=duration,
        default=pace.LATE,
        metavar="TIME",
        help="tell of tasks that wait for so long, as 90, 10m, 1h (5m)",
    )
    command.set_defaults(run=_run)


def _add_place(command: argparse.ArgumentParser) -> None:
    command.add_argument("--host", default=HOST, help=f"where to listen ({HOST})")
    command.add_argument("--port", type=number, default=PORT, metavar="N", help=f"there ({PORT})")
    command.add_argument(
        "--prefix", default="", metavar="PATH", help="below which it is found, as /pool"
    )


def _add_who(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--auth", default="", metavar="FILE", help="let in whom this file has, by their password"
    )
    command.add_argument(
        "--set-password", metavar="USER", help="put one into that file, and serve nothing"
    )
    command.add_argument(
        "--auth-header", default="", metavar="NAME", help="let in whom a proxy names in this header"
    )
    command.add_argument(
        "--proxy",
        action="append",
        default=[],
        metavar="ADDRESS",
        help="of a proxy, or a network of them, whose headers are believed; may be repeated",
    )
    command.add_argument("--no-auth", action="store_true", help="let in whoever reaches it")


def _run(given: argparse.Namespace, link: Link) -> int:
    if given.set_password is not None:
        return _set_password(given)
    require_packages()
    return _serve(_options(given), link)


def _options(given: argparse.Namespace) -> Options:
    return Options(
        host=given.host,
        port=given.port,
        auth=given.auth,
        auth_header=given.auth_header,
        proxies=given.proxy,
        no_auth=given.no_auth,
        read_only=given.read_only,
        redact=given.redact,
        prefix=given.prefix,
        late=given.late,
    )


def _serve(options: Options, link: Link) -> NoReturn:
    from ..web.front import front  # with packages that the other commands do without
    from ..web.serving import serve

    logs.configure("info", "text")
    logs.set_role("web")
    inbox = SignalInbox((signal.SIGTERM, signal.SIGINT))
    page = front(link.source, options)
    listener = listener_at(options.host, options.port, "the page")
    require_usable(link)
    link.close()
    print(f"the page is at {options.url}", flush=True)
    serve(page.app, [listener], inbox, lambda: True)
    page.close()
    end_process(0)  # threads may wait for a server that is away


def _set_password(given: argparse.Namespace) -> int:
    from ..web.passwords import set_password

    if not given.auth:
        raise StartupError("--set-password needs --auth FILE, to put it there")
    set_password(given.auth, given.set_password, _asked())
    return 0


def _asked() -> str:
    """Twice on a terminal, which does not show it; else a line."""
    if not sys.stdin.isatty():
        return sys.stdin.readline().rstrip("\r\n")
    import getpass

    password = getpass.getpass("password: ")
    if password and getpass.getpass("again: ") != password:
        raise StartupError("these two differ: nothing is changed")
    return password
