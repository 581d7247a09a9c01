"""``run``: the stack and its page; where nothing is real also a story, and state on disk if wanted."""

from __future__ import annotations

import argparse
import os
import sys
import threading
from contextlib import ExitStack
from functools import partial
from pathlib import Path

from rich.console import Console

from local import resync_words as words
from local import story
from local.commands import resync_progress
from local.commands.settings import SECRET, SettingsError, product_of, real_servers, with_stand_ins
from local.landscape import Landscape, PortTakenError
from local.machine import Product
from local.page import Page
from local.page.stacks import described
from local.resyncs import Timer
from local.state import DEFAULT_FOLDER, State

PRODUCTS: tuple[Product, ...] = ("cloud", "server")
SAVING_PAUSE = 3.0
"""Real seconds between two savings of the state."""
SCENE_PAUSE = 1.5
"""Real seconds between two scenes where somebody looks on."""


def run(options: argparse.Namespace, console: Console, stopping: threading.Event) -> int:
    """Run until the story is told or ``stopping`` is set; 1 when something is left in a queue.

    Raises SettingsError, StateError and StoppedError.
    """
    real = real_servers(os.environ)
    if real is not None and options.time_scale != 1:
        raise SettingsError("Real servers live in real time: --time-scale is for the stand-ins only.")
    with ExitStack() as exits:
        landscape = Landscape(
            PRODUCTS if real is None else [product_of(real)],
            real=real,
            parameters=with_stand_ins(os.environ),
            webhook_secret=os.environ.get("WEBHOOK_SECRET", ""),
            scale=options.time_scale,
            gateway_port=options.gateway_port,
            furnished=True,
            resync_every=options.resync_every,
            set_up=True,
            state=_state(options, real, exits),
        )
        exits.callback(landscape.stop)
        try:
            landscape.start(stopping)
            told = partial(described, landscape.stacks, landscape.moto)
            page = Page(landscape.stacks, landscape.port, landscape.clock, landscape.resyncs, told)
            exits.callback(page.stop)
            page_url = _start_page(page, options.page_port)
        except PortTakenError as error:
            raise SettingsError(f"{error} (--gateway-port and --page-port choose others, 0 any free one)") from error
        console.print(f"ready {landscape.stacks[0].url}")
        console.print(f"page {page_url}")
        _tell_set_up(landscape, console)
        if options.keep is not None:
            _save_now_and_then(landscape, exits)
        if options.resync_every:
            timer = Timer(landscape.resyncs, landscape.clock)
            exits.callback(timer.stop)
            timer.start()
        if real is not None:
            console.print(f"sign webhooks with the secret {landscape.stacks[0].webhook_secret}")
            _resync(landscape, console, stopping)
            stopping.wait()
            return 0
        return _demonstrate(landscape, options, console, stopping)


def _state(options: argparse.Namespace, real: dict[str, str] | None, exits: ExitStack) -> State | None:
    """The state to go on with, after forgetting it where that is wanted."""
    if options.keep is None and not options.reset:
        return None
    public = {name: value for name, value in (real or {}).items() if name not in SECRET}
    purpose = (
        {"servers": "real", **public} if real is not None else {"servers": "stand-ins", **with_stand_ins(os.environ)}
    )
    state = State(Path(options.keep) if options.keep else DEFAULT_FOLDER, purpose)
    state.open()
    exits.callback(state.close)
    if options.reset:
        state.reset()
    return state if options.keep is not None else None


def _start_page(page: Page, port: int) -> str:
    try:
        return page.start(port)
    except OSError as error:
        raise PortTakenError(f"port {port}, wanted for the page, is in use by somebody else") from error


def _save_now_and_then(landscape: Landscape, exits: ExitStack) -> None:
    ended = threading.Event()

    def save() -> None:
        while not ended.wait(SAVING_PAUSE):
            landscape.save_when_quiet()

    thread = threading.Thread(target=save, name="saving", daemon=True)
    thread.start()
    exits.callback(thread.join)
    exits.callback(ended.set)


def _resync(landscape: Landscape, console: Console, stopping: threading.Event) -> None:
    """Have begin what is due, as on AWS (where the ledger was kept, that may be nothing), and follow it.

    The first deployment began one by itself, which may have ended already.
    """
    if resync_progress.begin(landscape.resyncs, console, stopping, always=False) or not landscape.resumed:
        resync_progress.follow(landscape.resyncs, console, stopping)


def _tell_set_up(landscape: Landscape, console: Console) -> None:
    for stack in landscape.stacks:
        console.print(f"Set-up of {words.title(stack.product)}: {stack.outputs()['SetUpReport']}", markup=False)


def _demonstrate(landscape: Landscape, options: argparse.Namespace, console: Console, stopping: threading.Event) -> int:
    """Resync, tell the story, show the catalog, and stay where somebody may look at the page."""
    looked_at = sys.stdout.isatty()
    first, second = landscape.machines
    assert landscape.port is not None
    console.print(
        f"Bitbucket Cloud {first.bitbucket.url}, Data Center {second.bitbucket.url}, Port {landscape.port.url}",
        style="dim",
    )
    if landscape.progress.told:
        console.print("Going on where it was left; what was told of the story is not told again.", style="dim")
    _resync(landscape, console, stopping)
    for machine in landscape.machines:
        story.tell(machine, console, stopping, landscape.progress, pause=SCENE_PAUSE if looked_at else 0.0)
    if stopping.is_set():
        return 0
    resync_progress.wait(landscape.resyncs, stopping)  # One that began during the story is no reason to complain.
    if stopping.is_set():
        return 0
    story.show(landscape.port, console)
    dead = {name: depth for stack in landscape.stacks for name, depth in stack.depths().items() if depth}
    if dead:
        console.print(f"[red]Something is left in the queues: {dead}")
    else:
        console.print("[green]Everything arrived; no queue holds anything.")
    if runs_on(options, on_terminal=looked_at):
        console.print("Running on, so that the page can be looked at. Ctrl-C ends it.", style="dim")
        stopping.wait()
    return 1 if dead else 0


def runs_on(options: argparse.Namespace, *, on_terminal: bool) -> bool:
    """Whether to stay after the story: where somebody can look at the page and press Ctrl-C, unless told otherwise."""
    return bool(options.keep_running or (on_terminal and not options.exit))
