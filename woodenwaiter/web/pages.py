"""The page as an application: what is asked for, and who answers."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from .. import __version__, pace
from ..errors import RedisUnusable
from ..protocol.client import Client
from ..protocol.link import Link, ServerTrouble, unusable
from ..protocol.published import published, running
from ..protocol.queue import registered
from ..protocol.trash import trashes_of
from ..text import escaped_lines
from ..verbs.traces import traces
from . import letters
from .actions import task_of
from .asked import Asked, Wrong
from .asked import letter as asked_letter
from .assets import Assets
from .counting import Counting
from .jobs import Job, Jobs, TooMany, told
from .letters import NoSuchLetter, TooLarge
from .links import Links
from .looks import Looks
from .names import key_of, name_of
from .options import Options
from .plane import Plane
from .reader import Reader
from .redaction import Redaction
from .streams import stream
from .views import tasks as task_views

Answer = Callable[[Request], Awaitable[Response]]

AT_ONCE = 0.3
"""Seconds that a job's answer waits for its end: most have ended by then."""


class Page:
    """For one server. ``app``: to be put behind a guard, who says in ``scope["state"]`` who
    asks."""

    def __init__(self, client: Client, options: Options, assets: Assets) -> None:
        self._options = options
        self._redaction = Redaction(options.redact)
        self._links = Links(client)
        self._plane = Plane()
        self._looks = Looks(self._plane, options)
        self._reader = Reader(Links(client, pace.PAGE_WAIT), self._looks, self._plane)
        self._counting = Counting(self._links, self._redaction)
        self._jobs = Jobs(self._links)
        self._assets = assets
        self.app = Starlette(routes=self._routes())

    def _routes(self) -> list[Route]:
        answers: dict[str, Answer] = {
            "/api/me": self._me,
            "/api/events": self._events,
            "/api/letters": self._asking(letters.page),
            "/api/letter": self._asking(letters.letter),
            "/api/payload": self._asking(letters.payload),
            "/api/traces": self._asking(_traces),
            "/api/trashes": self._asking(self._trashes),
            "/api/export": self._export,
        }
        gets = [Route(path, careful(answer)) for path, answer in answers.items()]
        return [
            *gets,
            Route("/api/do", careful(self._do), methods=["POST"]),
            Route("/static/{name:path}", self._static),
            Route("/{path:path}", self._shell),
        ]

    # The page itself.

    async def _static(self, request: Request) -> Response:
        return self._assets.answer(request.path_params["name"], request.headers)

    async def _shell(self, request: Request) -> Response:
        """The same for whatever is looked at."""
        if request.url.path.startswith(f"{request.scope['root_path']}/api/"):
            return answered_with({"trouble": "there is no such thing"}, 404)
        return self._assets.page("index.html", prefix=request.scope["root_path"])

    async def _me(self, request: Request) -> Response:
        state = request.scope["state"]
        return answered_with(
            {
                "user": state["user"],
                "token": state["token"],
                "canLogOut": state.get("can_log_out", False),
                "readOnly": self._options.read_only,
                "redacts": [*self._options.redact],
                "late": self._options.late,
                "address": self._links.address,
                "release": __version__,
            }
        )

    async def _events(self, request: Request) -> Response:
        asked = Asked.of_query(request.scope["query_string"])
        view = asked.needed("view")
        name = asked.text("queue") or asked.text("host")
        topic = self._looks.topic(view, name_of(name))
        boards = [self._reader.board(topic), self._jobs.board]
        count = self._counting.of(topic.name) if view == "dead" else None
        if count:
            boards.append(count.board)

        def begin() -> None:
            self._reader.board(topic)
            if count:
                count.begin()

        headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
        return StreamingResponse(
            stream(boards, begin), media_type="text/event-stream", headers=headers
        )

    # What is asked for once.

    def _asking(self, ask: Callable[[Link, Asked, Redaction], Any]) -> Answer:
        """In a thread, as it asks the server."""

        def answer(query: bytes) -> Any:
            with self._links.lent() as link:
                return ask(link, Asked.of_query(query), self._redaction)

        async def answered(request: Request) -> Response:
            return answered_with(await run_in_threadpool(answer, request.scope["query_string"]))

        return answered

    def _trashes(self, link: Link, asked: Asked, _: Redaction) -> Any:
        queues = registered(link)
        found = [each for each in trashes_of(link, queues) if not isinstance(each, Exception)]
        return {"trashes": [task_views.trash(each) for some in found for each in some]}

    async def _export(self, request: Request) -> Response:
        asked = Asked.of_query(request.scope["query_string"])
        names = [*filter(None, asked.text("letters").split(","))]
        queue, sought = asked.queue, letters.permitted(asked.filter, self._redaction)
        meant = [*map(asked_letter, names)] or sought

        def lines() -> Any:
            with self._links.lent() as link:
                yield from letters.exported(link, queue, meant, self._redaction)

        name = f'attachment; filename="dead-letters-{key_of(queue)}.jsonl"'
        headers = {"Content-Disposition": name.replace("%", "-")}
        return StreamingResponse(lines(), media_type="application/x-ndjson", headers=headers)

    # What is done.

    async def _do(self, request: Request) -> Response:
        asked = Asked(_object(await request.body()))
        verb, state = asked.needed("verb"), request.scope["state"]
        if verb == "look":
            self._counting.hurry(asked.queue)
            return answered_with({})
        if self._options.read_only:
            return answered_with({"trouble": "this page changes nothing: it is read-only"}, 403)
        if verb == "stop":
            job = self._jobs.stop(asked.needed("job"))
            return answered_with(told(job) if job else {})
        task = task_of(verb, asked, self._redaction)
        queue = asked.queue if "queue" in asked else ""
        desk = state["user"], _where(request)
        job = self._jobs.begin(verb, queue, desk, task, self._reader.hurry)
        return answered_with(told(await self._ended(job)))

    async def _ended(self, job: Job) -> Job:
        """Or as far as it is."""
        for _ in range(10):
            if job.ended is not None:
                break
            await asyncio.sleep(AT_ONCE / 10)
            job = self._jobs.of(job.id) or job
        return job

    def close(self) -> None:
        """Stop what is under way, within JOBS_END."""
        self._reader.close()
        self._jobs.close()
        self._links.close()


