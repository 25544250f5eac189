"""The relations between intervals on which safety and the README's promises rest.

Each is stated here as a check of its own, and broken in turn by a change of one line of pace.py:
exactly the expected relations must notice.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import NamedTuple

import pytest

from woodenwaiter import pace
from woodenwaiter.errors import WrongValue

SOURCE = Path(pace.__file__).read_text()
README = " ".join((Path(__file__).parents[2] / "README.rst").read_text().split())
AN_HOUR = 3600.0
A_CROWD = 1000  # of hosts

Relation = Callable[[ModuleType, float], object]  # whether it holds
RELATIONS: dict[str, Relation] = {}


def relation(check: Relation) -> Relation:
    """One that is to hold of a module of intervals, whatever the lease."""
    RELATIONS[check.__name__] = check
    return check


def broken(intervals: ModuleType) -> set[str]:
    """The names of the relations that do not hold."""
    leases = (intervals.LEAST_LEASE, intervals.LEASE, AN_HOUR)
    return {
        name
        for name, check in RELATIONS.items()
        if not all(_holds(check, intervals, lease) for lease in leases)
    }


def _holds(check: Relation, intervals: ModuleType, lease: float) -> bool:
    try:
        return bool(check(intervals, lease))
    except WrongValue:  # such a backoff cannot even be made
        return False


# A worker and its claims.


@relation
def a_worker_lets_go_before_anyone_gives_away(p: ModuleType, lease: float) -> object:
    """What waits behind a task that was seen running for SLOW is given to others; the worker, who
    measures as long, must not run it then."""
    return p.LONG <= p.SLOW


@relation
def the_second_look_can_tell(p: ModuleType, lease: float) -> object:
    return p.SLOW <= p.LOOK


@relation
def nothing_waits_behind_a_slow_task(p: ModuleType, lease: float) -> object:
    """Promise 10: a task is seen one look after it began at the latest. Where it seems slow then,
    it is so SLOW later; else at the next ordinary look."""
    return p.SLOW <= p.LOOK and max(p.LOOK + p.SLOW, p.LONG + p.LOOK) <= 0.12


@relation
def nothing_waits_behind_a_slow_task_for_who_is_idle(p: ModuleType, lease: float) -> object:
    """Promise 10: an idle worker has it looked at as soon as it seems slow."""
    return max(p.LONG, p.NAP) + p.SLOW <= 0.03


@relation
def who_has_nothing_to_look_at_closely_sleeps(p: ModuleType, lease: float) -> object:
    """A housekeeper while nobody seems slow; a worker in most of its waits."""
    return p.LOOK >= 0.1 and p.NAP >= 0.005


@relation
def nothing_waits_behind_tasks_that_became_slower(p: ModuleType, lease: float) -> object:
    """How it works: what was claimed is settled or goes back within 200 ms."""
    return p.PATIENCE <= 0.2


@relation
def a_batch_that_goes_as_expected_is_not_cut_short(p: ModuleType, lease: float) -> object:
    return p.AHEAD < p.PATIENCE


@relation
def a_hosts_death_reruns_little(p: ModuleType, lease: float) -> object:
    """Promise 3."""
    return p.AHEAD <= 0.1


# The budget.


@relation
def who_is_between_two_tasks_keeps_its_place(p: ModuleType, lease: float) -> object:
    """The looks that have to see it idle are far enough apart for a claim."""
    return 0.02 <= p.HOLD <= p.share_every(10) and p.share_every(A_CROWD) <= 1


@relation
def workers_do_not_come_and_go(p: ModuleType, lease: float) -> object:
    """To start one takes 50 ms of a CPU: of each place's time, a twentieth at most."""
    return p.HOLD < p.SLICE < p.LINGER and p.SLICE >= 20 * 0.05


@relation
def two_counts_have_seen_what_waits(p: ModuleType, lease: float) -> object:
    return p.count_after(0) <= p.GROW


@relation
def a_count_stays_true_until_the_next(p: ModuleType, lease: float) -> object:
    return p.count_after(AN_HOUR) + p.reply_within(p.LEASE) < p.OLD_COUNT


# Leases.


@relation
def a_renewal_may_fail(p: ModuleType, lease: float) -> object:
    """One request for it is not answered, and the next is still in time."""
    lost = p.renew_every(lease) + p.LOOK + p.reply_within(lease)
    return lost + p.reconnect(lease).first < lease


