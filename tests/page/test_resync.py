"""A stack's resyncs on the page: how one goes, what the last one did, and the button that begins another."""

from __future__ import annotations

import http.client
import json
import re
from collections.abc import Iterator, Mapping
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, Locator, expect
from playwright.sync_api import Page as Tab

from local.page import Page
from local.resyncs import RUNNING, WEBHOOK_ONLY, Due, Look
from tests.page.fakes import NOON, Demo, FakeResyncs, StoppedClock, finished, going_on
from tests.page.test_page import HOSTILE, LOW_CONTRAST


@pytest.fixture(autouse=True)
def _resyncs_are_always_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("local.page.resync.LOOK_EVERY", 0.0)


@pytest.fixture
def cloud() -> FakeResyncs:
    return FakeResyncs("cloud")


@pytest.fixture
def server() -> FakeResyncs:
    return FakeResyncs("server")


@pytest.fixture
def url(demo: Demo, cloud: FakeResyncs, server: FakeResyncs) -> Iterator[str]:
    """The address of a page over the demo's stacks and these resyncs."""
    page = Page([demo.cloud, demo.server], demo.port, StoppedClock(), [cloud, server])
    yield page.start(0)
    page.stop()


def card(tab: Tab, name: str = "Bitbucket Cloud") -> Locator:
    return tab.locator(".stack", has=tab.get_by_role("heading", name=name)).locator(".resync")


def button(tab: Tab, name: str = "Bitbucket Cloud") -> Locator:
    return tab.get_by_role("button", name=f"Resync now of {name}")


# --- how one goes ----------------------------------------------------------------------------------------------------


def test_a_run_is_shown_as_it_goes_with_its_phase_open_jobs_and_counts(
    url: str, cloud: FakeResyncs, server: FakeResyncs, tab: Tab
) -> None:
    server.now = Look(last=finished())
    tab.goto(url)
    expect(card(tab).locator(".status")).to_have_text("None yet")
    expect(card(tab).locator(".due")).to_have_text("no next one is planned")

    cloud.now = going_on(jobs=3, project={"listed": 2, "created": 2})
    expect(card(tab).locator(".status")).to_have_text("Listing what Bitbucket has")
    expect(card(tab).locator(".open-jobs")).to_have_text("3 jobs open")
    expect(card(tab).get_by_role("row")).to_have_text(["listedcreated", "projects22"])
    expect(tab.locator("#headline")).to_have_text("A resync is going on")
    expect(tab.locator("#detail")).to_have_text("Bitbucket Cloud: listing what Bitbucket has, 3 jobs open.")

    cloud.now = going_on("port", jobs=1, project={"listed": 2, "unchanged": 2}, repository={"listed": 5, "healed": 1})
    expect(card(tab).locator(".status")).to_have_text("Comparing with Port")
    expect(card(tab).locator(".open-jobs")).to_have_text("1 job open")
    rows = ["listedhealedunchanged", "projects202", "repositories510"]
    expect(card(tab).get_by_role("row")).to_have_text(rows)

    cloud.now = Look(last=finished(project={"listed": 2}), due=Due(NOON + 3600, "list"))
    expect(card(tab).locator(".status")).to_have_text("Complete")
    expect(card(tab).locator(".last")).to_have_text(
        "ended 12:00:03, in 3.1 s, with 12 requests to Bitbucket and 1 to Port"
    )
    expect(card(tab).locator(".due")).to_have_text("next 13:00:00, projects and repositories only")
    expect(tab.locator("#headline")).to_have_text("Waiting for the first webhook")
    expect(tab.locator("#detail")).to_contain_text("The catalog is as the resync found Bitbucket.")


def test_while_one_goes_on_the_last_one_and_the_next_are_told_as_well(url: str, cloud: FakeResyncs, tab: Tab) -> None:
    cloud.now = going_on(last=finished("partial"), due=Due(NOON + 60, "full"))
    tab.goto(url)
    expect(card(tab).locator(".last")).to_contain_text("last one not complete, ended 12:00:03")
    expect(card(tab).locator(".due")).to_have_text("next 12:01:00")


def test_what_went_wrong_is_told_as_text_and_in_the_headline(url: str, cloud: FakeResyncs, tab: Tab) -> None:
    failures = [{"kind": "repository", "what": "repository#a", "reason": HOSTILE}]
    cloud.now = Look(last=finished("partial", failures=failures, repository={"listed": 4, "failed": 3}))
    tab.goto(url)
    expect(card(tab).locator(".status")).to_have_text("Not complete")
    expect(card(tab).locator(".troubles li")).to_have_text([f"repository#a: {HOSTILE}", "and 2 more"])
    expect(tab.locator("#headline")).to_have_text("The last resync of Bitbucket Cloud was not complete")
    expect(tab.locator("#detail")).to_have_text(HOSTILE)
    assert "owned" not in tab.title()


