"""``bitbucket-port setup``: what a deployed stack does by itself, now; and with ``--check`` how everything stands."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Protocol

from rich.text import Text

from bitbucket_port.cli.findings import count, exit_status, show
from bitbucket_port.cli.options import Command, Commands, add_command, add_settings, add_verbose, given
from bitbucket_port.cli.settings import SETUP_NAMES, CommandSettings, from_values, resolved
from bitbucket_port.setup.findings import Finding
from bitbucket_port.setup.store import Occasion

MILLISECONDS = 900_000
"""As long as the function of a stack may take."""

_ABOUT = """\
Makes what a resync and live events need: the blueprints in Port that are missing, the integration with its mapping,
and the webhooks in Bitbucket of a stack (--stack), or of whoever listens at BASE_URL. A stack does the same by itself
when it is deployed and with each scheduled resync. It may be repeated: what is right already is left as it is.

With --check nothing is written anywhere. It says how everything stands and what to do, and needs no AWS.

Settings come from options, from the environment (the names below in capitals, such as BITBUCKET_TOKEN) or from the
OCEAN__… variables of Port's own Bitbucket integrations, in this order.

exit status: 0 everything is well, 1 something should be mended, 2 nothing can work before something is
"""


class SetUp(Protocol):
    """What the command needs of ``setup.run.SetUp``."""

    def check(self) -> list[Finding]:
        """How everything stands; writes nothing."""

    def carry_out(self, occasion: Occasion) -> list[Finding]:
        """Do everything that can be done now."""


def add_to(commands: Commands) -> None:
    """The command's grammar."""
    one = add_command(
        commands, "setup", SetUpCommand, short="make what is missing in Port and Bitbucket, or only check", about=_ABOUT
    )
    one.add_argument("--check", action="store_true", help="only say how everything stands; writes nothing")
    one.add_argument("--stack", metavar="NAME", help="for this stack in AWS: its settings, secrets, ledger and queue")
    add_verbose(one)
    add_settings(one, SETUP_NAMES)


class SetUpCommand(Command):
    """One set-up as the command line asks for it. ``more`` may hold a ``clock`` in tests."""

    def run(self) -> int:
        """Carry it out, show what was found; returns the exit status."""
        with self._set_up() as set_up:
            findings = set_up.check() if self.options.check else set_up.carry_out("by hand")
        show(self.output, findings)
        self.output.print(Text(self._last_line(findings)), soft_wrap=True)
        return exit_status(findings)

    def _last_line(self, findings: list[Finding]) -> str:
        found = count(findings)
        if self.options.check:
            return f"{found or 'Everything is well'}. Nothing was written."
        return f"{found or 'Everything was right already'}."

    @contextmanager
    def _set_up(self) -> Iterator[SetUp]:
        clock = self.more.get("clock", time.time)
        if self.options.stack:
            yield set_up_of_stack(self.options.stack, self.environment)
            return
        settings = from_values(resolved(given(self.options, SETUP_NAMES), self.environment), names=SETUP_NAMES)
        with set_up_without_stack(settings, writes=not self.options.check, clock=clock) as set_up:
            yield set_up


@contextmanager
def set_up_without_stack(
    settings: CommandSettings, *, writes: bool, clock: Callable[[], float] = time.time
) -> Iterator[SetUp]:
    """Set-up with nothing but settings; webhooks are its business only where BASE_URL says who takes them in."""
    from bitbucket_port.cli.assembly import set_up_of
    from bitbucket_port.cli.without_stack import command_runtime

    with command_runtime(settings, writes=writes, clock=clock) as runtime:
        yield set_up_of(runtime, settings.webhook_secret)


def set_up_of_stack(name: str, environment: dict[str, str]) -> SetUp:
    """Set-up of a stack, in this process, with the caller's rights in AWS. Raises SettingsError."""
    from bitbucket_port.cli import stack
    from bitbucket_port.runtime import Runtime
    from bitbucket_port.setup.assembly import set_up_of

    runtime = Runtime({**environment, **stack.environment_of(name, as_deployed=True)})
    runtime.begin(MILLISECONDS)
    return set_up_of(runtime)
