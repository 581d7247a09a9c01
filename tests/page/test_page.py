"""The page as a browser shows it."""

from __future__ import annotations

import json
import urllib.error
import urllib.request

import pytest
from playwright.sync_api import Browser, Locator, expect
from playwright.sync_api import Page as Tab

from local.page import Page
from tests.page.fakes import NOON, Demo, StoppedClock

HOSTILE = '<img src=x onerror="document.title=\'owned\'"><script>document.title="owned"</script>'


def entity(tab: Tab, name: str) -> Locator:
    return tab.locator("details.entity", has=tab.locator("summary", has_text=name))


def note_marks(tab: Tab) -> None:
    """From now on the titles of what is marked, however short the time, are in ``marks.changed`` and ``marks.gone``."""
    tab.evaluate(
        """() => {
          window.marks = { changed: [], gone: [] };
          const note = ({ target }) => {
            for (const mark of Object.keys(marks)) {
              if (target.classList.contains(mark)) marks[mark].push(target.querySelector(".title")?.textContent);
            }
          };
          const observer = new MutationObserver((records) => records.forEach(note));
          observer.observe(document.body, { subtree: true, attributeFilter: ["class"] });
        }"""
    )


def test_a_new_entity_and_a_new_delivery_appear_without_a_reload(demo: Demo, tab: Tab) -> None:
    tab.goto(demo.url)
    expect(tab.locator("#headline")).to_have_text("Waiting for the first webhook")
    tab.evaluate("window.sameDocument = true")

    demo.project(title="Payments")
    demo.cloud.stored("d1", "project:created")
    demo.cloud.applied("d1", key="project#{a}#{b}", written=1, at=NOON + 1.6)

    expect(entity(tab, "Payments")).to_be_visible()
    row = tab.locator("#delivery-list > li")
    expect(row.locator(".event")).to_have_text("project:created")
    expect(row.locator(".outcome")).to_have_text("Written")
    expect(row.locator(".reason")).to_have_text("Project: 1 entity, after asking Bitbucket")
    expect(row.locator(".took")).to_have_text("1.6 s")
    expect(tab.locator("#headline")).to_have_text("Everything is up to date")
    assert tab.evaluate("window.sameDocument") is True


def test_a_changed_entity_shows_the_new_value_and_is_marked_for_a_moment(demo: Demo, tab: Tab) -> None:
    demo.repository("acme/api", title="api", visibility="private")
    demo.repository("acme/other", title="other", visibility="private")
    tab.goto(demo.url)
    expect(entity(tab, "api").locator(".chip")).to_have_text("Visibility: private")
    note_marks(tab)

    demo.repository("acme/api", visibility="public")
    expect(entity(tab, "api").locator(".chip")).to_have_text("Visibility: public")
    expect(entity(tab, "api")).to_have_class("entity", timeout=20_000)
    assert set(tab.evaluate("marks.changed")) == {"api"}


def test_an_open_entity_stays_open_and_keeps_the_focus_when_it_changes(demo: Demo, tab: Tab) -> None:
    demo.repository("acme/api", title="api", language="Go")
    tab.goto(demo.url)
    entity(tab, "api").locator("summary").click()
    expect(entity(tab, "api").locator("dd", has_text="Go")).to_be_visible()
    demo.repository("acme/api", language="Rust")
    expect(entity(tab, "api").locator("dd", has_text="Rust")).to_be_visible()
    assert tab.evaluate("document.activeElement.tagName") == "SUMMARY"


def test_a_deleted_entity_is_named_as_such_and_then_goes(demo: Demo, tab: Tab) -> None:
    demo.repository("acme/spike", title="spike")
    tab.goto(demo.url)
    expect(entity(tab, "spike")).to_be_visible()
    note_marks(tab)
    demo.port.remove_entity("repository", "acme/spike")
    expect(entity(tab, "spike")).to_have_count(0, timeout=20_000)
    assert tab.evaluate("marks.gone") == ["spike"]


def test_relations_lead_to_the_entity_and_back(demo: Demo, tab: Tab) -> None:
    demo.project("PAY", title="Payments")
    demo.repository("acme/api", title="api", project="PAY")
    tab.goto(demo.url)
    entity(tab, "api").locator("summary").press("Enter")
    entity(tab, "api").get_by_role("link", name="Payments").click()
    payments = tab.locator("details.entity[id='entity/project/PAY']")
    expect(payments).to_have_attribute("open", "")
    expect(payments.locator("summary")).to_be_focused()
    back = payments.locator(".incoming")
    expect(back).to_contain_text("Repository as project of")
    expect(back.get_by_role("link", name="api")).to_have_attribute("href", "#entity/repository%2Facme%2Fapi")


