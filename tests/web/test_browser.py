"""The page as people see and use it, in a real browser."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from woodenwaiter.protocol.hosts import Crew, Host, Running
from woodenwaiter.protocol.keys import host_key
from woodenwaiter.protocol.link import Link
from woodenwaiter.protocol.published import publication

from ..application import Application
from ..support import Server, eventually
from .browsers import Seat, any_browser, until
from .site import Site

pytestmark = [pytest.mark.xdist_group("browser"), pytest.mark.timeout(180)]

DEAD = "{t:d}:dead"

PAGES = ("/", "/queues/t%3Ad", "/queues/t%3Ad/dead", "/hosts", "/audit")

PHONE = {"viewport": {"width": 360, "height": 740}, "has_touch": True, "is_mobile": True}


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    yield from any_browser()


@pytest.fixture
def sit(browser: Any, make_site: Callable[..., Site]) -> Iterator[Callable[..., Seat]]:
    """Somebody who looks at a site, and leaves before it ends."""
    seats: list[Seat] = []

    def sit(site: Site, **options: Any) -> Seat:
        seats.append(Seat(browser, f"http://127.0.0.1:{site.port}", **options))
        return seats[-1]

    yield sit
    for seat in seats:
        seat.close()


@pytest.fixture
def seat(sit: Callable[..., Seat], site: Site) -> Seat:
    return sit(site)


def push(client: Any, *tasks: Any, queue: str = "t:d") -> None:
    client.sadd("woodenwaiter:queues", queue)
    client.lpush(queue, *(task if isinstance(task, bytes) else json.dumps(task) for task in tasks))


def bury(client: Any, **fields: Any) -> str:
    client.sadd("woodenwaiter:queues", "t:d")
    usual = {"id": "a/1", "reason": "the handler failed", "error": "E: 1", "payload": "{}"}
    return str(client.xadd(DEAD, usual | fields).decode())


def publish(link: Link, number: int, *queues: str) -> None:
    crews = tuple(Crew(queue, 1, 4, idle=1, running=1, times=(0, 0, 3)) for queue in queues)
    workers = tuple(
        Running(queue, 0, 7, f"h{number}.1/x-1/{n}", 9.0, 1, fraction=0.5, text="half")
        for n, queue in enumerate(queues)
    )
    host = Host(
        f"h{number}", 1, "1.0.0", 60.0, 1, 2, queues=crews, workers=workers, state="serving"
    )
    [outcome] = link.exchange([publication(f"h{number}.1/0", host)])
    assert not isinstance(outcome, Exception), outcome
    link.call("PERSIST", host_key(f"h{number}.1/0"))  # however long a test takes


def some_of_everything(client: Any, link: Link) -> str:
    """A letter's name."""
    push(client, {"n": 1}, {"n": 2})
    publish(link, 1, "t:d")
    client.zadd("{t:d}:delayed", {b'{"n": 3}': 4e12})
    return bury(
        client, traceback='Traceback (most recent call last):\n  File "app.py", line 1\nE: 1'
    )


def text_of(page: Any, selector: str = "main") -> str:
    return str(page.locator(selector).inner_text())


def await_text(page: Any, text: str, selector: str = "body") -> None:
    page.locator(selector).get_by_text(text).first.wait_for()


def press(page: Any, button: str, scope: str = "body") -> None:
    page.locator(scope).get_by_role("button", name=button, exact=True).first.click()


def confirm(page: Any, button: str) -> None:
    press(page, button, "dialog")
    page.locator("dialog").wait_for(state="detached")


# Looking.


def test_overview_is_sorted_filtered_and_sent(seat: Seat, client: Any) -> None:
    push(client, *({"n": n} for n in range(3)), queue="a:few")
    push(client, *({"n": n} for n in range(9)), queue="b:many")
    page = seat.go("/")
    names = page.locator("table.queues tbody th")
    assert names.all_inner_texts() == ["a:few", "b:many"]
    page.get_by_role("button", name="Waiting", exact=True).click()
    assert names.all_inner_texts() == ["b:many", "a:few"]
    page.keyboard.press("/")
    page.keyboard.type("few")
    until(page, "document.querySelectorAll('table.queues tbody tr').length === 1")
    assert "filter=few" in page.url
    assert "sort=-waiting" in page.url
    other = seat.page.context.new_page()
    other.goto(page.url)
    other.locator("table.queues tbody th").first.wait_for()
    assert other.locator("table.queues tbody th").all_inner_texts() == ["a:few"]


