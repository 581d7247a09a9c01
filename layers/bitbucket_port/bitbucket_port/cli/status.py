"""``bitbucket-port status``: how a stack stands."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from rich.text import Text

from bitbucket_port.cli.options import Command, Commands, add_command, add_verbose

_LOCAL = "http://127.0.0.1:3001"
_ABOUT = """\
Says how a stack stands: the last delivery of each family, the last complete resync and its report, the queues, the
dead letters and why they failed, how much of Bitbucket's limit on requests is used, and webhooks that are missing or
do not work. It asks AWS alone, neither Bitbucket nor Port.

exit status: 0 everything is well, 1 something should be looked at, 2 the stack cannot be read
"""


def add_to(commands: Commands) -> None:
    """The command's grammar."""
    one = add_command(commands, "status", StatusCommand, short="say how a stack stands", about=_ABOUT)
    which = one.add_mutually_exclusive_group(required=True)
    which.add_argument("--stack", metavar="NAME", help="the stack with this name in AWS")
    which.add_argument(
        "--local",
        metavar="PAGE",
        nargs="?",
        const=_LOCAL,
        help="the stacks of the machine that make run started; the address of its page (%(const)s)",
    )
    add_verbose(one)


class StatusCommand(Command):
    """One look. ``more`` may hold a ``clock`` in tests."""

    def run(self) -> int:
        """Look and show; returns the exit status. Raises SettingsError where there is no such stack."""
        from bitbucket_port.cli import local_stack, stack
        from bitbucket_port.cli.stack_status import Place

        if self.options.local:
            found = local_stack.stacks_at(self.options.local)
            with local_stack.asking(found.aws):
                return self._show(found.places)
        name = self.options.stack
        environment = {**self.environment, **stack.environment_of(name, as_deployed=True)}
        return self._show([Place(name, environment, stack.queues_of(name), self.more.get("clock", time.time))])

    def _show(self, places: Sequence[Any]) -> int:
        from bitbucket_port.cli.stack_status import read
        from bitbucket_port.cli.status_view import show

        worst = 0
        for place in places:
            bad = show(self.output, read(place))
            told = f"To be looked at: {', '.join(bad)}." if bad else "Everything is well."
            self.output.print(Text(told, "yellow" if bad else "green"), soft_wrap=True)
            worst = max(worst, int(bool(bad)))
        return worst
