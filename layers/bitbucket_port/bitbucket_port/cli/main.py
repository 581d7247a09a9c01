"""The command line: ``bitbucket-port resync``, ``setup``, ``status`` and ``uninstall``."""

from __future__ import annotations

import argparse
import gc
import logging
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from types import FrameType
from typing import Any

from rich.console import Console
from rich.logging import RichHandler

from bitbucket_port import __version__
from bitbucket_port.cli import resync_command, setup, status, uninstall
from bitbucket_port.cli.options import Command
from bitbucket_port.cli.resync import GoesOnError
from bitbucket_port.errors import BitbucketPortError

PARTIAL, FAILED = 1, 2
PIPELINE_WIDTH = 140
GARBAGE_LOOKED_FOR_AFTER = 20_000
"""Objects made and not yet let go: pages of JSON are many at once, and hold no circles that were worth the looking."""
_log = logging.getLogger("bitbucket_port")
_faults = logging.getLogger("bitbucket_port.cli")
"""Faults in this program, which are always shown."""


def main(arguments: Sequence[str] | None = None, *, environment: Mapping[str, str] | None = None, **more: Any) -> int:
    """Run the command; returns its exit status. ``more`` replaces parts of it (its clock) in tests."""
    options = parser().parse_args(arguments)
    known = dict(os.environ if environment is None else environment)
    output, errors = _console(known, stderr=False), _console(known, stderr=True)
    _log_to(errors, verbose=options.verbose)
    signal_before = _interrupt_on_termination()
    collected_before = gc.get_threshold()
    gc.set_threshold(GARBAGE_LOOKED_FOR_AFTER)
    try:
        command: Command = options.command(options, known, output, errors, more)
        return command.run()
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


def parser() -> argparse.ArgumentParser:
    """The command line's grammar."""
    whole = argparse.ArgumentParser("bitbucket-port", description="Keeps a Port catalog true to Bitbucket.")
    whole.add_argument("--version", action="version", version=__version__)
    commands = whole.add_subparsers(required=True, metavar="command")
    for one in (resync_command, setup, status, uninstall):
        one.add_to(commands)
    return whole


def _console(environment: Mapping[str, str], *, stderr: bool) -> Console:
    console = Console(stderr=stderr)
    if not console.is_terminal:
        width = environment.get("COLUMNS", "")
        console.width = int(width) if width.isdecimal() and int(width) else PIPELINE_WIDTH
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