@relation
def a_server_that_vanished_is_missed_like_a_silent_one(p: ModuleType, lease: float) -> object:
    """Systems know whole seconds only: of three, one for each step."""
    idle, interval, probes = p.keepalive(p.reply_within(lease))
    return min(idle, interval, probes) >= 1 and (
        idle + interval * probes <= max(3, p.reply_within(lease))
    )


@relation
def a_short_outage_costs_no_lease(p: ModuleType, lease: float) -> object:
    """One that nobody is given a grace for, and that begins just before a renewal; the attempt
    after it comes after the longest pause."""
    unnoticed = p.renew_every(lease) + p.outage_from(lease)
    return unnoticed + p.reconnect(lease).longest + p.LOOK < lease


@relation
def an_unnoticed_step_costs_no_lease(p: ModuleType, lease: float) -> object:
    """Of the server's clock, just before a renewal that comes a look late, as one was lost."""
    rest = lease - p.renew_every(lease) - p.reply_within(lease) - p.LOOK
    return p.unnoticed_step(lease) < rest


@relation
def ordinary_answers_are_no_step(p: ModuleType, lease: float) -> object:
    """Two that take a tenth of a second each."""
    return p.unnoticed_step(lease) > 0.2


@relation
def the_clock_is_looked_at_more_often_than_leases_are_given_time(
    p: ModuleType, lease: float
) -> object:
    """A step during the grace is seen before anything is taken."""
    return p.round_every(lease, A_CROWD) + p.LOOK < p.grace_after_outage(lease)


@relation
def ordinary_looks_are_no_outage(p: ModuleType, lease: float) -> object:
    """Otherwise there would be a grace for ever, and no lease would ever be held to be over."""
    return p.outage_from(lease) > p.renew_every(lease) + p.LOOK


@relation
def whoever_is_alive_gets_through_in_the_grace(p: ModuleType, lease: float) -> object:
    """After the longest pause, a look later, and with the slowest answer."""
    return p.reconnect(lease).longest + p.LOOK + p.reply_within(lease) <= (
        p.grace_after_outage(lease)
    )


@relation
def a_grace_is_a_lease(p: ModuleType, lease: float) -> object:
    """Whatever of its lease an owner had left when the outage began."""
    return p.grace_after_outage(lease) >= lease


@relation
def a_visit_renews_in_time(p: ModuleType, lease: float) -> object:
    """However many hosts share a queue: each renews the leases of its own workers."""
    return p.round_every(lease, 1) <= p.round_every(lease, A_CROWD) <= p.renew_every(lease)


@relation
def some_host_comes_by_every_second(p: ModuleType, lease: float) -> object:
    """For a dead one's leases, and for retries; `tests/unit/test_rounds.py` has the rest."""
    return all(p.round_every(lease, hosts) <= hosts for hosts in (1, 2, 16, A_CROWD))


@relation
def who_glances_ends_leases_almost_on_time(p: ModuleType, lease: float) -> object:
    """Whoever comes for one that ran out is there within 2 s: it may end late, then hosts come at
    random, and look now and then."""
    return p.CLOCK_WIDTH + p.ROUND + p.LOOK <= 2


@relation
def an_ordinary_link_tells_the_time_well_enough(p: ModuleType, lease: float) -> object:
    """One across a continent, and its answer a look late; else no host would ever just glance."""
    return p.CLOCK_WIDTH >= 0.3 + p.LOOK


@relation
def a_glance_is_the_usual_thing(p: ModuleType, lease: float) -> object:
    """Of a queue's visits, as its hosts make them together, and of a lone one's, each other."""
    return 8 * p.ROUND <= p.closely_every(1) > p.LEASE / 3 + p.LOOK


@relation
def what_waits_is_known_to_some_seconds(p: ModuleType, lease: float) -> object:
    """How old it is, as README.rst says: by the looks of all hosts of a queue together."""
    return p.BEAT <= 5 and all(
        p.beat_every(hosts, 1) / hosts <= p.BEAT for hosts in (1, 16, A_CROWD)
    )


@relation
def notes_cost_a_server_little(p: ModuleType, lease: float) -> object:
    """Of a thousand busy queues: attempts of 20 µs or so, 2 % of a core at most."""
    each = p.BEAT + p.beat_every(A_CROWD, 0.5)
    return A_CROWD / each * 1000 * 20e-6 <= 0.02 and p.BEATS_KEPT / p.BEAT <= 1000


@relation
def rates_are_of_several_notes(p: ModuleType, lease: float) -> object:
    return p.RATE >= 10 * p.BEAT and p.HISTORY_KEPT >= p.BEATS_KEPT > p.RATE


