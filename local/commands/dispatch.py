"""From the command line to the command, and from what may go wrong to words and an exit code."""

from __future__ import annotations

import sys
import threading
from collections.abc import Sequence

from rich.console import Console

from local.commands import invoke, options, run_stack
from local.commands.settings import SettingsError
from local.landscape import StoppedError
from local.provided import DeploymentFailedError
from local.state import StateError


def run(arguments: Sequence[str], stopping: threading.Event) -> int:
    """Do what the command line says; ``stopping`` is set when it should end. Returns the exit code."""
    chosen = options.parse(arguments)
    console = Console(width=None if sys.stdout.isatty() else 160, highlight=False)
    command = invoke.invoke if chosen.command == "invoke" else run_stack.run
    try:
        return command(chosen, console, stopping)
    except StoppedError:
        return 0
    except (SettingsError, StateError) as error:
        console.print(str(error), style="red", markup=False)
        return 2
    except DeploymentFailedError as error:
        for reason in error.reasons.values():
            console.print(f"Set-up failed. {reason}", style="red", markup=False)
        return 2
