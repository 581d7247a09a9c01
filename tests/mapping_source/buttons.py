"""One stack as Port sees it: set-up, the tick every minute, and runs, over a Port on loopback and a clock we move.

Runs only take their time and tell Port of themselves; what they list is other tests' business.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from bitbucket_port.catalog.sqlite import SQLiteLedger
from bitbucket_port.errors import BitbucketPortError
from bitbucket_port.http import Deadline
from bitbucket_port.mapping.active import ActiveMapping
from bitbucket_port.mapping.parse import parse
from bitbucket_port.objects import JsonObject
from bitbucket_port.port.client import PortClient
from bitbucket_port.port.integration import PortIntegration
from bitbucket_port.port.resync_state import tell_began, tell_ended
from bitbucket_port.resync.poll import Poll
from bitbucket_port.resync.sqlite import SQLiteRunStore
from bitbucket_port.resync.start import Intervals, Starter, Tick
from bitbucket_port.resync.store import Run
from bitbucket_port.setup.findings import Finding
from bitbucket_port.setup.integration import Integration
from bitbucket_port.setup.port_mapping import PortMapping
from bitbucket_port.sqlite import Database
from local.standins.http import Answer, Request
from local.standins.port import PortStandIn

IDENTIFIER = "orchard"
SECRET = "plum-and-quince"
START = 1_800_000_000.0
MINUTE = 60.0
HOUR = 3600.0


class EagerPort(PortStandIn):
    """A Port that requests a resync for every PATCH there is, even the one that tells how a resync goes.

    ``late``: seconds until it does. ``shown_by_object``: the button moves the integration's ``updatedAt``, too.
    """

    def __init__(self, late: float = 0.0, *, told_counts: bool = True) -> None:
        super().__init__("client", SECRET)
        self.late = late
        self.told_counts = told_counts
        self.moment = START
        self.now = lambda: self.moment
        self._waiting: list[tuple[float, str]] = []

    def _request_resync(self, identifier: str) -> None:
        if self.late:
            self._waiting.append((self.moment + self.late, identifier))
        else:
            super()._request_resync(identifier)

    def tell_resync_state(self, request: Request) -> Answer:
        answer = super().tell_resync_state(request)
        if self.told_counts:
            self._request_resync(request.variables["identifier"])
        return answer

    def read_resync_request(self, request: Request) -> Answer:
        for due, identifier in [one for one in self._waiting if one[0] <= self.moment]:
            now, self.moment = self.moment, due
            super()._request_resync(identifier)
            self.moment = now
        self._waiting = [one for one in self._waiting if one[0] > self.moment]
        return super().read_resync_request(request)

    def press(self) -> None:
        """Somebody presses Resync, which is seen at once."""
        late, self.late = self.late, 0.0
        self.press_resync(IDENTIFIER)
        self.late = late

    def edit(self, config: JsonObject) -> None:
        """Somebody saves another mapping, for which the request comes at once."""
        late, self.late = self.late, 0.0
        self.edit_mapping(IDENTIFIER, config)
        self.late = late

    def hold(self, config: Any) -> None:
        """Hold a mapping, whatever it is, as if somebody had saved it without asking for a resync."""
        with self.lock:
            self._integrations[IDENTIFIER]["config"] = config


class Stack:
    """The parts of one stack; ``began`` has the runs that began, ``open`` the one that goes on."""

    def __init__(self, port: EagerPort, *, full: float = 360, polls: bool = True) -> None:
        self.stand_in = port
        self.polls = polls
        database = Database(Path(":memory:"))
        self.ledger, self.store = SQLiteLedger(database), SQLiteRunStore(database)
        self.client = PortClient(
            port.url,
            client_id="client",
            client_secret=lambda: SECRET,
            integration_type="bitbucket-cloud",
            integration_identifier=IDENTIFIER,
            version="1.2.3",
            deadline=Deadline.after(600),
            sleep=lambda _: None,
        )
        self.active = ActiveMapping(self.ledger)
        self.mapping = PortMapping(self.active, product="cloud", preset="default")
        self.intervals = Intervals(full, 0)
        self.began: list[Run] = []
        self.version = "1.0.0"
        self._hashes: dict[str, str] = {}
        self.warnings: list[str] = []

    @property
    def now(self) -> float:
        return self.stand_in.moment

    def wait(self, seconds: float) -> None:
        self.stand_in.moment += seconds

    @property
    def poll(self) -> Poll:
        return Poll(
            port=PortIntegration(self.client, IDENTIFIER),
            notes=self.ledger,
            store=self.store,
            mapping=self.mapping,
            app_type="bitbucket-cloud",
            clock=lambda: self.now,
        )

    @property
    def integration(self) -> Integration:
        return Integration(
            PortIntegration(self.client, IDENTIFIER),
            product="cloud",
            preset="default",
            source="port",
            requests=self.poll,
            mapping=self.mapping,
            version=self.version,
        )

    def hash(self) -> str:
        """The hash of the mapping a function would map with now."""
        active = self.active.which()
        if active.hash not in self._hashes:
            document = self.active.document(active) if active.hash else self.mapping.packaged()
            self._hashes[active.hash] = parse(document, product="cloud", file="").hash
        return self._hashes[active.hash]

    def starter(self, intervals: Intervals) -> Starter:
        return Starter(
            store=self.store,
            send=lambda message, *, delay=0: None,
            mapping_hash=self.hash(),
            kinds=frozenset({"project", "repository"}),
            intervals=intervals,
            clock=lambda: self.now,
            follows_mapping=self.polls,
        )

    def set_up(self) -> list[Finding]:
        """What deploying does, and every scheduled run again."""
        return [*self.integration.register(), *self.integration.take_mapping()]

    def tick(self, *, after: float = MINUTE) -> Tick:
        """One tick, a minute after the last."""
        self.wait(after)
        if self.polls:
            self._safely(self.poll.look)
        tick = self.starter(self.intervals).tick()
        if tick.did == "began" and tick.run is not None:
            self.begin(tick.run)
            self._safely(self.set_up)
        return tick

    def _safely(self, step: Callable[[], object]) -> None:
        """A step whose failure is a warning to the function that takes it."""
        try:
            step()
        except BitbucketPortError as error:
            self.warnings.append(str(error))

    def begin(self, run: Run) -> None:
        """The first job of a run tells Port."""
        self.began.append(run)
        tell = partial(tell_began, self.client, at=self.now, next_at=None, interval_minutes=0)
        self._safely(lambda: self.poll.write("resync began", tell))

    def end(self) -> None:
        """The run's last job: it closes the run, tells Port, and begins what was asked for meanwhile."""
        run = self.store.state().run
        assert run is not None
        self.store.close(run.id, "complete", {}, self.now)
        tell = partial(tell_ended, self.client, "completed", at=self.now, next_at=None, interval_minutes=0)
        self._safely(lambda: self.poll.write("resync ended", tell))
        following = self.starter(Intervals(0, 0)).tick()
        if following.did == "began" and following.run is not None:
            self.begin(following.run)

    def work(self, *, minutes: int = 3) -> None:
        """Runs go on for so long, until none is left; ticks come meanwhile and twice afterwards."""
        while self.store.state().run is not None:
            for _ in range(minutes):
                self.tick()
            self.end()
            self.tick()
            self.tick()

    def requests(self) -> Counter[str]:
        """What Port was asked, by method and path."""
        return Counter(f"{call.method} {call.path}" for call in self.stand_in.calls())