@relation
def a_clock_that_goes_back_delays_retries_by_seconds(p: ModuleType, lease: float) -> object:
    """As README.rst says, and sooner where there is a crowd."""
    return all(p.closely_every(hosts) / hosts <= 15 for hosts in (1, 16, A_CROWD))


@relation
def hosts_are_counted_again(p: ModuleType, lease: float) -> object:
    return p.closely_every(A_CROWD) <= 300


@relation
def many_hosts_do_not_come_by_all_the_time(p: ModuleType, lease: float) -> object:
    """As seldom as their leases allow."""
    return p.round_every(lease, A_CROWD) >= lease / 5


@relation
def a_sleeping_worker_asks_for_little(p: ModuleType, lease: float) -> object:
    """Not even 16,000 of them, of some 10 µs of a server each."""
    return p.slumber(p.LEAST_WAIT) >= 60 and 5 * p.slumber(p.LEAST_WAIT) <= p.CLAIM_AGAIN


@relation
def a_sleeping_worker_asks_no_more_often_than_its_customer_does(
    p: ModuleType, lease: float
) -> object:
    return p.slumber(AN_HOUR) >= AN_HOUR


@relation
def a_worker_idles_no_longer_than_5_s_once_the_server_is_back(
    p: ModuleType, lease: float
) -> object:
    return p.reconnect(lease).longest <= 5


@relation
def a_slow_answer_leaves_a_service_ready(p: ModuleType, lease: float) -> object:
    """Redis is asked as often as leases are renewed, and may take its time."""
    return p.answered_lately(lease) >= p.renew_every(lease) + p.LOOK + p.reply_within(lease)


@relation
def a_service_is_not_ready_for_longer_than_its_leases_hold(p: ModuleType, lease: float) -> object:
    """Where Redis is away."""
    return p.answered_lately(lease) < lease


# What hosts tell of themselves.


@relation
def a_host_is_shown_though_a_document_is_lost(p: ModuleType, lease: float) -> object:
    """Or its answer is: then it tries again after PUBLISH."""
    return p.REPUBLISH + p.PUBLISH_WAIT + p.PUBLISH + 2 * p.LOOK <= p.PUBLISHED


@relation
def who_renews_leases_tells_of_itself_in_the_same_round_trip(p: ModuleType, lease: float) -> object:
    return p.PUBLISH < p.renew_every(p.LEASE) <= p.REPUBLISH


@relation
def what_is_told_is_young(p: ModuleType, lease: float) -> object:
    """README: what has changed is shown 6 s later; whatever it costs to look."""
    return p.NEWS > 0 and p.PUBLISH + p.NEWS <= 6


@relation
def telling_holds_up_little(p: ModuleType, lease: float) -> object:
    return p.PUBLISH_WAIT <= p.PUBLISH / 5 and p.PUBLISH_AGAIN >= p.REPUBLISH


@relation
def who_asks_a_host_is_answered_in_time(p: ModuleType, lease: float) -> object:
    """README: within 6 s, though another has asked before."""
    latest = p.ERRANDS + 2 * max(p.TRACE_WAIT, p.HEAR_WAIT) + 3 * p.LOOK
    return p.ERRAND_POLL < p.ERRANDS_ALONG < latest <= p.ERRAND_WAIT <= 6 < p.ANSWER_KEPT


@relation
def a_supervisor_has_time_to_hand_over_tracebacks(p: ModuleType, lease: float) -> object:
    """Those that are written already for somebody else first."""
    return p.TRACE_WAIT > 2 * p.TRACE_AFTER + p.LOOK


@relation
def who_cancels_hears_of_a_worker_that_had_to_be_killed(p: ModuleType, lease: float) -> object:
    return (
        p.CANCEL_WAIT > p.TIMEOUT_GRACE + 2 * p.LOOK
        and p.CANCELLED_WITHIN >= p.ERRAND_WAIT + p.CANCEL_WAIT
    )


@relation
def what_hosts_are_asked_for_costs_a_server_little(p: ModuleType, lease: float) -> object:
    """A look costs it 10 to 25 µs: README has 0.6 % of a core."""
    return A_CROWD / p.ERRANDS * 25e-6 <= 0.0065


# Metrics.


@relation
def metrics_come_in_time_without_redis(p: ModuleType, lease: float) -> object:
    """README: after 1.5 s; Prometheus waits for 10, also where several ask at once."""
    return p.METRICS_WITHIN <= 1.5 and 2 * p.METRICS_WITHIN <= p.CONVERSATION <= 10


