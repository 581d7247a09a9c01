"""``bitbucket-port uninstall``: removes from Port what deleting a stack leaves there."""

from __future__ import annotations

from typing import Protocol

from rich.text import Text

from bitbucket_port.cli.findings import exit_status, show
from bitbucket_port.cli.options import Command, Commands, add_command, add_settings, add_verbose, given
from bitbucket_port.cli.settings import PORT_NAMES, CommandSettings, from_values, resolved
from bitbucket_port.errors import SettingsError
from bitbucket_port.setup.findings import Finding

PATIENCE_SECONDS = 3600.0

_ABOUT = """\
Removes what is left in Port after a stack was deleted: with --entities the entities that Port shows as written by this
integration, with --integration the integration itself. Blueprints stay, and so does what anybody else wrote. Without
--yes it only says what there is and removes nothing.

Delete the stack first: one that goes on writes everything again. Only its ledger knows which entities were there
before it; where that matters, run this with --stack NAME, and delete the stack right after it.

exit status: 0 done (or, without --yes, said), 1 something could not be removed, 2 failed
"""


class Uninstall(Protocol):
    """What the command needs of ``setup.uninstall.Uninstall``."""

    def look(self) -> list[Finding]:
        """What there is to be removed; writes nothing."""

    def remove(self, *, entities: bool, integration: bool) -> list[Finding]:
        """Remove it."""


def add_to(commands: Commands) -> None:
    """The command's grammar."""
    one = add_command(
        commands, "uninstall", UninstallCommand, short="remove entities and integration from Port", about=_ABOUT
    )
    one.add_argument("--entities", action="store_true", help="the entities that this integration wrote")
    one.add_argument("--integration", action="store_true", help="the integration, with its mapping")
    one.add_argument("--yes", action="store_true", help="really remove; without it nothing is removed")
    one.add_argument(
        "--stack", metavar="NAME", help="with the settings, secrets and ledger of this stack in AWS, while it is there"
    )
    add_verbose(one)
    add_settings(one, PORT_NAMES)


class UninstallCommand(Command):
    """One removal as the command line asks for it."""

    def run(self) -> int:
        """Say what there is, or remove it; returns the exit status. Raises SettingsError."""
        options = self.options
        if options.yes and not (options.entities or options.integration):
            raise SettingsError("--yes needs to know what to remove: --entities, --integration or both")
        uninstall = self._uninstall()
        if options.yes:
            findings = uninstall.remove(entities=options.entities, integration=options.integration)
        else:
            findings = uninstall.look()
        show(self.output, findings)
        if not options.yes:
            self.output.print(Text(self._how()), soft_wrap=True)
        return exit_status(findings)

    def _uninstall(self) -> Uninstall:
        options = self.options
        if options.stack:
            return uninstall_of_stack(options.stack, self.environment)
        settings = from_values(resolved(given(options, PORT_NAMES), self.environment), names=PORT_NAMES)
        return uninstall_of(settings, writes=options.yes)

    def _how(self) -> str:
        chosen = [name for name in ("entities", "integration") if getattr(self.options, name)]
        names = " ".join(f"--{name}" for name in chosen or ("entities", "integration"))
        of_stack = f" --stack {self.options.stack}" if self.options.stack else ""
        return f"Nothing was removed. To remove: bitbucket-port uninstall{of_stack} {names} --yes"


def uninstall_of(settings: CommandSettings, *, writes: bool) -> Uninstall:
    """The means to remove what Port shows as this integration's; where it does not write, Port is only asked.

    Raises CredentialsRefusedError where Port does not let us in, before anything is looked at.
    """
    from bitbucket_port.cli.without_stack import plain_port
    from bitbucket_port.setup.uninstall import Uninstall as Removal

    common = settings.common
    port = plain_port(settings, writes=writes, seconds=PATIENCE_SECONDS)
    port.enter()
    return Removal(port, common.integration_identifier, common.integration_type)


def uninstall_of_stack(name: str, environment: dict[str, str]) -> Uninstall:
    """The same with what a stack knows, and the caller's rights in AWS. Raises SettingsError."""
    from bitbucket_port.cli import stack
    from bitbucket_port.runtime import Runtime
    from bitbucket_port.setup.uninstall import Uninstall as Removal

    runtime = Runtime({**environment, **stack.environment_of(name, as_deployed=True)})
    runtime.begin(int(PATIENCE_SECONDS * 1000))
    common = runtime.settings
    runtime.port.enter()
    return Removal(runtime.port, common.integration_identifier, common.integration_type, known=runtime.ledger)