def test_search_looks_into_properties_and_identifiers_and_says_how_much_it_found(demo: Demo, tab: Tab) -> None:
    demo.repository("acme/api", title="api", language="Go")
    demo.repository("acme/web", title="web", language="TypeScript")
    demo.project(title="Payments")
    tab.goto(demo.url)
    expect(entity(tab, "web")).to_be_visible()
    tab.keyboard.press("/")
    expect(tab.get_by_label("Search the catalog")).to_be_focused()
    tab.keyboard.type("typescript acme")
    expect(entity(tab, "web")).to_be_visible()
    expect(entity(tab, "api")).to_be_hidden()
    expect(tab.get_by_role("heading", name="Project", exact=False)).to_be_hidden()
    expect(tab.locator("#found")).to_have_text("1 entity matches.")

    demo.repository("acme/next", title="next", language="TypeScript")
    expect(tab.locator("#found")).to_have_text("2 entities match.")
    tab.keyboard.press("Escape")
    expect(entity(tab, "api")).to_be_visible()


def test_a_link_into_what_the_search_hides_is_followed(demo: Demo, tab: Tab) -> None:
    demo.project("PAY", title="Payments")
    demo.repository("acme/api", title="api", project="PAY", language="Go")
    tab.goto(demo.url)
    tab.get_by_label("Search the catalog").fill("acme/api")
    expect(entity(tab, "Payments")).to_be_hidden()
    entity(tab, "api").locator("summary").click()
    entity(tab, "api").get_by_role("link", name="Payments").click()
    expect(entity(tab, "Payments").locator("summary")).to_be_focused()


def test_text_from_bitbucket_is_text_and_never_markup(demo: Demo, tab: Tab) -> None:
    demo.project("PAY", title=HOSTILE, url="javascript://x/%0adocument.title='owned'")
    demo.cloud.stored("d1", HOSTILE)
    demo.cloud.failed("d1", f"tried again in 5 s: {HOSTILE}")
    demo.cloud.bury("d1")
    tab.goto(demo.url)
    shown = tab.locator("details.entity")
    expect(shown.locator(".title")).to_have_text(HOSTILE)
    shown.locator("summary").click()
    expect(shown.locator("dd").first).to_have_text("javascript://x/%0adocument.title='owned'")
    expect(shown.locator("dd a")).to_have_count(0)
    expect(tab.locator("#delivery-list .reason").first).to_have_text(HOSTILE)
    expect(tab.locator(".letters .reason")).to_have_text(HOSTILE)
    expect(tab.locator("img, body script")).to_have_count(0)
    assert "owned" not in tab.title()


def test_a_dead_letter_is_shown_with_its_reason_and_in_the_headline(demo: Demo, tab: Tab) -> None:
    tab.goto(demo.url)
    expect(tab.locator(".stack")).to_have_count(2)
    demo.server.stored("d1")
    demo.server.failed("d1", "tried again in 600 s: Port answered 500", message_id="m1")
    expect(tab.locator("#headline")).to_have_text("1 delivery is being tried again")
    expect(tab.locator("#delivery-list li").first).to_contain_text("next try at")
    demo.server.bury("d1", "m1")

    card = tab.locator(".stack", has=tab.get_by_role("heading", name="Bitbucket Data Center"))
    expect(card.locator(".letters li")).to_contain_text("Port answered 500")
    expect(card.locator(".letters li")).to_contain_text("tried 500 times")
    expect(tab.locator("#delivery-list .outcome").first).to_have_text("Dead letter")
    expect(tab.locator("#headline")).to_have_text("1 message could not be delivered")
    expect(tab.locator("#detail")).to_have_text("Port answered 500")


def test_queue_depths_are_shown_for_each_stack(demo: Demo, tab: Tab) -> None:
    tab.goto(demo.url)
    card = tab.locator(".stack", has=tab.get_by_role("heading", name="Bitbucket Cloud"))
    tile = card.locator(".queues > div", has_text="Pull request")
    expect(tile.locator("dd")).to_have_text("0")
    demo.cloud.waiting = {"PullRequestQueue": 4}
    expect(tile.locator("dd")).to_have_text("4")
    expect(tab.locator("#headline")).to_have_text("4 messages are on the way")