def answered_with(content: Any, status: int = 200) -> Response:
    """JSON in ASCII: what comes from outside may be no Unicode."""
    headers = {"Cache-Control": "no-store"}
    return Response(json.dumps(content), status, headers, "application/json")


def _where(request: Request) -> str:
    return f"page, from {request.client.host if request.client else '?'}"


def _object(body: bytes) -> dict[str, Any]:
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise Wrong("that is no JSON object")
    return found


def _traces(link: Link, asked: Asked, _: Redaction) -> Any:
    """Where the tasks of a queue are, or of a host: it asks the hosts, which takes a moment."""
    found = published(link)
    if host := asked.text("host"):
        found, queue = [seen for seen in found if seen.name == name_of(host)], None
    else:
        queue = asked.queue
    tasks = running(found, [queue] if queue else ())
    where = traces(link, tasks, queue)
    return {
        "traces": [
            {
                "claim": task.worker.claim,
                "text": escaped_lines(trace.of_handler if trace.text else "", margin=""),
                "trouble": trace.trouble,
            }
            for task, trace in zip(tasks, where, strict=True)
        ]
    }


def careful(answer: Answer) -> Answer:
    """What is wrong is told in words."""

    async def answered(request: Request) -> Response:
        try:
            return await answer(request)
        except (Wrong, TooLarge) as error:
            return _trouble(error, 400)
        except NoSuchLetter:
            return _trouble("there is no such dead letter any more", 404)
        except TooMany as error:
            return _trouble(error, 503)
        except ServerTrouble as error:
            return _trouble(unusable("the server", error), 503)
        except RedisUnusable as error:
            return _trouble(error, 503)

    return answered


def _trouble(error: object, status: int) -> Response:
    return answered_with({"trouble": str(error)}, status)
