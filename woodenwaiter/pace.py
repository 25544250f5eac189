"""Every interval and limit of time, in seconds, and what follows from what.

Safety rests on relations between these numbers: `tests/unit/test_pace.py` states them, and breaks
each in turn to see that it notices. What depends on the lease, which users choose, is a function
of it.
"""

from __future__ import annotations

from .backoff import Backoff

# A worker and its claims.

AHEAD = 0.100
"""Of work, that a worker claims at once: what a host's death may rerun, besides running tasks."""

PATIENCE = 2 * AHEAD
"""After which a worker lets go of what it has not begun of its claims: the tasks have become
slower, and others may be free to run them."""

LONG = 0.010
"""That a task takes after which its worker lets go of the rest at once: from SLOW on, that may have
been given to others."""

SLOW = 1.5 * LONG
"""A task that two looks, so far apart, see running has what waits behind it given back. Its worker
measures at least as long, hence must take it for LONG; half as much again is for safety alone."""

LOOK = 0.100
"""Between two looks at the scoreboard, at most. One that sees a task running for LONG, with others
claimed behind it, is followed by the next when SLOW has passed: that can tell it is slow."""

NAP = LONG / 2
"""Of a worker that has just become idle, before it looks whether others hold what it could run, and
has the housekeeper look at once: most waits are over by then."""

LEAST_WAIT = 0.1
"""For a task, however impatient the customer: each wait costs the server two commands."""

COUNTED = 0.005
"""Between two times that a busy worker asks how much CPU it has used, at least: among no-op tasks,
that takes some microseconds. By so much a task's figure may be wrong."""

TIMEOUT_GRACE = 5.0
"""That a handler has after TaskTimeout was raised in it, or TaskCancelled."""

TITLE_AGAIN = 1.0
"""Between two changes of the process title for what a task tells of its progress."""

IDLE_AFTER = 0.1
"""Without a task before the process title says so: busy workers do not pay for titles."""

MEMORY_CHECK = 0.1
"""Between two looks at a worker's memory, at least: each reads a file of some microseconds."""

MEMORY_SHARE = 0.01
"""Of a worker's time, that looks at its memory may take: in a large process, one takes 10 ms."""

# Leases.

LEASE = 40.0
"""Unless told otherwise: outlives a failover of Redis, where sentinels wait for 30 s before they
believe in it; a host that dies is missed for as long, as Kubernetes misses a node."""

LEAST_LEASE = 1.0
"""Shorter ones would end in an ordinary pause of a busy machine."""


def renew_every(lease: float) -> float:
    """Between two renewals of a lease, at most, until the look that finds one due: with it, a third
    of the lease. One may fail, or a short outage prevent it, and the next is still in time."""
    return lease / 3 - LOOK


def reply_within(lease: float) -> float:
    """After which a silent server counts as gone: in time for another attempt within the lease."""
    return lease / 3


def keepalive(timeout: float) -> tuple[int, int, int]:
    """Seconds of silence, between the probes that follow, and their number, after which a server
    that vanished counts as gone, however long its answer was to take: ``timeout`` or sooner, as far
    as whole seconds go, which are all that systems take."""
    return max(1, int(timeout / 2)), max(1, int(timeout / 4)), 2


def outage_from(lease: float) -> float:
    """Without a renewal from which on an outage may have cost somebody a lease. A shorter one, that
    began just before another's renewal was due, has not."""
    return lease * 9 / 20


def grace_after_outage(lease: float) -> float:
    """That all owners have after an outage before anyone's lease is held to have run out."""
    return lease


def unnoticed_step(lease: float) -> float:
    """Of the server's clock, that costs no lease: of one that is about to be renewed, for the
    second time as the first one failed, more is left. Slow answers look like a step, too."""
    return lease * 3 / 10


def slumber(wait: float) -> float:
    """The length of a wait of a worker that has long been idle: one command in so many seconds.
    What is pushed, a signal and the supervisor's end wake it, and TCP tells it of a peer that is
    dead: the wait's end is for none of these."""
    return max(wait, 120.0)


