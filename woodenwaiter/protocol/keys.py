"""The names of the keys that belong to a queue, all in its slot of a Redis Cluster.

Beside the list ``Q`` that producers push to:

====================  ======  ==================================================================
``{Q}:arrivals``      list    entries moved by a blocked worker's wake-up, on their way to a claim
``{Q}:claims:OWNER``  list    what a worker has claimed and not settled, the oldest at the right
``{Q}:settled``       hash    owner -> how many of its claims are settled, and a token; it is
                              the list of owners
``{Q}:leases``        zset    owner -> when its lease ends, by the server's clock, in ms
``{Q}:delayed``       zset    entries that wait for another delivery, by due time
``{Q}:clock``         string  the highest time that the server is known to have had, in ms, but
                              for the last seconds. Where it has less, its clock went back, and by
                              what the times above are put right; and how far that is done. It is
                              gone after a day without use
``{Q}:dead``          stream  dead letters
``{Q}:paused``        string  there while nothing may be claimed: the number of this pause, and
                              JSON, see `pausing`
``{Q}:resumed:N``     list    there for a minute when pause N is over, and wakes who waits for that
``{Q}:imports``       set     which dead letters were imported. It is gone a day after the last
``{Q}:trash``         hash    name of a trash -> since when it is there, in ms, what it has, and
                              who threw it away, see `trash`. It is gone with the last of them
``{Q}:trash:NAME``            what was thrown away: a list of entries, a zset of them by due time,
                              or a stream of dead letters. It is gone after a day
``{Q}:put:DIGEST``    string  how much of an input with this SHA-1 was pushed by whom, and when, in
                              ms. It is gone when all is in, and after a day
``{Q}:tally``         hash    how many entries are done, buried, and purged; how many deliveries
                              failed; how many dead letters are requeued
``{Q}:beats``         list    what had come and left at one time and another, some seconds apart,
                              the newest at the left; see `beats`. It is gone after a day without
                              use
``{Q}:minutes``       list    the same at the end of each minute, and how much waited, for a day;
                              likewise
``{Q}:times``         hash    number of a slot of ten minutes -> how many handlers took how long,
                              as hosts told it then, for a day; name of a host's document -> what of
                              its counts is there; see `times`. It is gone after a day without use
====================  ======  ==================================================================

Beside all queues, for operators:

================================  ======  =======================================================
``woodenwaiter:queues``           set     the names of all queues that were ever served
``woodenwaiter:audit``            stream  who changed what by a command: some 10,000 lines, see
                                          `audit`
``{woodenwaiter:hosts}``          zset    name of a document -> when it was written, by the
                                          server's clock, in ms. Those that are gone are taken out
                                          when the next one is written
``{woodenwaiter:hosts}:NAME``     string  what a supervisor tells of itself and of its workers that
                                          are for this server: JSON, see `hosts`. It is gone 20 s
                                          after it was last written
``{woodenwaiter:hosts}:NAME:ask``  list   what it is asked to do, the oldest at the left: until when
                                          that stands, by the server's clock, in ms, and JSON, see
                                          `errands`. It is gone 6 s after the last was left there
``{woodenwaiter:hosts}:ask:ID``   string  the answer to one of these: JSON. It is gone after 30 s
================================  ======  =======================================================
"""

from __future__ import annotations

import itertools

from redis.crc import key_slot

REGISTRY = "woodenwaiter:queues"
"""A set with the name of every queue that was ever served, for operators."""

AUDIT = "woodenwaiter:audit"
"""What operators did."""

HOSTS = "{woodenwaiter:hosts}"
"""The list of what supervisors tell of themselves, for operators."""

ANY_CLAIMS = "*:claims:*"
"""A pattern that the claims of all owners of all queues match, and others' keys may."""