def test_what_is_wrong_comes_first_with_what_helps(seat: Seat, client: Any) -> None:
    push(client, {"n": 1})
    client.set("{t:d}:paused", json.dumps({}))
    page = seat.go("/")
    await_text(page, "somebody has paused, though tasks wait", ".findings")
    findings, table = page.locator(".findings"), page.locator("table.queues")
    assert findings.bounding_box()["y"] < table.bounding_box()["y"]
    press(page, "Resume", ".findings")
    eventually(lambda: not client.exists("{t:d}:paused"), "a queue that goes on")


def test_keyboard_suffices(seat: Seat, client: Any, link: Link) -> None:
    some_of_everything(client, link)
    push(client, {"n": 1}, queue="z:last")
    page = seat.go("/")
    page.keyboard.press("j")
    page.keyboard.press("j")
    page.keyboard.press("k")
    page.keyboard.press("Enter")
    page.wait_for_url("**/queues/t%3Ad")
    page.keyboard.press("g")
    page.keyboard.press("h")
    page.locator("table.hosts a.open").first.wait_for()
    page.keyboard.press("j")
    page.keyboard.press("Enter")
    page.wait_for_url("**/hosts/*")
    page.keyboard.press("?")
    page.locator("dialog").wait_for()
    page.keyboard.press("Escape")
    page.locator("dialog").wait_for(state="detached")
    page.go_back()
    page.wait_for_url("**/hosts")


def test_nothing_jumps_at_an_update(seat: Seat, client: Any) -> None:
    for n in range(30):
        push(client, {"n": 1}, queue=f"q:{n:02}")
    page = seat.go("/")
    page.locator("table.queues tbody tr").nth(29).wait_for(state="attached")
    until(page, "document.querySelector('.findings') !== null")
    place = "[...document.querySelectorAll('table.queues tbody tr')].map(r => r.offsetTop)"
    before = page.evaluate(place)
    push(client, *({"n": n} for n in range(12_345)), queue="q:07")
    await_text(page, "12,346", "table.queues")
    assert page.evaluate(place) == before


def test_times_are_relative_with_the_absolute_one_at_hand(seat: Seat, client: Any) -> None:
    name = bury(client)
    page = seat.go(f"/queues/t%3Ad/dead/{name}")
    at = page.locator("main time").first
    assert "ago" in at.inner_text()
    assert re.search(r"20\d\d", at.get_attribute("title"))


def test_two_viewers_see_what_one_does(sit: Callable[..., Seat], site: Site, client: Any) -> None:
    push(client, {"n": 1})
    one, other = sit(site).go("/queues/t%3Ad"), sit(site).go("/")
    press(one, "Pause")
    one.locator("dialog").get_by_label("Why").fill("a <b>deploy</b>")
    confirm(one, "Pause")
    await_text(one, "a <b>deploy</b>", "main")
    await_text(other, "paused", "table.queues")
    press(one, "Resume")
    eventually(lambda: not client.exists("{t:d}:paused"), "a queue that goes on")


def test_redis_goes_away_and_comes_back(
    sit: Callable[..., Seat], make_site: Callable[..., Site], make_server: Callable[..., Server]
) -> None:
    server = make_server()
    push(server.client, {"n": 1})
    page = sit(make_site(server)).go("/")
    server.stop()
    await_text(page, "Redis cannot be read")
    assert "t:d" in text_of(page, "table.queues")
    server.start()
    page.locator(".bar").wait_for(state="hidden")


def test_lost_connection_is_shown_and_taken_up_again(
    sit: Callable[..., Seat], server: Server, client: Any
) -> None:
    push(client, {"n": 1})
    with Site(server) as site:
        seat = sit(site)
        page, port = seat.go("/"), site.port
        seat.may_miss = True
    await_text(page, "No connection since", ".bar")
    push(client, *({"n": n} for n in range(41)))
    with Site(server, port):
        page.locator(".bar").wait_for(state="hidden")
        await_text(page, "42", "table.queues")
        seat.close()