REST = 3.0
"""Between two looks of a worker that waits, whatever for, at what it is told and at its memory: a
bell may not be heard, and threads may go on. It asks no server for that."""

CLAIM_AGAIN = 600.0
"""After which a worker claims though nothing rings: a server that has forgotten it counts it as one
of the queue's owners again, and tells the others so. Whatever went wrong, it has claimed since."""


RECONNECT = Backoff(first=0.2, longest=5.0)
"""Between two attempts to reach Redis: 5 s bounds how long a worker idles once it is back."""


def reconnect(lease: float) -> Backoff:
    """RECONNECT, but whoever is alive gets through within a lease of the server's return."""
    return Backoff(RECONNECT.first, min(RECONNECT.longest, lease / 5))


# A queue's upkeep.

ROUND = 0.8
"""Between two visits to a queue, whichever of its hosts makes them: for retries that are due, for
owners whose leases ran out. With 0.8 s, of a hundred times that something waits for one it takes
2 s once, as hosts come at random."""


def round_every(lease: float, hosts: float) -> float:
    """Between two visits to a queue by the same one of its hosts: each renews its own leases."""
    return min(hosts * ROUND, renew_every(lease))


THOROUGH = 15.0
"""Between two visits to a queue, whichever of its hosts makes them, that do more than glance: about
so much later retries may come when the server's clock goes back, as who glances leaves no mark."""


def closely_every(hosts: float) -> float:
    """Between two such visits by the same one of a queue's hosts, which counts them anew."""
    return min(hosts * THOROUGH, 300.0)


BEAT = 5.0
"""Between two notes of what has come to a queue and left it, whichever of its hosts makes them,
while something does: by so much the age of what waits is uncertain."""


def beat_every(hosts: float, chance: float) -> float:
    """Between two attempts of the same one of a queue's hosts, beyond BEAT since another's last:
    three in BEAT by all together. ``chance``: from 0 to 1, anew for each."""
    return (hosts - 1) * BEAT * 2 / 3 * chance


BEATS_KEPT = 3600.0
"""Of work, for which a queue keeps these notes: what has waited longer has waited for an hour."""

HISTORY_KEPT = 86400.0
"""For which a queue keeps sums by the minute, and any of these notes without another."""

TRASH_KEPT = 86400.0
"""For which what an operator throws away can be had back."""

PUT_KEPT = 86400.0
"""For which somebody who was interrupted when they pushed an input can go on."""

PUT_PATIENCE = 2.0
"""After which somebody who has pushed a portion of an input, and no other, is taken to have been
interrupted: somebody else with the same goes on there."""

PUT_POLL = PUT_PATIENCE / 10
"""Between two looks whether they go on."""

TIMES_SLOT = 600.0
"""For each of which a queue keeps how long its handlers took."""

TIMES_KNOWN = 3600.0
"""For which a queue knows what of a host's counts it has, though that adds no more: who has heard
no answer for as long may add some of them twice."""

TIMES = 60.0
"""Between two times that the hosts of a queue add some, or half of it, while handlers end."""


def times_every(hosts: float) -> float:
    """The same for one of so many: a thousand with 16 queues each ask for some 70 scripts a second
    together, 0.3 % of a core."""
    return min(TIMES * hosts, TIMES_SLOT / 2)


RATE = 60.0
"""Of the past, that rates are of."""

CLOCK_WIDTH = 0.5
"""Of what is known of the server's clock, at most, for leases to be extended by it: they may end as
much late."""

CALM = 60.0
"""Without a retry, and without another host, after which the only one that a queue has just renews
its leases: what others may have put off or left is known by then."""

REGISTER = 600.0
"""Between two times that a queue is entered among those that operators' commands know: an outage
makes it sooner, and nothing else takes it out but a person."""

REGISTER_AGAIN = 10.0
"""Where the server that keeps the set is away, or full."""

SEARCH = 10.0
"""Between two steps of the search for claims that nobody knows of, by all hosts of a queue."""

SEARCH_REST = 3600.0
"""Or so, after all keys were searched."""

