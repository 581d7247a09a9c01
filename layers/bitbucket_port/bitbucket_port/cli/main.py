"""The command line: ``bitbucket-port resync``."""

from __future__ import annotations

import argparse
import gc
import json
import logging
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

from rich.console import Console
from rich.logging import RichHandler

from bitbucket_port import __version__
from bitbucket_port.cli.resync import GoesOnError, Result, Shows, Wanted, carry_out, queue_for, resync
from bitbucket_port.cli.settings import NAMES, CommandSettings, from_values, resolved
from bitbucket_port.cli.show import shown_on
from bitbucket_port.cli.summary import show, show_problems
from bitbucket_port.errors import BitbucketPortError, NotFoundError, SettingsError
from bitbucket_port.mapping.model import Mapping as PortMapping
from bitbucket_port.mapping.parse import parse
from bitbucket_port.objects import KINDS

COMPLETE, PARTIAL, FAILED = 0, 1, 2
PIPELINE_WIDTH = 140
GARBAGE_LOOKED_FOR_AFTER = 20_000
"""Objects made and not yet let go: pages of JSON are many at once, and hold no circles that were worth the looking."""
_log = logging.getLogger("bitbucket_port")
_faults = logging.getLogger("bitbucket_port.cli")
"""Faults in this program, which are always shown."""

_ABOUT = """\
Makes a catalog in Port equal to Bitbucket: projects, repositories, pull requests and users.

Settings come from options, from the environment (the names below in capitals, such as BITBUCKET_TOKEN) or from the
OCEAN__… variables of Port's own Bitbucket integrations, in this order. Secrets are better in the environment: other
users of a machine can see a command's options.

exit status: 0 complete, 1 partial (something failed, is protected or was not reached), 2 failed
"""


def main(arguments: Sequence[str] | None = None, *, environment: Mapping[str, str] | None = None, **more: Any) -> int:
    """Run the command; returns its exit status. ``more`` replaces parts of ``Wanted`` (its clock) in tests."""
    options = parser().parse_args(arguments)
    known = dict(os.environ if environment is None else environment)
    output, errors = _console(stderr=False), _console(stderr=True)
    _log_to(errors, verbose=options.verbose)
    signal_before = _interrupt_on_termination()
    collected_before = gc.get_threshold()
    gc.set_threshold(GARBAGE_LOOKED_FOR_AFTER)
    try:
        result = _Command(options, known, more, output, errors).run()
    except (BitbucketPortError, GoesOnError) as error:
        errors.print(f"bitbucket-port: {error}", markup=False, highlight=False, soft_wrap=True)
        return FAILED
    except KeyboardInterrupt:
        errors.print("bitbucket-port: interrupted", markup=False)
        return PARTIAL
    finally:
        gc.set_threshold(*collected_before)
        if signal_before is not None:
            signal.signal(signal.SIGTERM, signal_before)
    return result.exit_code


def parser() -> argparse.ArgumentParser:
    """The command line's grammar."""
    whole = argparse.ArgumentParser("bitbucket-port", description="Keeps a Port catalog true to Bitbucket.")
    whole.add_argument("--version", action="version", version=__version__)
    commands = whole.add_subparsers(required=True, metavar="command")
    one = commands.add_parser(
        "resync",
        help="make the catalog equal to Bitbucket, now, in this process",
        description=_ABOUT,
        formatter_class=argparse.RawDescriptionHelpFormatter,
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
    one.add_argument("--verbose", action="store_true", help="show what goes wrong as it happens")
    settings = one.add_argument_group("settings")
    for name, what in NAMES.items():
        settings.add_argument(_option(name), dest=name, metavar="VALUE", help=what)
    return whole


@dataclass
class _Command:
    options: argparse.Namespace
    environment: dict[str, str]
    more: dict[str, Any]
    output: Console
    errors: Console

    def run(self) -> Result:
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
        return result

    def _values(self) -> dict[str, str]:
        values = resolved({name: getattr(self.options, name) for name in NAMES}, self.environment)
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


def _option(name: str) -> str:
    return "--" + name.lower().replace("_", "-")


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


def _console(*, stderr: bool) -> Console:
    console = Console(stderr=stderr)
    if not console.is_terminal:
        console.width = PIPELINE_WIDTH
    return console


def _log_to(console: Console, *, verbose: bool) -> None:
    """What the package logs is for operators of functions; here only on demand."""
    for logger in (_log, _faults):
        for handler in list(logger.handlers):
            logger.removeHandler(handler)
        logger.propagate = False
        logger.addHandler(logging.NullHandler())
    told = _log if verbose else _faults
    told.addHandler(RichHandler(console=console, show_path=False, markup=False))
    _faults.propagate = verbose
    _log.setLevel(logging.WARNING)


def _interrupt_on_termination() -> Any:
    """Pipelines end a job with SIGTERM: treated as Ctrl-C is. Only the main thread may say so."""

    def interrupt(number: int, frame: FrameType | None) -> None:
        del number, frame
        raise KeyboardInterrupt

    try:
        return signal.signal(signal.SIGTERM, interrupt)
    except ValueError:
        return None


if __name__ == "__main__":
    sys.exit(main())
