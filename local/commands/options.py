"""The command line: subcommands and their options."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

COMMANDS = ("run", "invoke")


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """The options; ``command`` is ``run`` when none is named. Ends the process with 2 for a wrong command line."""
    given = list(arguments)
    if not given or (given[0] not in COMMANDS and given[0] not in {"-h", "--help"}):
        given.insert(0, "run")
    return _parser().parse_args(given)


def parsers() -> tuple[argparse.ArgumentParser, argparse.ArgumentParser]:
    """Those of ``run`` and ``invoke``."""
    commands = _subparsers(argparse.ArgumentParser())
    return commands["run"], commands["invoke"]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m local",
        description="The whole stack on this machine. Without a command it runs: `run` may be left out.",
    )
    _subparsers(parser)
    return parser


def _subparsers(parser: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser]:
    commands = parser.add_subparsers(dest="command", required=True, metavar="{run,invoke}")
    found = {
        "run": commands.add_parser("run", help="start the stack and its page, and tell a story where nothing is real"),
        "invoke": commands.add_parser("invoke", help="run one event, or several in turn, and say what became of it"),
    }
    _add_run(found["run"])
    _add_invoke(found["invoke"])
    return found


def _add_run(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--gateway-port", type=int, default=3000, help="port of the API (default 3000; 0: any free)")
    parser.add_argument("--page-port", type=int, default=3001, help="port of the page (default 3001; 0: any free)")
    parser.add_argument("--time-scale", type=_scale, default=1.0, help="let time pass that much faster (default 1)")
    parser.add_argument(
        "--resync-every",
        type=_period,
        default=0.0,
        metavar="TIME",
        help="begin another resync so often: 90 or 90s are seconds, 5m are minutes (default: as the schedule does)",
    )
    parser.add_argument(
        "--keep",
        nargs="?",
        const="",
        metavar="DIR",
        help="keep queues, ledger, secrets, stand-ins and the catalog on disk (default .local/state), and go on there",
    )
    parser.add_argument("--reset", action="store_true", help="forget what --keep kept, and begin anew")
    end = parser.add_mutually_exclusive_group()
    end.add_argument("--keep-running", action="store_true", help="go on after the story, as on a terminal")
    end.add_argument("--exit", action="store_true", help="end after the story, also on a terminal")


def _add_invoke(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("events", nargs="+", type=Path, metavar="EVENT", help="a file like those in events/")
    parser.add_argument("--product", choices=("cloud", "server"), help="who sent it (default: as its headers say)")
    parser.add_argument(
        "--timeout", type=_scale, default=60.0, metavar="SECONDS", help="how long an event may take (default 60)"
    )


def _scale(text: str) -> float:
    value = float(text)
    if not 0 < value <= 1_000_000:
        raise argparse.ArgumentTypeError(f"{text} is not between 0 and 1,000,000")
    return value


def _period(text: str) -> float:
    """Seconds."""
    number, unit = (text[:-1], text[-1]) if text[-1:] in ("s", "m") else (text, "s")
    if not number.isascii() or not number.isdecimal() or not 0 < int(number) <= 1_000_000:
        raise argparse.ArgumentTypeError(f"{text!r} is neither a number of seconds, as 90s, nor one of minutes, as 5m")
    return int(number) * (60.0 if unit == "m" else 1.0)