def test_deliveries_are_newest_first_and_can_be_narrowed_to_those_that_need_a_look(demo: Demo, tab: Tab) -> None:
    demo.cloud.stored("d1", at=NOON)
    demo.cloud.applied("d1", written=1)
    demo.server.answered("refused", 401, at=NOON + 5, event_key="pr:opened", reason="the signature is missing or wrong")
    tab.goto(demo.url)
    rows = tab.locator("#delivery-list > li:visible")
    expect(rows.locator(".event")).to_have_text(["pr:opened", "repo:push"])
    demo.cloud.stored("d2", "repo:updated", at=NOON + 9)
    expect(rows.locator(".event")).to_have_text(["repo:updated", "pr:opened", "repo:push"])
    tab.get_by_label("Only those that need a look").check()
    expect(rows).to_have_count(1)
    expect(rows.first).to_contain_text("the signature is missing or wrong")


def test_the_page_says_that_the_connection_is_lost_and_catches_up_by_itself(demo: Demo, tab: Tab) -> None:
    demo.project(title="Payments")
    tab.goto(demo.url)
    connection = tab.locator("#connection")
    expect(connection).to_have_text("Live")
    demo.page.stop()
    expect(connection).to_contain_text("Connection lost")
    expect(entity(tab, "Payments")).to_be_visible()

    demo.repository("acme/api", title="api")
    demo.port.remove_entity("project", "PAY")
    again = Page([demo.cloud, demo.server], demo.port, StoppedClock())
    try:
        again.start(int(demo.url.rpartition(":")[2]))
        expect(connection).to_have_text("Live", timeout=20_000)
        expect(entity(tab, "api")).to_be_visible()
        expect(entity(tab, "Payments")).to_have_count(0, timeout=20_000)
    finally:
        again.stop()


@pytest.mark.parametrize("width", [320, 375, 768, 1280])
def test_nothing_has_to_be_scrolled_sideways(demo: Demo, tab: Tab, width: int) -> None:
    demo.project("P" * 120, title="x" * 200, url="https://example.com/" + "y" * 200)
    demo.repository("acme/" + "z" * 100, visibility="private", readme="w" * 900, project="P" * 120)
    demo.cloud.stored("d" * 100, "event:" + "k" * 100)
    demo.cloud.failed("d" * 100, "tried again in 600 s: " + "r" * 300)
    demo.cloud.bury("d" * 100)
    tab.set_viewport_size({"width": width, "height": 800})
    tab.goto(demo.url)
    expect(tab.locator("summary")).to_have_count(3)
    for summary in tab.locator("summary").all():
        summary.click()
    expect(tab.locator("details[open] .more")).to_have_count(3)
    assert tab.evaluate("document.documentElement.scrollWidth") <= width


def test_on_a_phone_the_parts_of_the_page_are_one_tap_away(demo: Demo, tab: Tab) -> None:
    for number in range(40):
        demo.repository(f"acme/r{number:02d}")
    demo.cloud.stored("d1")
    tab.set_viewport_size({"width": 375, "height": 812})
    tab.goto(demo.url)
    tab.get_by_role("navigation").get_by_role("link", name="Deliveries").click()
    expect(tab.locator("#deliveries-heading")).to_be_in_viewport()
    expect(tab.get_by_role("navigation")).to_be_in_viewport()


def test_a_large_catalog_is_shown_in_portions(demo: Demo, tab: Tab) -> None:
    for number in range(250):
        demo.repository(f"acme/r{number:03d}")
    tab.goto(demo.url)
    rows = tab.locator("details.entity:visible")
    expect(rows).to_have_count(100)
    tab.get_by_role("button", name="Show 100 more of 150").click()
    expect(rows).to_have_count(200)
    tab.get_by_label("Search the catalog").fill("r249")
    expect(rows).to_have_count(1)


def test_with_the_real_port_it_says_where_the_catalog_is(demo: Demo, tab: Tab) -> None:
    demo.cloud.stored("d1")
    demo.cloud.applied("d1", written=1)
    page = Page([demo.cloud], None, StoppedClock())
    try:
        tab.goto(page.start(0))
        expect(tab.locator("#elsewhere")).to_contain_text("the real Port")
        expect(tab.get_by_label("Search the catalog")).to_be_hidden()
        expect(tab.locator("#delivery-list .outcome")).to_have_text("Written")
        expect(tab.locator("#found")).to_be_empty()
    finally:
        page.stop()


