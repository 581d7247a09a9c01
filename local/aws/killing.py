"""Ending a process for certain, from another one than its parent."""

from __future__ import annotations

import threading

import psutil

_never = threading.Event()
"""Waiting for it is a real pause, also in a process whose ``time.sleep`` lives in simulated time."""


def kill(process: psutil.Process) -> None:
    """SIGKILL, and wait until it runs no more (its parent may still have to collect it)."""
    try:
        process.kill()  # psutil refuses when another process has got the number since.
        while process.is_running() and process.status() != psutil.STATUS_ZOMBIE:
            _never.wait(0.001)
    except psutil.NoSuchProcess:
        return  # Gone already.