LEAST_READ = 0.01
"""For what a node has answered already, though another one used up the time that all have."""

PUSH_WAIT = 5.0
"""For a server to take a task from a producer who asks for replicas."""

REPLICAS_WAIT = 1.0
"""For replicas to take what was pushed or settled, where that is asked for: they lag by
milliseconds, or for long."""


def replicas_within(timeout: float) -> float:
    """The same for who takes a server that is silent for ``timeout`` to be gone."""
    return min(REPLICAS_WAIT, timeout / 2)


REDIS_WAIT = 30.0
"""For Redis at the start, unless told otherwise: it may start at the same time."""

REMIND = 60.0
"""After which a trouble that lasts, or comes again and again, is mentioned again."""

LASTS = 10.0
"""Without another kind in between, after which a trouble that has been told of, and another since,
is told of again: two that take turns do not fill the log."""

WELL = 1.0
"""Without a failure, after which a trouble is held to be over."""

BELL_AGAIN = 60.0
"""After which a worker tries again to wait for tasks, where the server refused that."""

LEFT = 0.25
"""Between two questions what is left to do, while no worker does anything, where the supervisor is
to leave once nothing is: a request to each server."""

POLL = 1.0
"""Between two claims of an idle worker that may not wait for tasks."""

LEAST_TRY = 1.0
"""For an answer at the start, however little is left of REDIS_WAIT."""

OPERATOR_WAIT = 10.0
"""For an answer to a command that a person typed."""

WATCH = 2.0
"""Between two looks at queues that somebody watches, unless told otherwise."""

LATE = 300.0
"""That a task may wait before a page says so, unless told otherwise: as the alerts in
woodenwaiter/operators have it."""

CHECKED = 30.0
"""Between two looks of a page at what seldom changes, such as how a server is set up."""

LATELY = 600.0
"""For which a page tells of a worker that was replaced, or of a host that is gone."""

LOOK_SHARE = 10
"""A page's look that took some time is followed by as many times that: by so much less than a core
looks take, of this process and of the server, however much there is to be seen."""

UNWATCHED = 30.0
"""For which a page keeps what it knows of a view that nobody looks at: they may come back to it."""

STREAM_ALIVE = 2 * WATCH
"""Between two messages to a viewer, at most: one who hears nothing for longer is cut off."""

JOBS_END = 1.0
"""For jobs of a page to end after the batch that they are at, when it does: no longer than what
ends it waits for it."""

PAGE_WAIT = 4.0
"""For an answer to what is read for all viewers: so much later they are told that a server
hangs."""

LONGEST_PAUSE = 30.0
"""Between two looks of a page at the same, however long one took."""

JOB_TOLD = 300.0
"""For which a page tells of what a viewer had done."""

PROGRESS = 0.2
"""Between two times that a command that takes long shows how far it has come."""

CLOCK = 1.0
"""Between two times that a screen that is live shows how late it is."""

LEAST_WATCH = 0.1
"""The same, whatever is told: nobody reads faster."""

LAPSED = 30.0
"""That a lease ran out, after which nobody seems to be there who gives its tasks to others: some
host of a queue comes by every second."""

OLD_LETTER = 7 * 86400.0
"""After which nobody seems to look at a queue's dead letters."""

SKEW = 2.0
"""Between the clocks of two machines, from which on times in logs and letters mislead."""
RESUMED = 60.0
"""For which a paused queue's end of pause wakes who waits for it: longer than it takes to come from
one wait to the next. Who misses it for all that asks again after CLAIM_AGAIN."""

# What hosts tell of themselves.

PUBLISH = 5.0
"""Between two times that a host tells what its workers do, at least: it does where that is not what
it was, or where it asks the server for something else anyway."""

REPUBLISH = LEASE / 3
"""The same, at most. Usual leases are renewed before, and it goes along."""

NEWS = 1.0
"""Between two looks whether there is something new to tell."""

PUBLISHED = 20.0
"""After which a host that tells nothing more is not shown. It tries twice in that time: one answer
may be lost."""

PUBLISH_WAIT = 1.0
"""For a node of a cluster that is asked for nothing but that. While it is silent, it takes so much
of PUBLISH of who has other things to do."""