@relation
def metrics_cost_redis_little(p: ModuleType, lease: float) -> object:
    """README: whoever asks how often, and how many hosts there are."""
    return 3 <= p.METRICS_AGAIN <= p.PUBLISH and A_CROWD / p.metrics_every(A_CROWD) < 1


# Who may see a page.


@relation
def guessing_takes_years(p: ModuleType, lease: float) -> object:
    """README: one in 20 s, of a user from an address. Others are not kept out for long: nobody
    waits for longer than that."""
    return p.LOGIN_AGAIN >= 20 and max(p.LOGIN_FROM_AGAIN, p.LOGIN_AS_AGAIN) < p.LOGIN_AGAIN


@relation
def a_page_hangs_up_and_leaves_before_it_is_killed(p: ModuleType, lease: float) -> object:
    """Who serves it gives up a second after it was told to."""
    return p.ANSWERED_WITHIN < 1 and p.WEB_GRACE >= 1 + 2 * p.ANSWERED_WITHIN


@relation
def a_page_has_time_to_ask_in(p: ModuleType, lease: float) -> object:
    """README: 10 s, and 12 h; a stream says something before a viewer takes it for lost."""
    return p.REQUEST_WITHIN == 10 and p.SESSION == 12 * AN_HOUR and 2 * p.STREAM_ALIVE < 10


# A drain.


@relation
def a_leaving_worker_has_time_to_leave(p: ModuleType, lease: float) -> object:
    """Even where tasks are given none; it gives back what it holds, by one request."""
    return p.LEAST_DRAIN >= 0.5


@relation
def what_handlers_left_running_holds_up_no_drain(p: ModuleType, lease: float) -> object:
    """Not even one that gives running tasks nothing."""
    return p.PARTING < p.LEAST_DRAIN


@relation
def a_leaving_worker_waits_for_no_reader(p: ModuleType, lease: float) -> object:
    """Of its log, of its stdout and its stderr, though nobody reads any of them."""
    return p.LOG_PATIENCE + 2 * p.FLUSH_PATIENCE < p.LEAST_DRAIN


@relation
def the_housekeeper_ends_its_last_pass_itself(p: ModuleType, lease: float) -> object:
    return p.LAST_PASS + p.LOOK < p.HOUSEKEEPER_GRACE


@relation
def a_hook_that_keeps_its_time_ends_within_a_drain(p: ModuleType, lease: float) -> object:
    """In a worker, and in a process that the housekeeper waits for."""
    return min(p.LAST_PASS, p.DRAIN) >= p.HOOK


@relation
def a_drain_is_over_before_kubernetes_kills(p: ModuleType, lease: float) -> object:
    return p.DRAIN + p.LAST_PASS <= 30


# The rest.


@relation
def no_loop_spins(p: ModuleType, lease: float) -> object:
    """Whatever fails, and however often."""
    pauses = p.LOOK, p.LEAST_WAIT, p.ROUND, p.REFORK, p.SERVER_CHECK, p.reconnect(lease).first
    return min(*pauses, p.RESPAWN.first, p.renew_every(lease)) > 0


@relation
def who_dies_for_ever_is_not_forgotten(p: ModuleType, lease: float) -> object:
    """A queue that is served again soon after what kept its workers from living is mended."""
    return p.RESPAWN.longest <= 30


@relation
def the_usual_lease_may_be_had(p: ModuleType, lease: float) -> object:
    return p.LEAST_LEASE <= p.LEASE


@relation
def the_readme_names_the_figures(p: ModuleType, lease: float) -> object:
    figures = [
        f"running tasks may go on after ``SIGTERM`` ({p.DRAIN:g})",
        f"how long to wait for Redis at the start ({p.REDIS_WAIT:g})",
        f"loses its tasks to others ({p.LEASE:g})",
        f"A handler that goes on for {p.TIMEOUT_GRACE:g} s more",
        f"about {p.AHEAD:g} s of work",
        f"After {p.HOOK:g} s ``TaskTimeout`` is raised in a hook, and {p.TIMEOUT_GRACE:g} s later",
    ]
    return (
        all(figure in README for figure in figures)
        and p.ROUND <= 1  # "once a second"
        and p.SAME_INTERRUPT == 0.5  # "half a second later or more"
    )


def test_all_relations_hold() -> None:
    assert broken(pace) == set()


# Mutants.


class Mutant(NamedTuple):
    """A line of pace.py, what it becomes, and the relations that this breaks."""

    line: str
    instead: str
    breaks: set[str]


