"""The stream behind the page: everything at first, then only changes, and no work for nobody."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator
from typing import Any

import pytest

from local.page.feed import Feed, Parts
from tests.page.fakes import Demo


class Machine:
    def __init__(self) -> None:
        self.parts: Parts = {"a": {"n": 1}, "b": {"n": 1}}
        self.looks = 0

    def read(self) -> Parts:
        self.looks += 1
        return dict(self.parts)


@pytest.fixture
def machine() -> Machine:
    return Machine()


@pytest.fixture
def feed(machine: Machine) -> Iterator[Feed]:
    feed = Feed(machine.read)
    feed.start()
    yield feed
    feed.stop()


def message(viewer: Any) -> Any:
    return json.loads(viewer.messages.get(timeout=20))


def test_a_viewer_gets_everything_and_then_what_changed(feed: Feed, machine: Machine) -> None:
    viewer = feed.open()
    assert message(viewer) == {"whole": True, "set": {"a": {"n": 1}, "b": {"n": 1}}, "gone": []}
    machine.parts = {"a": {"n": 2}, "c": {"ü": "</script>\n"}}
    assert message(viewer) == {"whole": False, "set": {"a": {"n": 2}, "c": {"ü": "</script>\n"}}, "gone": ["b"]}


def test_nobody_looks_while_no_page_is_open(feed: Feed, machine: Machine) -> None:
    assert machine.looks == 0
    viewer = feed.open()
    message(viewer)
    feed.close(viewer)
    machine.parts = {"d": {}}
    # What happened in between is in the next viewer's first message, and no look lies between the two.
    with feed._lock:
        looks = machine.looks
    again = feed.open()
    assert list(message(again)["set"]) == ["d"]
    assert machine.looks >= looks + 1


def test_a_viewer_that_does_not_keep_up_is_cut_off_and_the_others_are_not(feed: Feed, machine: Machine) -> None:
    slow, quick = feed.open(), feed.open()
    while not slow.messages.full():
        slow.messages.put_nowait("unread")
    message(quick)
    machine.parts = {"d": {}}
    assert list(message(quick)["set"]) == ["d"]
    assert slow.cut
    assert not quick.cut


def test_each_message_is_one_line_of_data_whatever_it_says(demo: Demo) -> None:
    demo.project(title="two\nlines\r\n\n and \u2028 more")
    connection = http.client.HTTPConnection(demo.url.removeprefix("http://"), timeout=20)
    connection.request("GET", "/events")
    answer = connection.getresponse()
    assert answer.headers["Content-Type"] == "text/event-stream; charset=utf-8"
    lines = [answer.readline().decode() for _ in range(4)]
    connection.close()
    assert lines[:2] == ["retry: 1000\n", "\n"]
    assert lines[3] == "\n"
    part = json.loads(lines[2].removeprefix("data: "))["set"]["entity/project/PAY"]
    assert part["title"] == "two\nlines\r\n\n and \u2028 more"
