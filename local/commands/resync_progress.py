"""The resyncs with which the machine starts, told in the terminal."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence

from rich.console import Console
from rich.live import Live
from rich.table import Table

from bitbucket_port.objects import JsonObject
from local import resync_words as words
from local.resyncs import Look, RefusedError, Resyncs, Watched

LOOK_EVERY = 0.25
"""Real seconds between two looks."""


def begin(resyncs: Sequence[Resyncs], console: Console, stopping: threading.Event, *, always: bool) -> bool:
    """Have a resync of every stack begin, or only where one is due; whether there is any to follow."""
    answers: list[bool] = [False] * len(resyncs)

    def ask(place: int, one: Resyncs) -> None:
        try:
            answers[place] = one.begin("make run", always=always)
        except RefusedError as refusal:
            if stopping.is_set():
                return
            # The schedule may have been quicker; then that one is as good.
            answers[place] = one.look().run is not None
            if not answers[place]:
                console.print(f"No resync of {words.title(one.product)}: {refusal}", style="dim", markup=False)

    threads = [
        threading.Thread(target=ask, args=(place, one), daemon=True, name=f"begin-{one.product}")
        for place, one in enumerate(resyncs)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        while thread.is_alive() and not stopping.is_set():
            thread.join(LOOK_EVERY)
    return any(answers)


def follow(resyncs: Sequence[Watched], console: Console, stopping: threading.Event) -> None:
    """Show how the resyncs go until each has ended or ``stopping`` is set, then what they did.

    A table that changes on a terminal; elsewhere a line for each phase.
    """
    seen: dict[int, str] = {}
    with Live(console=console, auto_refresh=False, transient=True, redirect_stdout=False) as live:
        for looks in _until_ended(resyncs, stopping):
            if console.is_terminal:
                live.update(_table(resyncs, looks), refresh=True)
                continue
            for place, (one, look) in enumerate(zip(resyncs, looks, strict=True)):
                said = words.phase(look.run.phase) if look.run else ""
                if said and said != seen.get(place):
                    console.print(f"  {words.title(one.product)}: {said}", style="dim", markup=False)
                    seen[place] = said
    if stopping.is_set():
        return
    for one in resyncs:
        last = one.look().last
        if last is not None:
            _tell(words.title(one.product), last, console)


def wait(resyncs: Sequence[Watched], stopping: threading.Event) -> None:
    """Return when none goes on, or ``stopping`` is set."""
    for _ in _until_ended(resyncs, stopping):
        pass


def _until_ended(resyncs: Sequence[Watched], stopping: threading.Event) -> Iterator[list[Look]]:
    while not stopping.is_set():
        began = time.perf_counter()
        looks = [one.look() for one in resyncs]
        if not any(look.run for look in looks):
            return
        yield looks
        # Looking costs the machine that is looked at something: never more than a part of its time.
        stopping.wait(max(LOOK_EVERY, 3 * (time.perf_counter() - began)))


def _table(resyncs: Sequence[Watched], looks: Sequence[Look]) -> Table:
    table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
    for one, look in zip(resyncs, looks, strict=True):
        table.add_row(f"Resync of {words.title(one.product)}", words.state(look), words.listed(look.so_far))
    return table


def _tell(title: str, report: JsonObject, console: Console) -> None:
    colour = "green" if report["status"] == "complete" else "yellow"
    console.print(f"Resync of {title}: [{colour}]{report['status']}[/{colour}] {words.cost(report)}")
    console.print(f"  {words.listed(report)}; {words.changed(report)}", markup=False)
    for failure in report["failures"]:
        console.print(f"  {failure['what']}: {failure['reason']}", style="yellow", markup=False)