def test_deliveries_go_on_being_told_while_one_runs(url: str, demo: Demo, cloud: FakeResyncs, tab: Tab) -> None:
    cloud.now = going_on()
    tab.goto(url)
    demo.cloud.stored("d1")
    demo.cloud.failed("d1", "tried again in 5 s: Port answered 503")
    expect(tab.locator("#headline")).to_have_text("1 delivery is being tried again")


# --- the button ------------------------------------------------------------------------------------------------------


def test_the_button_begins_another_one_of_its_own_stack(
    url: str, cloud: FakeResyncs, server: FakeResyncs, tab: Tab
) -> None:
    cloud.now, server.now = Look(last=finished()), Look(last=finished())
    tab.goto(url)
    expect(button(tab)).to_have_attribute("aria-disabled", "false")
    button(tab, "Bitbucket Data Center").click()
    expect(card(tab, "Bitbucket Data Center").locator(".status")).to_have_text("Listing what Bitbucket has")
    assert (cloud.started, server.started) == ([], ["the button on the page"])


def test_while_one_runs_the_button_says_why_it_does_nothing_and_keeps_the_focus(
    url: str, cloud: FakeResyncs, tab: Tab
) -> None:
    tab.goto(url)
    button(tab).focus()
    tab.keyboard.press("Enter")
    expect(button(tab)).to_have_attribute("aria-disabled", "true")
    expect(button(tab)).to_have_accessible_description(RUNNING)
    expect(card(tab).locator(".why")).to_be_visible()
    expect(button(tab)).to_be_focused()

    tab.keyboard.press("Space")
    button(tab).click(force=True)
    cloud.now = Look(last=finished())
    expect(button(tab)).to_have_attribute("aria-disabled", "false")
    expect(button(tab)).to_be_focused()
    assert len(cloud.started) == 1
    tab.keyboard.press("Space")
    expect(card(tab).locator(".status")).to_have_text("Listing what Bitbucket has")
    assert len(cloud.started) == 2


def test_changes_elsewhere_in_the_card_leave_the_button_alone(
    url: str, demo: Demo, cloud: FakeResyncs, tab: Tab
) -> None:
    tab.goto(url)
    button(tab).focus()
    demo.cloud.waiting = {"PullRequestQueue": 4}
    expect(tab.locator(".queues dd", has_text="4")).to_be_visible()
    expect(button(tab)).to_be_focused()


def test_a_refusal_is_shown_and_the_button_can_be_pressed_again(url: str, cloud: FakeResyncs, tab: Tab) -> None:
    cloud.refusal = "ResyncStart failed: no execution left"
    tab.goto(url)
    button(tab).click()
    expect(card(tab).locator(".why")).to_have_text(cloud.refusal)
    expect(button(tab)).to_have_attribute("aria-disabled", "false")
    cloud.refusal = ""
    button(tab).click()
    expect(card(tab).locator(".why")).to_have_text(RUNNING)


def test_where_bitbucket_may_not_be_asked_the_button_says_so(url: str, cloud: FakeResyncs, tab: Tab) -> None:
    cloud.now = Look(refusal=WEBHOOK_ONLY)
    tab.goto(url)
    expect(button(tab)).to_have_accessible_description(WEBHOOK_ONLY)
    button(tab).click(force=True)
    assert cloud.started == []


def test_a_machine_that_has_stopped_is_asked_for_nothing(demo: Demo, cloud: FakeResyncs, tab: Tab) -> None:
    page = Page([demo.cloud], None, StoppedClock(), [cloud])
    tab.goto(page.start(0))
    expect(button(tab)).to_be_visible()
    page.stop()
    expect(tab.locator("#connection")).to_contain_text("Connection lost")
    button(tab).click()
    # Over a connection that is still there, or not at all.
    expect(card(tab).locator(".why")).to_have_text(re.compile("^The machine (has stopped|did not answer)\\.$"))
    assert cloud.started == []


def test_a_request_that_gets_no_answer_is_said_beside_the_button(url: str, cloud: FakeResyncs, tab: Tab) -> None:
    tab.route("**/resync", lambda route: route.abort())
    tab.goto(url)
    button(tab).click()
    expect(card(tab).locator(".why")).to_have_text("The machine did not answer.")
    expect(button(tab)).to_have_attribute("aria-disabled", "false")
    assert cloud.started == []


