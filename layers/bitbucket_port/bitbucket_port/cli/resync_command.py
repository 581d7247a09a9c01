"""``bitbucket-port resync``: its options, and what they have done."""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from pathlib import Path

from bitbucket_port.cli.options import Command, Commands, add_command, add_settings, add_verbose, given
from bitbucket_port.cli.resync import Result, Shows, Wanted, carry_out, queue_for, resync
from bitbucket_port.cli.settings import NAMES, CommandSettings, from_values, resolved
from bitbucket_port.cli.show import shown_on
from bitbucket_port.cli.summary import show, show_problems
from bitbucket_port.errors import NotFoundError, SettingsError
from bitbucket_port.mapping.model import Mapping as PortMapping
from bitbucket_port.mapping.parse import parse
from bitbucket_port.objects import KINDS

_ABOUT = """\
Makes a catalog in Port equal to Bitbucket: projects, repositories, pull requests and users.

Settings come from options, from the environment (the names below in capitals, such as BITBUCKET_TOKEN) or from the
OCEAN__… variables of Port's own Bitbucket integrations, in this order. Secrets are better in the environment: other
users of a machine can see a command's options.

exit status: 0 complete, 1 partial (something failed, is protected or was not reached), 2 failed
"""


def add_to(commands: Commands) -> None:
    """The command's grammar."""
    one = add_command(
        commands,
        "resync",
        ResyncCommand,
        short="make the catalog equal to Bitbucket, now, in this process",
        about=_ABOUT,
    )
    one.add_argument("--dry-run", action="store_true", help="say what would change and write nothing")
    one.add_argument(
        "--mapping-of",
        metavar="INTEGRATION",
        help="take this integration's mapping and catalog from Port and say what is wrong there; writes nothing",
    )
    one.add_argument(
        "--delete", action="store_true", help="delete what is ours in Port and missing from two listings in a row"
    )
    one.add_argument("--kind", action="append", choices=KINDS, help="only this kind; may be given several times")
    one.add_argument("--concurrency", type=_count, default=4, metavar="N", help="requests at once (%(default)s)")
    one.add_argument("--time-limit", type=_minutes, metavar="MINUTES", help="end after this time, with what was done")
    one.add_argument(
        "--stack", metavar="NAME", help="work with the ledger, mapping, lease and secrets of this stack in AWS"
    )
    one.add_argument("--report", type=Path, metavar="FILE", help="write the report to this file, as JSON")
    add_verbose(one)
    add_settings(one, NAMES)


class ResyncCommand(Command):
    """One resync as the command line asks for it. ``more`` replaces parts of ``Wanted`` (its clock) in tests."""

    def run(self) -> int:
        """Carry it out and show how it went; returns the exit status."""
        options = self.options
        wanted = Wanted(
            dry_run=options.dry_run or bool(options.mapping_of),
            delete=options.delete,
            kinds=frozenset(options.kind or ()),
            concurrency=options.concurrency,
            seconds=options.time_limit,
            **self.more,
        )
        if options.stack and not wanted.dry_run:
            result = self._of_stack(options.stack, wanted)
        else:
            settings, mapping = self._chosen()
            show_problems(self.errors, mapping)
            with shown_on(self.errors) as shows:
                result = resync(settings, mapping, wanted, shows)
        if options.report:
            options.report.write_text(json.dumps(result.report, indent=2) + "\n", encoding="utf-8")
        show(self.output, result, dry_run=wanted.dry_run)
        return result.exit_code

    def _values(self) -> dict[str, str]:
        values = resolved(given(self.options, NAMES), self.environment)
        if self.options.stack:
            from bitbucket_port.cli import stack

            told = stack.environment_of(self.options.stack)
            values = {**self.environment, **told, **stack.secrets_of(told)}
        return values

    def _chosen(self) -> tuple[CommandSettings, PortMapping]:
        """The settings and the mapping of a run without a ledger in AWS."""
        values = self._values()
        if not self.options.mapping_of:
            settings = from_values(values)
            return settings, settings.mapping()
        return _of_integration(self.options.mapping_of, values)

    def _of_stack(self, name: str, wanted: Wanted) -> Result:
        from bitbucket_port.cli import stack

        with shown_on(self.errors) as shows:
            watched: Shows = shows
            queue = queue_for(wanted, watched)
            environment = {**self.environment, **stack.environment_of(name)}
            places = stack.workplaces(environment, queue, wanted.concurrency)
            store, mapping = places[0].store, places[0].mapping
            what = f"resync of stack {name}"
            return carry_out(store, mapping, queue, places, wanted, shows=watched, what=what, seconds=wanted.seconds)


def _of_integration(name: str, values: Mapping[str, str]) -> tuple[CommandSettings, PortMapping]:
    """Another integration's mapping and name: what it has in Port counts as ours, for reading only."""
    from bitbucket_port.cli.workplace import port_of

    settings = from_values({**values, "INTEGRATION_IDENTIFIER": name})
    try:
        integration = port_of(settings, read_only=True).integration(name)
    except NotFoundError as error:
        raise SettingsError(f"Port has no integration {name!r}") from error
    document, kind = integration.get("config"), str(integration.get("installationAppType") or "")
    if not isinstance(document, dict) or not document:
        raise SettingsError(f"the integration {name!r} has no mapping in Port")
    product = settings.common.product
    if kind.lower() not in ("", settings.common.integration_type):
        raise SettingsError(f"the integration {name!r} is of type {kind!r}, and BITBUCKET_PRODUCT is {product!r}")
    return settings, parse(document, product=product, file=f"the mapping of {name}")


def _count(text: str) -> int:
    value = int(text)
    if not 1 <= value <= 64:
        raise argparse.ArgumentTypeError("give a number from 1 to 64")
    return value


def _minutes(text: str) -> float:
    value = float(text)
    if not 0 < value < 100_000:
        raise argparse.ArgumentTypeError("give a number of minutes above 0")
    return value * 60