TAKES_LONG = {
    "nothing_waits_behind_a_slow_task",
    "nothing_waits_behind_a_slow_task_for_who_is_idle",
}

LOOKS_SELDOM = {
    "who_asks_a_host_is_answered_in_time",
    "a_supervisor_has_time_to_hand_over_tracebacks",
    "who_glances_ends_leases_almost_on_time",
    "an_ordinary_link_tells_the_time_well_enough",
    "no_loop_spins",
    "many_hosts_do_not_come_by_all_the_time",
    "nothing_waits_behind_a_slow_task",
    "whoever_is_alive_gets_through_in_the_grace",
    "the_housekeeper_ends_its_last_pass_itself",
    "a_host_is_shown_though_a_document_is_lost",
}


def share(function: str, instead: str, *breaks: str) -> Mutant:
    """Another share of the lease for one of several functions that return a share of it."""
    start = SOURCE.index(f"def {function}(lease: float)")
    text = SOURCE[start:].split("\n\n\n")[0]
    return Mutant(text, re.sub("return lease.*", f"return {instead}", text), set(breaks))


MUTANTS = [
    Mutant("LONG = 0.010", "LONG = 0.050", TAKES_LONG),
    Mutant("LONG = 0.010", "LONG = 0.005", {"who_has_nothing_to_look_at_closely_sleeps"}),
    Mutant("SLOW = 1.5 * LONG", "SLOW = LONG / 2", {"a_worker_lets_go_before_anyone_gives_away"}),
    Mutant("SLOW = 1.5 * LONG", "SLOW = 3 * LONG", TAKES_LONG),
    Mutant("SLOW = 1.5 * LONG", "SLOW = 11 * LONG", TAKES_LONG | {"the_second_look_can_tell"}),
    Mutant("LOOK = 0.100", "LOOK = 0.020", {"who_has_nothing_to_look_at_closely_sleeps"}),
    Mutant("LOOK = 0.100", "LOOK = 0.110", {"nothing_waits_behind_a_slow_task"}),
    Mutant("LOOK = 0.100", "LOOK = 1.0", LOOKS_SELDOM),
    Mutant("NAP = LONG / 2", "NAP = LONG / 10", {"who_has_nothing_to_look_at_closely_sleeps"}),
    Mutant(
        "NAP = LONG / 2",
        "NAP = 2 * LONG",
        {"nothing_waits_behind_a_slow_task_for_who_is_idle"},
    ),
    Mutant(
        "PATIENCE = 2 * AHEAD",
        "PATIENCE = 3 * AHEAD",
        {"nothing_waits_behind_tasks_that_became_slower"},
    ),
    Mutant(
        "PATIENCE = 2 * AHEAD",
        "PATIENCE = AHEAD / 2",
        {"a_batch_that_goes_as_expected_is_not_cut_short"},
    ),
    Mutant(
        "AHEAD = 0.100",
        "AHEAD = 0.200",
        {
            "a_hosts_death_reruns_little",
            "nothing_waits_behind_tasks_that_became_slower",
            "the_readme_names_the_figures",
        },
    ),
    share(
        "renew_every",
        "lease * 2 / 3",
        "a_service_is_not_ready_for_longer_than_its_leases_hold",
        "a_renewal_may_fail",
        "a_short_outage_costs_no_lease",
        "ordinary_looks_are_no_outage",
        "an_unnoticed_step_costs_no_lease",
        "who_renews_leases_tells_of_itself_in_the_same_round_trip",
    ),
    share(
        "renew_every",
        "lease / 3",
        "a_short_outage_costs_no_lease",
        "an_unnoticed_step_costs_no_lease",
    ),
    share(
        "renew_every",
        "0",
        "no_loop_spins",
        "many_hosts_do_not_come_by_all_the_time",
        "who_renews_leases_tells_of_itself_in_the_same_round_trip",
    ),
    share(
        "reply_within",
        "lease * 2 / 3",
        "a_service_is_not_ready_for_longer_than_its_leases_hold",
        "a_renewal_may_fail",
        "an_unnoticed_step_costs_no_lease",
    ),
    share("reply_within", "lease / 2", "a_renewal_may_fail", "an_unnoticed_step_costs_no_lease"),
    Mutant(
        "    return max(1, int(timeout / 2)), max(1, int(timeout / 4)), 2",
        "    return max(1, int(timeout / 2)), max(1, int(timeout / 4)), 3",
        {"a_server_that_vanished_is_missed_like_a_silent_one"},
    ),
    Mutant(
        "    return renew_every(lease) + LOOK + reply_within(lease)",
        "    return renew_every(lease) + LOOK",
        {"a_slow_answer_leaves_a_service_ready"},
    ),
    share("outage_from", "lease * 2 / 3", "a_short_outage_costs_no_lease"),
    share("outage_from", "lease / 5", "ordinary_looks_are_no_outage"),
    share("unnoticed_step", "lease / 2", "an_unnoticed_step_costs_no_lease"),
    share("unnoticed_step", "lease / 6", "ordinary_answers_are_no_step"),
    Mutant(
        "    return lease",
        "    return lease / 2",
        {"a_grace_is_a_lease", "whoever_is_alive_gets_through_in_the_grace"},
    ),
    Mutant("    return lease", "    return lease * 0.9", {"a_grace_is_a_lease"}),
    Mutant(
        "    return min(hosts * ROUND, renew_every(lease))",
        "    return hosts * ROUND",
        {
            "a_visit_renews_in_time",
            "the_clock_is_looked_at_more_often_than_leases_are_given_time",
        },
    ),
    Mutant(
        "    return min(hosts * ROUND, renew_every(lease))",
        "    return min(ROUND, renew_every(lease))",
        {"many_hosts_do_not_come_by_all_the_time"},
    ),
    Mutant(
        "    return max(wait, 120.0)",
        "    return max(wait, 3.0)",
        {"a_sleeping_worker_asks_for_little"},
    ),
    Mutant("CLAIM_AGAIN = 600.0", "CLAIM_AGAIN = 30.0", {"a_sleeping_worker_asks_for_little"}),
    Mutant(
        "    return max(wait, 120.0)",
        "    return 120.0",
        {"a_sleeping_worker_asks_no_more_often_than_its_customer_does"},
    ),
    Mutant(
        "    return Backoff(RECONNECT.first, min(RECONNECT.longest, lease / 5))",
        "    return Backoff(RECONNECT.first, min(RECONNECT.longest, lease))",
        {"whoever_is_alive_gets_through_in_the_grace", "a_short_outage_costs_no_lease"},
    ),
    Mutant(
        "    return Backoff(RECONNECT.first, min(RECONNECT.longest, lease / 5))",
        "    return Backoff(RECONNECT.first, lease / 5)",
        {"a_worker_idles_no_longer_than_5_s_once_the_server_is_back"},
    ),
    Mutant(
        "RECONNECT = Backoff(first=0.2, longest=5.0)",
        "RECONNECT = Backoff(first=0.0, longest=5.0)",
        {"no_loop_spins"},
    ),
    Mutant(
        "LEAST_LEASE = 1.0",
        "LEAST_LEASE = 0.5",
        {
            "a_renewal_may_fail",
            "a_short_outage_costs_no_lease",
            "ordinary_answers_are_no_step",
            "many_hosts_do_not_come_by_all_the_time",
            "no_loop_spins",
            "whoever_is_alive_gets_through_in_the_grace",
            "a_worker_idles_no_longer_than_5_s_once_the_server_is_back",
        },
    ),
    Mutant("LEAST_LEASE = 1.0", "LEAST_LEASE = 60.0", {"the_usual_lease_may_be_had"}),
    Mutant(
        "LEASE = 40.0",
        "LEASE = 60.0",
        {
            "the_readme_names_the_figures",
            "a_glance_is_the_usual_thing",
            "a_host_is_shown_though_a_document_is_lost",
        },
    ),
    Mutant(
        "LEAST_DRAIN = 0.5",
        "LEAST_DRAIN = 0.0",
        {
            "a_leaving_worker_has_time_to_leave",
            "a_leaving_worker_waits_for_no_reader",
            "what_handlers_left_running_holds_up_no_drain",
        },
    ),
    Mutant("PARTING = 0.4", "PARTING = 0.5", {"what_handlers_left_running_holds_up_no_drain"}),
    Mutant("LOG_PATIENCE = 0.1", "LOG_PATIENCE = 1.0", {"a_leaving_worker_waits_for_no_reader"}),
    Mutant(
        "FLUSH_PATIENCE = 0.15", "FLUSH_PATIENCE = 0.2", {"a_leaving_worker_waits_for_no_reader"}
    ),
    Mutant(
        "HOUSEKEEPER_GRACE = LAST_PASS + 1.0",
        "HOUSEKEEPER_GRACE = LAST_PASS",
        {"the_housekeeper_ends_its_last_pass_itself"},
    ),
    Mutant("LAST_PASS = 5.0", "LAST_PASS = 10.0", {"a_drain_is_over_before_kubernetes_kills"}),
    Mutant(
        "HOOK = 5.0",
        "HOOK = 6.0",
        {"a_hook_that_keeps_its_time_ends_within_a_drain", "the_readme_names_the_figures"},
    ),
    Mutant(
        "DRAIN = 25.0",
        "DRAIN = 30.0",
        {"a_drain_is_over_before_kubernetes_kills", "the_readme_names_the_figures"},
    ),
    Mutant("REFORK = 1.0", "REFORK = 0.0", {"no_loop_spins"}),
    Mutant(
        "RESPAWN = Backoff(first=0.1, longest=30.0)",
        "RESPAWN = Backoff(first=0.1, longest=3000.0)",
        {"who_dies_for_ever_is_not_forgotten"},
    ),
    Mutant("REDIS_WAIT = 30.0", "REDIS_WAIT = 5.0", {"the_readme_names_the_figures"}),
    Mutant("TIMEOUT_GRACE = 5.0", "TIMEOUT_GRACE = 2.0", {"the_readme_names_the_figures"}),
    Mutant(
        "ROUND = 0.8",
        "ROUND = 10.0",
        {
            "the_readme_names_the_figures",
            "some_host_comes_by_every_second",
            "who_glances_ends_leases_almost_on_time",
            "a_glance_is_the_usual_thing",
        },
    ),
    Mutant("CLOCK_WIDTH = 0.5", "CLOCK_WIDTH = 1.5", {"who_glances_ends_leases_almost_on_time"}),
    Mutant(
        "CLOCK_WIDTH = 0.5", "CLOCK_WIDTH = 0.2", {"an_ordinary_link_tells_the_time_well_enough"}
    ),
    Mutant("THOROUGH = 15.0", "THOROUGH = 5.0", {"a_glance_is_the_usual_thing"}),
    Mutant(
        "THOROUGH = 15.0", "THOROUGH = 60.0", {"a_clock_that_goes_back_delays_retries_by_seconds"}
    ),
    Mutant(
        "    return min(hosts * THOROUGH, 300.0)",
        "    return hosts * THOROUGH",
        {"hosts_are_counted_again"},
    ),
    Mutant("PUBLISHED = 20.0", "PUBLISHED = 15.0", {"a_host_is_shown_though_a_document_is_lost"}),
    Mutant(
        "REPUBLISH = LEASE / 3",
        "REPUBLISH = LEASE / 2",
        {"a_host_is_shown_though_a_document_is_lost"},
    ),
    Mutant(
        "REPUBLISH = LEASE / 3",
        "REPUBLISH = LEASE / 4",
        {"who_renews_leases_tells_of_itself_in_the_same_round_trip"},
    ),
    Mutant("PUBLISH = 5.0", "PUBLISH = 5.2", {"what_is_told_is_young"}),
    Mutant("NEWS = 1.0", "NEWS = 0.0", {"what_is_told_is_young"}),
    Mutant(
        "PUBLISH_WAIT = 1.0",
        "PUBLISH_WAIT = 5.0",
        {"telling_holds_up_little", "a_host_is_shown_though_a_document_is_lost"},
    ),
    Mutant("ERRANDS = 4.0", "ERRANDS = 3.0", {"what_hosts_are_asked_for_costs_a_server_little"}),
    Mutant(
        "ERRAND_WAIT = ERRANDS + 2.0",
        "ERRAND_WAIT = ERRANDS + 1.0",
        {"who_asks_a_host_is_answered_in_time"},
    ),
    Mutant(
        "TRACE_WAIT = 4 * TRACE_AFTER",
        "TRACE_WAIT = 2 * TRACE_AFTER",
        {"a_supervisor_has_time_to_hand_over_tracebacks"},
    ),
    Mutant("HEAR_WAIT = 0.8", "HEAR_WAIT = 1.0", {"who_asks_a_host_is_answered_in_time"}),
    Mutant(
        "CANCEL_WAIT = TIMEOUT_GRACE + 3.0",
        "CANCEL_WAIT = TIMEOUT_GRACE",
        {"who_cancels_hears_of_a_worker_that_had_to_be_killed"},
    ),
    Mutant(
        "CANCELLED_WITHIN = ERRAND_WAIT + CANCEL_WAIT",
        "CANCELLED_WITHIN = ERRAND_WAIT",
        {"who_cancels_hears_of_a_worker_that_had_to_be_killed"},
    ),
    Mutant("ANSWER_KEPT = 30.0", "ANSWER_KEPT = 5.0", {"who_asks_a_host_is_answered_in_time"}),
    Mutant("PUBLISH_AGAIN = 60.0", "PUBLISH_AGAIN = 1.0", {"telling_holds_up_little"}),
    Mutant("METRICS_WITHIN = 1.5", "METRICS_WITHIN = 3.0", {"metrics_come_in_time_without_redis"}),
    Mutant("CONVERSATION = 5.0", "CONVERSATION = 2.0", {"metrics_come_in_time_without_redis"}),
    Mutant("LOGIN_AGAIN = 20.0", "LOGIN_AGAIN = 2.0", {"guessing_takes_years"}),
    Mutant("LOGIN_AS_AGAIN = 5.0", "LOGIN_AS_AGAIN = 60.0", {"guessing_takes_years"}),
    Mutant(
        "WEB_GRACE = 2.0",
        "WEB_GRACE = 1.0",
        {"a_page_hangs_up_and_leaves_before_it_is_killed"},
    ),
    Mutant("REQUEST_WITHIN = 10.0", "REQUEST_WITHIN = 1.0", {"a_page_has_time_to_ask_in"}),
    Mutant("SESSION = 12 * 3600.0", "SESSION = 12 * 60.0", {"a_page_has_time_to_ask_in"}),
    Mutant("METRICS_AGAIN = 3.0", "METRICS_AGAIN = 1.0", {"metrics_cost_redis_little"}),
    Mutant(
        "    return METRICS_AGAIN * max(1.0, hosts / 2)",
        "    return METRICS_AGAIN * max(1.0, hosts / 50)",
        {"metrics_cost_redis_little"},
    ),
    Mutant(
        "BEAT = 5.0",
        "BEAT = 10.0",
        {"what_waits_is_known_to_some_seconds", "rates_are_of_several_notes"},
    ),
    Mutant(
        "    return (hosts - 1) * BEAT * 2 / 3 * chance",
        "    return hosts * hosts * BEAT * chance",
        {"what_waits_is_known_to_some_seconds"},
    ),
    Mutant(
        "    return (hosts - 1) * BEAT * 2 / 3 * chance",
        "    return BEAT * chance",
        {"notes_cost_a_server_little"},
    ),
    Mutant("BEATS_KEPT = 3600.0", "BEATS_KEPT = 36000.0", {"notes_cost_a_server_little"}),
    Mutant("HISTORY_KEPT = 86400.0", "HISTORY_KEPT = 60.0", {"rates_are_of_several_notes"}),
    Mutant("HOLD = 0.05", "HOLD = 0.01", {"who_is_between_two_tasks_keeps_its_place"}),
    Mutant(
        "    return max(HOLD, queues / 2000)",
        "    return queues / 2000",
        {"who_is_between_two_tasks_keeps_its_place"},
    ),
    Mutant("SLICE = 2.0", "SLICE = 0.5", {"workers_do_not_come_and_go"}),
    Mutant("LINGER = 10.0", "LINGER = 1.0", {"workers_do_not_come_and_go"}),
    Mutant("GROW = LOOK", "GROW = LOOK / 2", {"two_counts_have_seen_what_waits"}),
    Mutant("OLD_COUNT = 2 * LEASE", "OLD_COUNT = 5.0", {"a_count_stays_true_until_the_next"}),
    Mutant("SAME_INTERRUPT = 0.5", "SAME_INTERRUPT = 0.0", {"the_readme_names_the_figures"}),
]


def changed(mutant: Mutant) -> ModuleType:
    """pace.py with one line changed, as a module of its own."""
    line, instead = f"\n{mutant.line}\n", f"\n{mutant.instead}\n"
    assert (SOURCE.count(line), line != instead) == (1, True)
    module = ModuleType("woodenwaiter.pace_changed")
    module.__package__ = "woodenwaiter"
    exec(compile(SOURCE.replace(line, instead), "pace_changed.py", "exec"), vars(module))
    return module


def _name(mutant: Mutant) -> str:
    """The line as it is after the change, of a whole function its first and its last."""
    return re.sub(r"\(lease.*\n *", " ", mutant.instead, flags=re.DOTALL).strip()


@pytest.mark.parametrize("mutant", MUTANTS, ids=_name)
def test_change_is_noticed(mutant: Mutant) -> None:
    assert broken(changed(mutant)) == mutant.breaks


def test_every_relation_can_be_broken() -> None:
    assert set().union(*(mutant.breaks for mutant in MUTANTS)) == RELATIONS.keys()