def test_what_cannot_be_read_is_said_and_the_page_recovers(
    demo: Demo, tab: Tab, capfd: pytest.CaptureFixture[str]
) -> None:
    demo.cloud.stored("d1")
    demo.cloud.applied("d1", written=1)
    tab.goto(demo.url)
    expect(tab.locator("#headline")).to_have_text("Everything is up to date")
    demo.cloud.broken = True
    expect(tab.locator("#headline")).to_have_text("The machine cannot be looked at")
    expect(tab.locator("#detail")).to_have_text("ConnectionError: moto is gone")
    demo.cloud.broken = False
    expect(tab.locator("#headline")).to_have_text("Everything is up to date")
    assert "moto is gone" in capfd.readouterr().err


def test_nothing_is_fetched_from_anywhere_else(demo: Demo, tab: Tab) -> None:
    asked: list[str] = []
    tab.on("request", lambda request: asked.append(request.url))
    demo.project(title="Payments", url="https://example.com/")
    tab.goto(demo.url)
    expect(entity(tab, "Payments")).to_be_visible()
    assert asked
    assert [url for url in asked if not url.startswith((demo.url, "data:"))] == []


def test_dark_and_light_are_told_apart_and_text_stays_readable(demo: Demo, browser: Browser) -> None:
    demo.repository("acme/api", title="api", visibility="private")
    demo.cloud.stored("d1")
    demo.cloud.failed("d1", "tried again in 600 s: Port answered 500")
    demo.cloud.bury("d1")
    grounds = set()
    for scheme in ("light", "dark"):
        context = browser.new_context(color_scheme=scheme)
        tab = context.new_page()
        tab.goto(demo.url)
        expect(entity(tab, "api")).to_be_visible()
        expect(tab.locator(".letters li")).to_be_visible()
        tab.wait_for_function("!document.querySelector('.changed')")
        grounds.add(tab.evaluate("getComputedStyle(document.body).backgroundColor"))
        assert json.loads(tab.evaluate(LOW_CONTRAST)) == []
        context.close()
    assert len(grounds) == 2


LOW_CONTRAST = """() => {
  const numbers = (color) => color.match(/[\\d.]+/g).map(Number);
  const light = (color) => {
    const linear = (part) => (part / 255 <= 0.04045 ? part / 255 / 12.92 : ((part / 255 + 0.055) / 1.055) ** 2.4);
    const [r, g, b] = numbers(color).map(linear);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const ground = (node) => {
    for (let at = node; at; at = at.parentElement) {
      const color = getComputedStyle(at).backgroundColor;
      if ((numbers(color)[3] ?? 1) > 0) return color;
    }
  };
  const low = [];
  for (const node of document.querySelectorAll("body *")) {
    const own = [...node.childNodes].some((child) => child.nodeType === 3 && child.data.trim());
    if (!own || !node.checkVisibility()) continue;
    const [a, b] = [light(getComputedStyle(node).color), light(ground(node))];
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (ratio < 4.5) low.push([node.className, node.textContent.slice(0, 30), ratio]);
  }
  return JSON.stringify(low);
}"""
"""Every piece of text whose contrast is below 4.5 (WCAG 2.2, success criterion 1.4.3)."""


@pytest.mark.parametrize(
    ("host", "status"), [("127.0.0.1", 200), ("localhost:3001", 200), ("[::1]:3001", 200), ("evil.example:3001", 403)]
)
def test_only_this_machines_names_lead_to_the_page(demo: Demo, host: str, status: int) -> None:
    request = urllib.request.Request(demo.url + "/", headers={"Host": host})
    try:
        with urllib.request.urlopen(request) as answer:
            assert answer.status == status
            assert "trusted-types 'none'" in answer.headers["Content-Security-Policy"]
    except urllib.error.HTTPError as error:
        assert error.code == status


def test_what_programs_are_told_is_for_this_machines_names_only() -> None:
    page = Page([], None, StoppedClock(), machine=lambda: {"stacks": []})
    url = page.start(0) + "/stacks.json"
    try:
        with urllib.request.urlopen(url) as answer:
            assert json.load(answer) == {"stacks": []}
        with pytest.raises(urllib.error.HTTPError, match="403"):
            urllib.request.urlopen(urllib.request.Request(url, headers={"Host": "evil.example:3001"}))
    finally:
        page.stop()


@pytest.mark.parametrize("path", ["/stacks.json", "/missing", "/../deliveries.py", "/server.py", "/events/more"])
def test_nothing_else_is_served(demo: Demo, path: str) -> None:
    with pytest.raises(urllib.error.HTTPError, match="404"):
        urllib.request.urlopen(demo.url + path)
