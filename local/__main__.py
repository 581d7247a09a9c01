"""``python -m local``: the stack on this machine (docs/local.md)."""

from __future__ import annotations

import signal
import sys
import threading

from local.commands.settings import PARAMETER_OF

__all__ = ["PARAMETER_OF", "main"]


def main() -> int:
    """Command line; the exit code: 0 done or ended by the user, 1 something went wrong, 2 it cannot be done so."""
    # Before anything that takes time to import, so that Ctrl-C always finds somebody who cleans up.
    stopping = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stopping.set())
    from local.commands import dispatch

    return dispatch.run(sys.argv[1:], stopping)


if __name__ == "__main__":
    sys.exit(main())