class Keys:
    """The keys of one queue."""

    def __init__(self, queue: str) -> None:
        self.queue = queue
        prefix = key_prefix(queue)
        self.arrivals = prefix + "arrivals"
        self.settled = prefix + "settled"
        self.leases = prefix + "leases"
        self.delayed = prefix + "delayed"
        self.dead = prefix + "dead"
        self.tally = prefix + "tally"
        self.paused = prefix + "paused"
        self.any_resumed = prefix + "resumed:"
        self.trash = prefix + "trash"
        self.imports = prefix + "imports"
        self._any_put = prefix + "put:"
        self.beats = prefix + "beats"
        self.minutes = prefix + "minutes"
        self.times = prefix + "times"
        self.clock = prefix + "clock"
        self.any_claims = prefix + "claims:"
        self._shared = [
            queue,
            self.arrivals,
            self.settled,
            self.leases,
            self.delayed,
            self.dead,
            self.tally,
            self.paused,
        ]

    def claims(self, owner: str) -> str:
        return self.any_claims + owner

    def of_script(self, owner: str | None) -> list[str]:
        """KEYS of a script: the owner's claims last, where there is an owner."""
        return self._shared if owner is None else [*self._shared, self.claims(owner)]

    def of_tending(self) -> list[str]:
        """KEYS of the script that looks at the server's clock, too."""
        return [*self._shared, self.clock]

    def resumed(self, number: str) -> str:
        """Of the pause that has this number."""
        return self.any_resumed + number

    def of_pausing(self) -> list[str]:
        """KEYS of the scripts that begin and end a pause, too."""
        return [*self._shared, self.any_resumed]

    def of_imports(self) -> list[str]:
        """KEYS of the script that brings letters in, too."""
        return [*self._shared, self.imports]

    def of_trash(self) -> list[str]:
        """KEYS of the scripts that throw away, and get back, too."""
        return [*self._shared, self.trash]

    def of_putting(self, digest: str) -> list[str]:
        """KEYS of the script that pushes a portion of this input."""
        return [self.queue, self._any_put + digest]

    def of_history(self) -> list[str]:
        """KEYS of the scripts that note, and tell, what has come and left."""
        return [*self._shared, self.beats, self.minutes]

    def of_trial(self) -> list[str]:
        """All but the queue itself, for the script that tries out what is allowed."""
        return [*self._shared[1:], self.clock, self.beats, self.minutes, self.claims("")]

    def claimant(self, key: bytes) -> bytes | None:
        """The owner whose claims are under ``key``; None: it is no such key of this queue."""
        prefix = self.any_claims.encode(errors="surrogateescape")
        return key[len(prefix) :] if key.startswith(prefix) else None


def host_key(document: str) -> str:
    """Of a document in the list HOSTS."""
    return f"{HOSTS}:{document}"


def errands_key(document: str) -> str:
    """Of what the supervisor with this document is asked to do."""
    return f"{host_key(document)}:ask"


def answer_key(errand: str) -> str:
    return host_key(f"ask:{errand}")


def text_of_name(name: bytes) -> str:
    """Of a name that the server told, which may be any bytes: a `Link` sends the same."""
    return name.decode(errors="surrogateescape")


def key_prefix(queue: str) -> str:
    tag = hash_tag(queue)
    return f"{{{queue}}}:" if tag == queue else f"{{{tag}}}:{queue}:"


def hash_tag(queue: str) -> str:
    """What to put in braces so that a key lands in the queue's slot of a Redis Cluster.

    The queue's own hash tag where it has one, else its name. A name with a brace that is no tag
    cannot stand in braces: the first number of the same slot does.
    """
    name = queue.encode(errors="surrogateescape")
    start = name.find(b"{")
    end = name.find(b"}", start + 1)
    if start >= 0 and end > start + 1:
        return text_of_name(name[start + 1 : end])
    if b"}" not in name:
        return queue
    slot = key_slot(name)
    return next(tag for tag in map(str, itertools.count()) if key_slot(tag.encode()) == slot)
