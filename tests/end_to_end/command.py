"""``python -m local`` as a process of its own, watched from outside."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from types import TracebackType
from typing import Self

import psutil

from local.__main__ import PARAMETER_OF
from local.stack import ROOT

READY = re.compile(r"^ready (http://127\.0\.0\.1:\d+)$", re.MULTILINE)
PAGE = re.compile(r"^page (http://127\.0\.0\.1:\d+)$", re.MULTILINE)
ARRIVED = re.compile("(Everything arrived)")


class Command:
    """``python -m local`` in a session of its own, as a terminal would run it."""

    def __init__(self, *arguments: str, **environment: str) -> None:
        clean = {name: value for name, value in os.environ.items() if name not in {*PARAMETER_OF, "WEBHOOK_SECRET"}}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "local", *arguments],
            cwd=ROOT,
            env={**clean, **environment, "PYTHONUNBUFFERED": "1"},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        self.output = self.errors = ""
        self._seen: set[psutil.Process] = set()
        self._said = threading.Condition()
        self._readers = [threading.Thread(target=self._read, args=(name,), daemon=True) for name in ("out", "err")]
        for reader in self._readers:
            reader.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number in self.processes():
            os.kill(number, signal.SIGKILL)
        self.process.wait()

    def _read(self, name: str) -> None:
        stream = self.process.stdout if name == "out" else self.process.stderr
        assert stream is not None
        for line in stream:
            with self._said:
                if name == "out":
                    self.output += line
                else:
                    self.errors += line
                self._said.notify_all()

    def wait_for(self, pattern: re.Pattern[str], timeout: float = 120.0) -> str:
        """The first group of the pattern, once it is in the output."""
        with self._said:
            assert self._said.wait_for(lambda: pattern.search(self.output), timeout), self.output + self.errors
            found = pattern.search(self.output)
        assert found is not None
        return found.group(1)

    def wait(self, timeout: float = 180.0) -> int:
        """The exit code."""
        code = self.process.wait(timeout)
        for reader in self._readers:
            reader.join(10)
        return code

    def interrupt(self) -> None:
        """What Ctrl-C in a terminal does: a signal to every process in the foreground."""
        self.processes()  # To know those that leave the session, or lose their parent.
        os.killpg(self.process.pid, signal.SIGINT)

    def wait_until_it_listens_to_signals(self) -> None:
        """From then on Ctrl-C finds somebody who cleans up. Python itself takes no notice of SIGTERM."""
        status = Path(f"/proc/{self.process.pid}/status")
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            caught = re.search(r"^SigCgt:\s*(\w+)$", status.read_text(encoding="utf-8"), re.MULTILINE)
            if caught and int(caught[1], 16) & 1 << (signal.SIGTERM - 1):
                return
            time.sleep(0.002)
        raise AssertionError("it never listened")

    def wait_for_children(self, number: int, timeout: float = 60.0) -> None:
        """Until it has started so many processes."""
        deadline = time.monotonic() + timeout
        while len(self.processes()) <= number:
            assert time.monotonic() < deadline, self.output + self.errors
            time.sleep(0.01)

    def processes(self) -> list[int]:
        """Those that are alive of its session and of all that ever were seen to descend from it."""
        with contextlib.suppress(psutil.NoSuchProcess):  # Then there is nobody new.
            own = psutil.Process(self.process.pid)
            self._seen |= {own, *own.children(recursive=True)}
        alive = {process.pid for process in self._seen if process.is_running() and _lives(process)}
        for process in psutil.process_iter():
            try:
                if os.getsid(process.pid) == self.process.pid and _lives(process):
                    alive.add(process.pid)
            except (ProcessLookupError, psutil.NoSuchProcess):
                continue  # It ended while we looked.
        return sorted(alive)


def _lives(process: psutil.Process) -> bool:
    try:
        return process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