PUBLISH_AGAIN = 60.0
"""Where the server does not allow it."""

ERRANDS = 4.0
"""Between two times that a host looks whether somebody asks it for something, at most: 250 such
looks a second of a thousand hosts."""

ERRANDS_ALONG = 1.0
"""The same, at least, where it asks the server for something else anyway."""

ERRAND_WAIT = ERRANDS + 2.0
"""For the answer of a host, and as long it may begin with what it was asked for."""

ERRAND_POLL = 0.2
"""Between two looks whether it is there."""

ANSWER_KEPT = 30.0
"""For who asked to fetch it."""

TRACE_AFTER = 0.2
"""That workers have to write down what they are doing."""

TRACE_WAIT = 4 * TRACE_AFTER
"""For a supervisor to hand over what workers have written, and to be done with what it was asked
for before."""

HEAR_WAIT = 0.8
"""For a supervisor to hear a signal: it may have many workers of a large application to start."""

CANCEL_WAIT = TIMEOUT_GRACE + 3.0
"""For a task to end that is cancelled, its worker's death and recovery included."""

CANCELLED_WITHIN = ERRAND_WAIT + CANCEL_WAIT
"""For the answer of a host that is to end a task."""

# Metrics.

METRICS_WITHIN = 1.5
"""For servers to tell of their queues to who serves metrics: who asks for these waits 10 s, mostly,
and gets the rest."""

METRICS_AGAIN = 3.0
"""Between two times that they are asked, and processes measured, at least."""


def metrics_every(hosts: float) -> float:
    """Between two times that one of a queue's hosts asks what it holds, at least: all of them
    together do less than once a second."""
    return METRICS_AGAIN * max(1.0, hosts / 2)


CONVERSATION = 5.0
"""For who asks for metrics to say so, and to take them."""

# Who may see a page.

SESSION = 12 * 3600.0
"""For which somebody who has logged in need not do so again: a day's work."""

LOGIN_AGAIN = 20.0
"""After a few wrong passwords for a user from an address, between two tries more."""

LOGIN_FROM_AGAIN = 6.0
"""Likewise of an address, from which many people may come."""

LOGIN_AS_AGAIN = 5.0
"""Likewise of a user, from wherever: whoever tries to keep them out needs many addresses."""

REQUEST_WITHIN = 10.0
"""For who asks for a page to say so."""

ANSWERED_WITHIN = 0.4
"""For answers that are under way when who serves a page is to leave; then it hangs up."""

# The log.

LOG_PATIENCE = 0.1
"""For stderr to take a record: it may be a reader's pause. One that takes none is not waited for
again before it does."""

LOG_NAP = 0.001
"""Between two attempts to write where there seems to be room, but not enough."""

FLUSH_PATIENCE = 0.15
"""For stdout, then for stderr, to take what a process that leaves has still in its buffers."""

REPORTERS = 3
"""That may die young, one after the other, before the log goes to stderr."""

END_CHECK = 0.002
"""Between two looks whether a child has ended that is waited for."""

LAST_WORDS = 5.0
"""Without a record, after which a reporter whose supervisor is gone leaves."""

# Children.

YOUNG = 10.0
"""Of age: a child that dies before, with no task done, may be unable to live."""

RESPAWN = Backoff(first=0.1, longest=30.0)
"""Before a child that keeps dying young is replaced."""


def respawn_delay(young_deaths: int) -> float:
    """Until a child's replacement starts, after ``young_deaths`` early deaths in a row.

    The first death is forgiven: most are one task's fault, and the queue should not wait.
    """
    return RESPAWN.ceiling(young_deaths - 1) if young_deaths > 1 else 0.0


SETUP_WAIT = 60.0
"""For the first success of a queue's setup, unless told otherwise."""

REFORK = 1.0
"""After a fork that failed, at least, or an inquiry that could not be taken: the machine is short
of something."""

HOOK = 5.0
"""For a hook, before TaskTimeout is raised in it; after TIMEOUT_GRACE more, its process ends. A
worker that calls one holds no task meanwhile, and no lease waits for it."""

