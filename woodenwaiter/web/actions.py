"""What viewers may do: each verb is one of operators', and tells how far it is."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping

from ..errors import BadEntry
from ..names import without_token
from ..protocol import trash as trashes
from ..protocol.letters import whole
from ..protocol.published import published
from ..protocol.queue import fields_in
from ..protocol.trash import Kind, Trash
from ..text import span
from ..verbs import cancelling, hosts, letters, pausing, trash
from ..verbs.desk import Desk
from ..verbs.letters import Choice, Stream
from ..verbs.putting import payload_in
from ..verbs.words import HEARD, counted, of_cancelled, of_pause
from .asked import Asked, Wrong
from .jobs import Hear, Step, Task
from .letters import permitted
from .names import key_of, name_of
from .redaction import HIDDEN, Redaction

MOST_LEFT = 8
"""Letters that are named."""


def task_of(verb: str, asked: Asked, redaction: Redaction) -> Task:
    """What does that. Raises Wrong."""
    if (make := VERBS.get(verb)) is None:
        raise Wrong(f"there is no verb {verb!r:.50}")
    return make(asked, redaction)


def _pause(asked: Asked, _redaction: Redaction) -> Task:
    queue, seconds, why = asked.queue, asked.seconds("seconds"), asked.text("why")[:200]

    def task(desk: Desk, _: Hear) -> Generator[Step, None, None]:
        change = pausing.pause(desk, queue, seconds, why)
        undo = None if change.before else {"verb": "resume", "queue": key_of(queue)}
        said = f"{queue} is {of_pause(change.now)}"
        yield Step(1, 1, said, _troubles(change.trouble), undo)

    return task


def _resume(asked: Asked, _redaction: Redaction) -> Task:
    queue = asked.queue

    def task(desk: Desk, _: Hear) -> Generator[Step, None, None]:
        change = pausing.resume(desk, queue)
        was = f"was {of_pause(change.before)}" if change.before else "was not paused"
        yield Step(1, 1, f"{queue} goes on; it {was}", _troubles(change.trouble))

    return task


def _troubles(*troubles: str) -> list[str]:
    return [*filter(None, troubles)]


# Dead letters.


def _chosen(desk: Desk, queue: str, asked: Asked, hear: Hear) -> Choice | Stream:
    if "letters" in asked:
        return letters.named(desk.link, queue, asked.letters())
    return letters.streamed(desk.link, queue, asked.part("filter").filter, hear)


def _requeue(asked: Asked, redaction: Redaction) -> Task:
    queue, delay, payload = asked.queue, asked.seconds("delay") or 0.0, _payload(asked)
    _require_choice(asked, redaction)
    if payload and len(asked.letters()) != 1:
        raise Wrong("an edited payload is for one dead letter")

    def task(desk: Desk, hear: Hear) -> Generator[Step, None, None]:
        if payload and redaction:
            _require_open(desk, queue, asked.letters()[0], redaction)
        choice = _chosen(desk, queue, asked, hear)
        for done in letters.requeue(desk, queue, choice, delay=delay, payload=payload):
            waits = f" are in {queue} {span(delay)} from now" if delay else f" back in {queue}"
            left = f": {', '.join(done.left[:MOST_LEFT])}" if done.left else ""
            told = f"{len(done.left):,} are left, as they have no payload{left}"
            troubles = _troubles(done.trouble, told if done.left else "", *_missing(choice))
            said = counted(done.number, Kind.LETTERS) + waits
            yield Step(done.looked, done.total, said, troubles)

    return task


def _payload(asked: Asked) -> bytes:
    """As it was edited; empty: not at all."""
    if not (text := asked.text("payload")):
        return b""
    try:
        return payload_in(text.encode(errors="surrogatepass"))
    except BadEntry as error:
        raise Wrong(f"that is no task: {error}") from None


def _require_open(desk: Desk, queue: str, letter: str, redaction: Redaction) -> None:
    """What is hidden would be lost by an edit."""
    for _, flat in whole(desk.link, queue, [letter]):
        payload = fields_in(flat).get("payload", b"")
        if redaction.payload(payload) != payload:
            raise Wrong(f"it has values that are hidden here ({HIDDEN}): edit it by a command")


def _drop(asked: Asked, redaction: Redaction) -> Task:
    queue = asked.queue
    _require_choice(asked, redaction)

    def task(desk: Desk, hear: Hear) -> Generator[Step, None, None]:
        choice = _chosen(desk, queue, asked, hear)
        for done in letters.drop(desk, queue, choice):
            undo = {"verb": "restore", "queue": key_of(queue), "trash": done.trash}
            said = f"{counted(done.number, Kind.LETTERS)} dropped from {queue}"
            troubles = _troubles(done.trouble, *_missing(choice))
            yield Step(done.looked, done.total, said, troubles, undo if done.number else None)

    return task


def _require_choice(asked: Asked, redaction: Redaction) -> None:
    """Nothing that was left out by mistake means all."""
    if "letters" in asked:
        asked.letters()
    else:
        permitted(asked.part("filter").filter, redaction)


def _missing(choice: Choice | Stream) -> list[str]:
    missing = choice.missing if isinstance(choice, Choice) else ()
    gone = "somebody else has put them back, or dropped them"
    return [f"{len(missing):,} were gone already: {gone}"] if missing else []


# The trash.


def _purge(asked: Asked, _redaction: Redaction) -> Task:
    queue = asked.queue
    try:
        kind = Kind(asked.text("kind", Kind.TASKS.value))
    except ValueError:
        raise Wrong("tasks or delayed ones can be purged") from None
    if kind is Kind.LETTERS:
        raise Wrong("dead letters are dropped")

    def task(desk: Desk, _: Hear) -> Generator[Step, None, None]:
        done = trash.purge(desk, queue, kind)
        undo = {"verb": "restore", "queue": key_of(queue), "trash": done.trash}
        said = f"{counted(done.number, kind)} of {queue} in the trash"
        yield Step(1, 1, said, _troubles(done.trouble), undo if done.number else None)

    return task


def _restore(asked: Asked, _redaction: Redaction) -> Task:
    queue, name = asked.queue, asked.needed("trash")

    def task(desk: Desk, _: Hear) -> Generator[Step, None, None]:
        done = None
        for done in trash.restore(desk, queue, name):
            said = f"{counted(done.number, done.kind)} back in {queue}"
            total = done.number + done.left
            yield Step(done.number, total, said, _troubles(done.trouble))
        if done is None:
            raise Wrong(f"there is no trash {name} of {queue} any more")

    return task


def _empty(asked: Asked, _redaction: Redaction) -> Task:
    queue, name = asked.queue, asked.needed("trash")

    def task(desk: Desk, _: Hear) -> Generator[Step, None, None]:
        meant = [each for each in _trashes(desk, queue) if each.name == name]
        done = trash.empty(desk, meant)
        if not meant:
            raise Wrong(f"there is no trash {name} of {queue} any more")
        yield Step(1, 1, f"{done.number:,} entries are gone for good", _troubles(done.trouble))

    return task


def _trashes(desk: Desk, queue: str) -> list[Trash]:
    [found] = trashes.trashes_of(desk.link, [queue])
    if isinstance(found, Exception):
        raise found
    return found


# What runs, and where.


def _cancel(asked: Asked, _redaction: Redaction) -> Task:
    queue, name = asked.queue, asked.needed("task")

    def task(desk: Desk, _: Hear) -> Generator[Step, None, None]:
        done = cancelling.cancel(desk, queue, name)
        said = f"{without_token(done.task)}: {of_cancelled(done)}"
        if done.outcome.is_cancelled:
            yield Step(1, 1, said, _troubles(done.trouble))
        else:
            yield Step(1, 1, "", _troubles(said, done.trouble))

    return task


def _steer(asked: Asked, _redaction: Redaction) -> Task:
    verb, names = asked.needed("do"), {*map(name_of, asked.texts("documents"))}
    if verb not in HEARD:
        raise Wrong(f"hosts know no verb {verb!r:.50}")

    def task(desk: Desk, _: Hear) -> Generator[Step, None, None]:
        found = [seen for seen in published(desk.link) if seen.name in names]
        if not found:
            raise Wrong("none of them is to be seen any more")
        done = hosts.steer(desk, found, verb)
        called = {seen.name: hosts.called(seen) for seen in found}
        heard = [called[each.document] for each in done.supervisors if not each.trouble]
        deaf = [f"{called[h.document]}: {h.trouble}" for h in done.supervisors if h.trouble]
        some = f"{', '.join(heard[:MOST_LEFT])}{', …' if len(heard) > MOST_LEFT else ''}"
        said = f"{some}: {HEARD[verb]}" if heard else ""
        yield Step(1, 1, said, _troubles(*deaf[:MOST_LEFT], done.trouble))

    return task


VERBS: Mapping[str, Callable[[Asked, Redaction], Task]] = {
    "pause": _pause,
    "resume": _resume,
    "requeue": _requeue,
    "drop": _drop,
    "purge": _purge,
    "restore": _restore,
    "empty": _empty,
    "cancel": _cancel,
    "host": _steer,
}
"""Each makes sure of what is asked, at once, and returns what does it."""