def test_page_stays_open_over_a_restart(
    sit: Callable[..., Seat], server: Server, client: Any
) -> None:
    push(client, {"n": 1})
    with Site(server) as site:
        seat = sit(site)
        page, port = seat.go("/queues/t%3Ad"), site.port
        seat.may_miss = True
        page.route("**/api/events*", lambda route: route.abort())  # it does not hear of that
    with Site(server, port):
        press(page, "Pause")
        confirm(page, "Pause")
        eventually(lambda: client.exists("{t:d}:paused"), "a pause, though the token was another")
        seat.close()


def test_page_of_an_earlier_release_says_so(
    sit: Callable[..., Seat], server: Server, client: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    push(client, {"n": 1})
    with Site(server) as site:
        seat = sit(site)
        page, port = seat.go("/"), site.port
        seat.may_miss = True
    monkeypatch.setattr("woodenwaiter.web.pages.__version__", "9.9.9")
    with Site(server, port):
        await_text(page, "This page is of an earlier release", ".bar")
        page.reload()
        await_text(page, "WoodenWaiter 9.9.9", "footer")
        assert page.locator(".bar").is_hidden()
        seat.close()


def test_server_that_is_away_is_no_empty_one(
    sit: Callable[..., Seat], make_site: Callable[..., Site], make_server: Callable[..., Server]
) -> None:
    server = make_server()
    site = make_site(server)
    server.stop()
    for path in ("/", "/hosts"):
        page = sit(site).go(path)
        await_text(page, "Redis cannot be read", ".bar")
        for text in ("Start one", "Nothing is wrong"):
            assert text not in text_of(page)


# Doing.


def test_several_queues_are_resumed_at_once(seat: Seat, client: Any) -> None:
    queues = [f"q:{n}" for n in range(3)]
    for queue in queues:
        push(client, {"n": 1}, queue=queue)
        client.set(f"{{{queue}}}:paused", json.dumps({}))
    page = seat.go("/")
    press(page, "Resume all 3", ".findings")
    keys = [f"{{{queue}}}:paused" for queue in queues]
    eventually(lambda: not client.exists(*keys), "queues that go on")


def test_chosen_letters_are_exported(seat: Seat, client: Any) -> None:
    names = [bury(client, error="E") for _ in range(3)]
    page = seat.go("/queues/t%3Ad/dead?error=E")
    for name in names[:2]:
        page.get_by_label(f"choose {name}").check()
    with page.expect_download() as download:
        page.get_by_role("link", name="Export").first.click()
    lines = download.value.path().read_text().splitlines()
    assert {json.loads(line)["letter"] for line in lines} == {*names[:2]}


def test_letters_are_requeued_edited_dropped_and_had_back(seat: Seat, client: Any) -> None:
    names = [bury(client, payload=json.dumps({"n": n}), error=f"E: {n}") for n in range(5)]
    seat.may_miss = True  # a letter that is gone
    page = seat.go("/queues/t%3Ad/dead")
    await_text(page, "E: #", "table.groups")
    page.locator("table.groups a.open").click()
    page.wait_for_url("**/dead?group=*")
    page.locator("table.letters tbody tr").nth(4).wait_for()
    page.get_by_label(f"choose {names[0]}").check()
    press(page, "Requeue 1")
    confirm(page, "Requeue")
    await_text(page, "1 dead letter back in t:d", ".toasts")
    page.locator("table.letters").get_by_text(names[1]).click()
    await_text(page, '"n": 1', ".code-box")
    press(page, "Edit and requeue")
    editor = page.locator("dialog textarea")
    editor.fill("[1]")
    press(page, "Requeue", "dialog")
    await_text(page, "It has to be a JSON object", "dialog")
    editor.fill('{"n": "edited"}')
    confirm(page, "Requeue")
    eventually(lambda: client.llen("t:d") == 2, "two tasks")
    assert client.lrange("t:d", 0, -1) == [b'{"n": "edited"}', b'{"n": 0}']
    page = seat.go("/queues/t%3Ad/dead")
    press(page, "Drop", ".heading")
    confirm(page, "Drop")
    await_text(page, "3 dead letters dropped from t:d", ".toasts")
    press(page, "Undo", ".toasts")
    eventually(lambda: client.xlen(DEAD) == 3, "three letters")


def test_queue_is_purged_and_had_back(seat: Seat, client: Any) -> None:
    push(client, {"n": 1}, {"n": 2})
    page = seat.go("/queues/t%3Ad")
    press(page, "Purge…")
    confirm(page, "Move 2 to the trash")
    eventually(lambda: client.llen("t:d") == 0, "an empty queue")
    page.reload()
    press(page, "Put back")
    eventually(lambda: client.llen("t:d") == 2, "what was there")


def test_waiting_task_is_cancelled(seat: Seat, client: Any) -> None:
    push(client, {"n": 1})
    page = seat.go("/queues/t%3Ad")
    press(page, "Cancel", "table[aria-label='next tasks']")
    confirm(page, "Cancel the task")
    await_text(page, "cancelled while waiting", ".toasts")
    assert client.xlen(DEAD) == 1


def test_tasks_of_one_payload_are_shown_one_by_one(seat: Seat, client: Any) -> None:
    push(client, {"n": 1}, {"n": 1}, {"n": 1})
    page = seat.go("/queues/t%3Ad")
    rows = page.locator("table[aria-label='next tasks'] tbody tr")
    rows.nth(2).wait_for()
    press(page, "Cancel", "table[aria-label='next tasks']")
    confirm(page, "Cancel the task")
    until(
        page,
        """document.querySelectorAll("table[aria-label='next tasks'] tbody tr").length === 2""",
    )


def test_pool_under_load(seat: Seat, app: Application) -> None:
    app.write(
        handler="""
        delivery().progress(0.25, "<img src=x onerror=alert(1)>")
        time.sleep(600)
        """
    )
    app.push({"n": 1})
    app.serve()
    page = seat.go("/queues/t%3Ad")
    await_text(page, "<img src=x onerror=alert(1)>", "table.running")
    press(page, "Where are they?")
    await_text(page, "in handle", "table.running")
    page.locator("table.running a").first.click()
    page.wait_for_url("**/hosts/*")
    press(page, "Quiet")
    confirm(page, "Quiet")
    await_text(page, "quiet", "main h1")
    press(page, "Cancel", "table.running")
    confirm(page, "Cancel the task")
    eventually(app.letters, "a dead letter")
    page = seat.go("/audit")
    await_text(page, "host quiet", "table.audit")
    await_text(page, "cancel", "table.audit")


def test_export_is_a_file(seat: Seat, client: Any) -> None:
    bury(client)
    page = seat.go("/queues/t%3Ad/dead")
    with page.expect_download() as download:
        page.get_by_role("link", name="Export").first.click()
    assert json.loads(download.value.path().read_text())["queue"] == "t:d"


def test_read_only_page_has_nothing_to_press(
    sit: Callable[..., Seat], make_site: Callable[..., Site], server: Server, link: Link
) -> None:
    name = some_of_everything(server.client, link)
    seat = sit(make_site(server, read_only=True))
    verbs = re.compile("^(Pause|Resume|Requeue|Drop|Purge|Cancel|Edit|Quiet|Drain|Grow|Put back)")
    for path in (*PAGES, f"/queues/t%3Ad/dead/{name}", "/hosts/h1.1%2F0"):
        page = seat.go(path)
        buttons = page.locator("main button:not(th button)")
        assert not [*filter(verbs.match, buttons.all_inner_texts())], path


# What comes from outside.

HOSTILE = [
    b"<script>window.owned = 1</script>",
    b'{"a": "<img src=x onerror=window.owned=1>"}',
    b"\x00\x1b[31m\xff\xfe",
    '\u202e}"txt.exe": "a"{'.encode(),
    b"[" * 3000,
    json.dumps({"__proto__": {"owned": 1}, "constructor": "x"}).encode(),
]


def test_hostile_payloads_are_text(seat: Seat, client: Any) -> None:
    names = [
        bury(client, payload=payload, error=payload[:500], traceback=payload[:500])
        for payload in HOSTILE
    ]
    push(client, *HOSTILE)
    push(client, {"n": 1}, queue="<script>window.owned = 1</script>:x")
    for path in PAGES:
        seat.go(path)
    shown = ""
    for name in names:
        page = seat.go(f"/queues/t%3Ad/dead/{name}")
        page.locator(".code-box").first.wait_for()
        assert page.evaluate("window.owned") is None
        assert page.evaluate("({}).owned") is None
        shown += text_of(page)
    assert "<script>window.owned = 1</script>" in shown
    assert not set("\x00\x1b\u202e") & set(shown)


def test_ten_megabytes_are_read_in_parts(seat: Seat, client: Any) -> None:
    name = bury(client, payload=json.dumps({"text": "x" * 10_000_000}))
    page = seat.go(f"/queues/t%3Ad/dead/{name}")
    page.locator(".code-box").wait_for()
    length = "document.querySelector('.code-box').textContent.length"
    assert page.evaluate(length) == 65536
    page.locator("button.more").click()
    until(page, f"{length} === 2 * 65536")
    assert "MiB" in text_of(page, "button.more") or "MB" in text_of(page, "button.more")


# Many.


def test_thousand_queues_and_two_hundred_hosts(seat: Seat, client: Any, link: Link) -> None:
    with client.pipeline() as pipe:
        for n in range(1000):
            pipe.sadd("woodenwaiter:queues", f"team{n % 37}:job-{n}")
            pipe.lpush(f"team{n % 37}:job-{n}", *["{}"] * (1 + n % 5))
        pipe.execute()
    for n in range(200):
        publish(link, n, *(f"team{k % 37}:job-{k}" for k in range(n * 5, n * 5 + 5)))
    page = seat.go("/")
    until(page, "document.querySelectorAll('table.queues tbody tr').length === 1000")
    frames = page.evaluate(
        """async () => {
            const input = document.querySelector('input[type=search]');
            const began = performance.now();
            for (const text of ['j', 'jo', 'job-99']) {
                input.value = text;
                input.dispatchEvent(new Event('input', {bubbles: true}));
                await new Promise(requestAnimationFrame);
                await new Promise(requestAnimationFrame);
            }
            return performance.now() - began;
        }"""
    )
    assert frames < 10_000, "no hang, on whatever machine"
    until(page, "document.querySelectorAll('table.queues tbody tr').length === 11")
    page = seat.go("/hosts")
    until(page, "document.querySelectorAll('table.hosts tbody tr').length === 200")


def test_million_letters(seat: Seat, client: Any) -> None:
    client.sadd("woodenwaiter:queues", "t:d")
    fill = """
    for n = tonumber(ARGV[1]), tonumber(ARGV[1]) + 49999 do
      redis.call('XADD', KEYS[1], '*', 'payload', '{"n": ' .. n .. '}', 'reason', 'it failed',
        'error', (n % 3) .. 'E: no such thing ' .. n)
    end
    """
    for start in range(0, 1_000_000, 50_000):
        client.eval(fill, 1, DEAD, start)
    page = seat.go("/queues/t%3Ad/dead")
    page.locator("progress").first.wait_for()
    page.locator("table.groups tbody tr").nth(0).wait_for(timeout=120_000)
    assert "1,000,000" in text_of(page)
    page = seat.go("/queues/t%3Ad/dead?error=999999")
    page.locator("table.letters tbody tr").first.wait_for()
    press(page, "Drop", "#letters, .toolbar")
    confirm(page, "Drop")
    await_text(page, "dropped from t:d", ".toasts")
    page = seat.go("/")
    await_text(page, "999,999", "table.queues")


# For everybody.


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_serious(
    sit: Callable[..., Seat], site: Site, client: Any, link: Link, scheme: str
) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    name = some_of_everything(client, link)
    seat = sit(site, color_scheme=scheme)
    for path in (
        *PAGES,
        "/queues/t%3Ad/dead?error=E",
        f"/queues/t%3Ad/dead/{name}",
        "/hosts/h1.1%2F0",
    ):
        page = seat.go(path)
        found = axe.run(page).response["violations"]
        grave = [
            f"{path}: {each['id']}: {each['nodes'][0]['html'][:200]}"
            for each in found
            if each["impact"] in ("serious", "critical")
        ]
        assert grave == []


def test_phone_never_scrolls_sideways(
    sit: Callable[..., Seat], site: Site, client: Any, link: Link
) -> None:
    name = some_of_everything(client, link)
    push(client, {"text": "x" * 5000}, queue="a-very-long-name-of-a-table" * 5 + ":and-its-dish")
    bury(client, error="no-space" * 100, payload=json.dumps({"text": "y" * 5000}))
    seat = sit(site, **PHONE)
    for path in (
        *PAGES,
        "/queues/t%3Ad/dead?error=E",
        f"/queues/t%3Ad/dead/{name}",
        "/hosts/h1.1%2F0",
    ):
        page = seat.go(path)
        assert page.evaluate("document.scrollingElement.scrollWidth <= innerWidth"), path
