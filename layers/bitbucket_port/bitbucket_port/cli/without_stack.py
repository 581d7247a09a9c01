"""What set-up works with where there is no stack: Port and Bitbucket as they are, and nothing kept.

``CommandRuntime`` has the same names as the functions' ``Runtime``, as far as they make sense without AWS.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from bitbucket_port import __version__
from bitbucket_port.bitbucket.budget import Budgets, MemoryBudgetStore
from bitbucket_port.bitbucket.client import Bitbucket
from bitbucket_port.bitbucket.connect import connect
from bitbucket_port.catalog.sqlite import SQLiteLedger
from bitbucket_port.cli.comparing import WroteError
from bitbucket_port.cli.settings import CommandSettings
from bitbucket_port.errors import SettingsError
from bitbucket_port.http import Deadline, Response
from bitbucket_port.live import SourceName
from bitbucket_port.mapping.engine import MappingEngine
from bitbucket_port.port.client import PortClient
from bitbucket_port.reading import BitbucketReader, RefusedCredentials
from bitbucket_port.sqlite import Database

PATIENCE_SECONDS = 600.0
"""How long set-up may take altogether; what is not done by then is said to be left."""


class AskedPort(PortClient):
    """Port, asked and never told: whatever would change something is stopped at the last moment."""

    def _request(self, method: str, path: str, **more: Any) -> Response:
        if method != "GET" and not (method == "POST" and path.endswith(("/search", "/access_token"))):
            raise WroteError(f"a check was about to send {method} {path}")
        return super()._request(method, path, **more)


class CommandRuntime:
    """Clients and mapping of one command. ``writes``: whether Port may be told anything."""

    def __init__(
        self,
        settings: CommandSettings,
        database: Database,
        *,
        writes: bool,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.settings = settings.common
        self.leaves_reserve = False
        self.ledger = SQLiteLedger(database)
        self.engine = MappingEngine(settings.mapping(), now=clock)
        self._command = settings
        self._writes = writes
        self._clock = clock
        self._deadline = Deadline.after(PATIENCE_SECONDS)

    def follow_mapping(self) -> bool:
        """The mapping is the file's or the preset's, for as long as the command lasts."""
        return False

    def access_tokens(self) -> int:
        """How many credentials of Bitbucket there are, each with a limit of its own."""
        if self.settings.bitbucket_username:
            return 1
        return sum(bool(part.strip()) for part in self._command.bitbucket_token.split(","))

    @property
    def trusted(self) -> bool | str:
        """What ``requests`` verifies certificates against."""
        return self._command.verify

    def begin(self, milliseconds_left: int) -> None:
        """Let no request outlive this time."""
        self._deadline = Deadline.after(milliseconds_left / 1000)
        self.port.deadline = self._deadline
        if self._bitbucket is not None:
            self._bitbucket.deadline = self._deadline

    def time_left(self) -> bool:
        """Whether there is enough time to begin something more."""
        return self._deadline.left() > 0

    def send_job(self, message: str, *, delay: int = 0) -> None:
        """See ``send_jobs``."""
        self.send_jobs([message], delay)

    def send_jobs(self, messages: Sequence[str], delay: int = 0) -> None:
        """Nobody would do them: raises SettingsError."""
        del messages, delay
        raise SettingsError("without a stack there is no queue for jobs; --stack names one")

    @cached_property
    def port(self) -> PortClient:
        """Port, seen as this integration."""
        made = plain_port(self._command, writes=self._writes)
        made.deadline = self._deadline
        return made

    @cached_property
    def _bitbucket(self) -> Bitbucket | None:
        common = self.settings
        if common.webhook_only:
            return None
        return connect(
            common.product,
            common.bitbucket_url,
            lambda: self._command.bitbucket_token,
            deadline=self._deadline,
            workspace=common.workspace,
            username=common.bitbucket_username,
            verify=self._command.verify,
            budgets=Budgets(MemoryBudgetStore(), common.product, now=self._clock).of,
        )

    @cached_property
    def reader(self) -> BitbucketReader | None:
        """Bitbucket, None in webhook-only mode."""
        if self._bitbucket is None:
            return None
        return BitbucketReader(
            self._bitbucket,
            source=self.source.of,
            wants=self.engine.wants,
            refused=RefusedCredentials(self.ledger),
            version=lambda: "",
            mapping_hash=lambda: self.engine.mapping.hash,
            people=self.port.user_emails,
            clock=self._clock,
        )

    @cached_property
    def source(self) -> SourceName:
        """The prefix of source keys."""
        return SourceName(
            product=self.settings.product,
            workspace=self.settings.workspace,
            base_url=self.settings.bitbucket_url,
            ledger=self.ledger,
            ask=None if self._bitbucket is None else self._ask_source,
        )

    def _ask_source(self) -> str:
        if self.reader is None:
            raise ValueError("webhook-only mode asks Bitbucket nothing")
        return self.reader.source()


def plain_port(settings: CommandSettings, *, writes: bool, seconds: float = PATIENCE_SECONDS) -> PortClient:
    """Port, seen as the integration that the settings name; for so many seconds."""
    common = settings.common
    return (PortClient if writes else AskedPort)(
        common.port_base_url,
        client_id=common.port_client_id,
        client_secret=lambda: settings.port_client_secret,
        integration_type=common.integration_type,
        integration_identifier=common.integration_identifier,
        version=__version__,
        deadline=Deadline.after(seconds),
        verify=settings.verify,
    )


@contextmanager
def command_runtime(
    settings: CommandSettings, *, writes: bool, clock: Callable[[], float] = time.time
) -> Iterator[CommandRuntime]:
    """A runtime whose ledger goes with it."""
    with ExitStack() as exits:
        folder = exits.enter_context(TemporaryDirectory(prefix="bitbucket-port-"))
        database = Database(Path(folder) / "setup.sqlite")
        exits.callback(database.close)
        yield CommandRuntime(settings, database, writes=writes, clock=clock)