NOTIFY_AGAIN = 0.1
"""Until systemd, whose socket was full, is told again."""

STATUS = 5.0
"""Between two lines for systemd on how the supervisor fares, at least."""

ANSWER = 5.0
"""For a supervisor's loop to answer who asks after its health, unless told otherwise: it may first
have many workers of a large application to start."""

ASK_AGAIN = 0.01
"""Between two attempts to ask, where many others do."""


def answered_lately(lease: float) -> float:
    """Since Redis answered a housekeeper, at most, for all to be well: that asks again within a
    third of the lease, and a slow answer takes another."""
    return renew_every(lease) + LOOK + reply_within(lease)


STALL = 30.0
"""Of a first task that computes nothing, before the log says what may be wrong with it."""

STALL_SHARE = 0.3
"""Of such a task's time, that it computes at most: some libraries wait in a loop."""

TRIAL = 300.0
"""For new code to be loaded before the old one leaves: large applications take a minute."""

# One budget for all queues.


def count_after(waited: float) -> float:
    """Until the next count of what waits in a queue whose workers are all busy, and which may have
    more: two commands, and each of these workers sends as many meanwhile. The less often, the
    longer it has waited: what is not to be had now is not to be had a moment later."""
    return min(max(LOOK, waited / 2), 1.0)


GROW = LOOK
"""That tasks wait while all workers are busy, before there are more: two counts have seen it. What
is done by then was not worth a start. Nor is what is known to take no longer."""

OLD_COUNT = 2 * LEASE
"""After which a count that nobody has renewed says nothing: servers that are silent keep who counts
for a third of a lease each."""


def share_every(queues: int) -> float:
    """Between two looks at who uses its workers, while somebody waits for one: each takes 20 µs or
    so for a queue, hence 4 % of the supervisor's time at most."""
    return max(HOLD, queues / 2000)


HOLD = 0.05
"""Without use for a worker before it leaves for another queue's sake: between two tasks that come
one after the other it is idle, too."""

SLICE = 2.0
"""That a queue keeps a place which others have as much right to: to start a worker takes 50 ms or
so, hence 3 % of it. As long at most is held what a queue was given again and again."""

LINGER = 10.0
"""Without use for a worker before it leaves though nobody waits for its place: bursts that are not
so far apart find it there, and the others are 0.1 s late. It costs but memory and a connection."""

LINGER_LOOK = LINGER / 10
"""Between two looks for such workers."""

WATCHING = 1.0
"""That who watches an application's code is given to begin, before it looks at what was written
meanwhile, where nothing is seen to change."""

# A drain.

DRAIN = 25.0
"""For running tasks after SIGTERM, unless told otherwise: Kubernetes kills after 30, and LAST_PASS
is to be over by then."""

LEAST_DRAIN = 0.5
"""That workers have to leave even where running tasks are given nothing."""

PARTING = 0.4
"""That what handlers left running has to end after SIGTERM, when its worker leaves."""

LAST_PASS = 5.0
"""For which a leaving housekeeper tries to recover what is left, should Redis be away."""

HOUSEKEEPER_GRACE = LAST_PASS + 1.0
"""That the housekeeper has to leave: it ends its last pass by itself."""

METRICS_GRACE = 1.0
"""That who serves metrics has to leave."""

WEB_GRACE = 2.0
"""That who serves a page has to leave."""

WATCHER_GRACE = 1.0
"""That who watches the application's code has to leave."""

SERVER_GRACE = 10.0
"""That an embedded server has to write its data."""

REPORTER_GRACE = 2.0
"""That the application's logging has to take what is left of the log."""

EXIT_GRACE = 5.0
"""That functions which the application registered for its exit may take."""

SAME_INTERRUPT = 0.5
"""In which a second SIGINT is the first one, passed on by a wrapper: no wish to hurry."""

# An embedded server.

SERVER_CHECK = 0.01
"""Between two attempts to connect to a server that is starting."""

CONNECT_WITHIN = 1.0
"""For a connection on this machine."""