def test_a_page_without_resyncs_shows_none(demo: Demo, tab: Tab) -> None:
    tab.goto(demo.url)
    expect(tab.locator(".stack")).to_have_count(2)
    expect(tab.locator(".resync:visible")).to_have_count(0)


EVERYTHING = dict.fromkeys(("listed", "created", "updated", "healed", "unchanged", "deleted", "failed"), 123_456)


@pytest.mark.parametrize("width", [320, 375, 1280])
def test_it_fits_a_phone_and_the_button_can_be_tapped(
    browser: Browser, url: str, cloud: FakeResyncs, width: int
) -> None:
    failures = [{"kind": "run", "what": "x" * 90, "reason": "y" * 300}]
    kinds = {kind.replace("-", "_"): EVERYTHING for kind in ("project", "repository", "pull-request", "user")}
    cloud.now = Look(last=finished("partial", failures=failures, **kinds), due=Due(NOON, "list"))
    context = browser.new_context(viewport={"width": width, "height": 800}, has_touch=True)
    tab = context.new_page()
    tab.goto(url)
    expect(card(tab).get_by_role("row")).to_have_count(5)
    assert tab.evaluate("document.documentElement.scrollWidth") <= width
    box = button(tab).bounding_box()
    assert box is not None
    assert box["height"] >= (44 if width < 640 else 24)  # WCAG 2.2, success criteria 2.5.5 and 2.5.8
    button(tab).tap()
    expect(card(tab).locator(".status")).to_have_text("Listing what Bitbucket has")
    context.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_its_text_stays_readable(
    browser: Browser, url: str, cloud: FakeResyncs, server: FakeResyncs, scheme: str
) -> None:
    failures = [{"kind": "run", "what": "a job", "reason": "it failed"}]
    context = browser.new_context(color_scheme="dark" if scheme == "dark" else "light")
    tab = context.new_page()
    cloud.now = going_on(project={"listed": 1})
    for status in ("complete", "partial", "failed"):
        server.now = Look(last=finished(status, failures=failures, project={"listed": 1}))
        tab.goto(url)
        expect(card(tab, "Bitbucket Data Center").locator(f'.status[data-state="{status}"]')).to_be_visible()
        expect(button(tab)).to_have_attribute("aria-disabled", "true")
        assert json.loads(tab.evaluate(LOW_CONTRAST)) == []
    context.close()


# --- who may ask for one ---------------------------------------------------------------------------------------------


def post(url: str, headers: Mapping[str, str], body: str = '{"stack": "local-cloud"}', path: str = "/resync") -> int:
    """The status of the answer; ``Host`` is the page's own unless given."""
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=10)
    connection.putrequest("POST", path, skip_host="Host" in headers)
    for name, value in {"Content-Length": str(len(body)), **headers}.items():
        connection.putheader(name, value)
    connection.endheaders(body.encode())
    status = connection.getresponse().status
    connection.close()
    return status


def test_the_page_s_own_origin_may_ask(url: str, cloud: FakeResyncs) -> None:
    assert post(url, {"Origin": url}) == 202
    assert cloud.started == ["the button on the page"]
    assert post(url, {"Origin": url}) == 409  # One is going on now.
    assert len(cloud.started) == 1


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Origin": "null"},
        {"Origin": "https://evil.example"},
        {"Origin": "http://127.0.0.1"},
        {"Origin": "http://127.0.0.1:1"},
        {"Host": "evil.example", "Origin": "http://evil.example"},
        {"Host": "", "Origin": "http://"},
    ],
    ids=["no origin", "null", "another site", "another port", "a port of nobody", "a name of theirs", "no host"],
)
def test_nobody_else_may(url: str, cloud: FakeResyncs, headers: Mapping[str, str]) -> None:
    assert post(url, headers) == 403
    assert cloud.started == []


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ("", 400),
        ("{", 400),
        ("[]", 400),
        ('"local-cloud"', 400),
        ("{}", 400),
        ('{"stack": "another"}', 400),
        ('{"stack": ["local-cloud"]}', 400),
        (json.dumps({"stack": "x" * 1_000}), 413),
    ],
)
def test_what_names_no_stack_is_refused(url: str, cloud: FakeResyncs, body: str, status: int) -> None:
    assert post(url, {"Origin": url}, body) == status
    assert cloud.started == []


def test_only_a_post_to_its_own_path_begins_one(url: str, cloud: FakeResyncs) -> None:
    assert post(url, {"Origin": url}, path="/") == 404
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=10)
    connection.request("GET", "/resync", headers={"Origin": url})
    assert connection.getresponse().status == 404
    connection.close()
    assert cloud.started == []
