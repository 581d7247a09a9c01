"""What is seen while it goes on."""

from __future__ import annotations

import io

from rich.console import Console

from bitbucket_port.cli.show import LINE_SECONDS, LONG_WAIT_SECONDS, Bars, Lines, shown_on
from bitbucket_port.objects import SourceKey
from bitbucket_port.resync.jobs import ListJob, PhaseJob, PortJob

LISTS = [ListJob("run", "pull-request", SourceKey("repository", "source", str(n))).to_message() for n in range(3)]
PORT = PortJob("run", "service").to_message()
PHASE = PhaseJob("run", "listing").to_message()


class Time:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def text_of(console: Console) -> str:
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_a_terminal_gets_bars_and_anything_else_gets_lines() -> None:
    terminal = Console(file=io.StringIO(), force_terminal=True, _environ={"TERM": "xterm"})
    assert isinstance(shown_on(terminal), Bars)
    assert isinstance(shown_on(Console(file=io.StringIO())), Lines)


def test_bars_grow_with_what_is_ordered_and_done() -> None:
    console = Console(file=io.StringIO(), force_terminal=True, width=100, _environ={"TERM": "xterm"})
    with Bars(console) as bars:
        bars.began("resync")
        bars.ordered([PHASE, *LISTS])
        bars.done(PHASE)
        bars.done(LISTS[0])
        bars.ordered([PORT])
        bars.waits("Bitbucket's limit [is] reached", 30)
    shown = text_of(console)
    assert "Reading Bitbucket" in shown
    assert "1/3" in shown
    assert "Comparing with Port" in shown
    assert "Bitbucket's limit [is] reached" in shown


def test_lines_are_few_plain_and_tell_how_far_it_is() -> None:
    time, console = Time(), Console(file=io.StringIO(), width=80)
    lines = Lines(console, clock=time)
    with lines:
        lines.began("resync")
        lines.ordered([PHASE, *LISTS])
        lines.done(LISTS[0])
        time.now += LINE_SECONDS
        lines.done(LISTS[1])
        lines.done(LISTS[2])
    assert text_of(console).splitlines() == [
        "bitbucket-port: resync",
        "bitbucket-port: reading bitbucket 2/3",
        "bitbucket-port: reading bitbucket 3/3",
    ]


def test_a_reason_to_wait_is_told_again_only_when_it_lasts() -> None:
    time, console = Time(), Console(file=io.StringIO(), width=80)
    lines = Lines(console, clock=time)
    for _ in range(3):
        lines.waits("the limit is reached [bold]", 5)
    time.now += LONG_WAIT_SECONDS
    lines.waits("the limit is reached [bold]", 5)
    assert text_of(console).splitlines() == ["bitbucket-port: goes on in 5 s: the limit is reached [bold]"] * 2
