"""What a whole ``bitbucket-port resync`` takes: memory and wall time, as ratios that must hold.

The command runs as a user runs it, a process of its own without AWS and without a home, against a Bitbucket Cloud
workspace and a Port that another process serves (``bench.generated_workspace``). Each workspace is gone through twice:
into an empty catalog, and again when everything is there.

- Memory: the peak at 100,000 pull requests is at most 1.5 times that at 1,000.
- Time: with 1,000 repositories of 20 pull requests and 50 ms a request, at most 1.5 × requests × 50 ms ÷ concurrency
  + 2 s, the start of Python included. The command needs about a core for itself, what it talks to most of another; the
  CPU seconds it used are shown, which tell a slow command from a busy machine.

Run ``python -m bench.resync``, or with ``memory`` or ``time`` for one of them; exits with 1 when a limit is exceeded.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).resolve().parents[1]
PACKAGE = REPOSITORY / "layers/bitbucket_port"
CONCURRENCY = 4
MOST_MEMORY = 1.5
MOST_TIME = 1.5
SPARE_SECONDS = 2.0
LATENCY = 0.05
NO_HOME = os.devnull
"""Not even a user who may do anything can write below a file."""
_KILOBYTE = 1024 if sys.platform == "darwin" else 1


@dataclass(frozen=True, slots=True)
class Size:
    """A workspace: repositories, and pull requests in each."""

    repositories: int
    pull_requests: int

    @property
    def total(self) -> int:
        """All pull requests."""
        return self.repositories * self.pull_requests


SMALL, LARGE = Size(10, 100), Size(100, 1_000)
WIDE = Size(1_000, 20)


@dataclass(frozen=True, slots=True)
class Run:
    """What one run of the command took: seconds, KB at most, and requests as their receivers counted them."""

    wall: float
    cpu: float
    memory: int
    requests: int

    @property
    def bound(self) -> float:
        """Seconds it may take at most."""
        return MOST_TIME * self.requests * LATENCY / CONCURRENCY + SPARE_SECONDS


class Site:
    """A served workspace and Port. This process stays small: what a child was forked from counts as its memory, too."""

    def __init__(self, size: Size, server: subprocess.Popen[str]) -> None:
        self._size = size
        self._server = server
        self._settings: dict[str, str] = json.loads(self._told())

    def run(self, *, expected: str) -> Run:
        """Run the command once; ``expected``: what becomes of all pull requests. SystemExit when it is not that."""
        with tempfile.TemporaryDirectory() as folder:
            report = Path(folder, "report.json")
            command = [sys.executable, "-m", "bitbucket_port", "resync", "--report", str(report)]
            bare = {"PATH": os.defpath, "HOME": NO_HOME, "TMPDIR": folder, "PYTHONPATH": str(PACKAGE)}
            began = time.monotonic()
            process = subprocess.Popen(
                [*command, "--concurrency", str(CONCURRENCY)],
                env={**bare, **self._settings},
                stdout=subprocess.DEVNULL,
                cwd=folder,
            )
            _, status, used = os.wait4(process.pid, 0)
            wall = time.monotonic() - began
            process.returncode = os.waitstatus_to_exitcode(status)
            self._check(process.returncode, json.loads(report.read_text(encoding="utf-8")), expected)
        return Run(wall, used.ru_utime + used.ru_stime, used.ru_maxrss // _KILOBYTE, self._requests())

    def _check(self, status: int, report: dict[str, Any], expected: str) -> None:
        done = report["kinds"]["pull-request"].get(expected, 0)
        if status != 0 or done != self._size.total:
            raise SystemExit(f"status {status}, {done} of {self._size.total} {expected}: {report['failures']}")

    def _requests(self) -> int:
        """What was asked for in the last run; SystemExit when any of it was refused, or Port does not hold it all."""
        assert self._server.stdin is not None
        self._server.stdin.write("\n")
        self._server.stdin.flush()
        told = json.loads(self._told())
        refused = {**told["bitbucket"]["refused"], **told["port"]["refused"]}
        held = told["entities"]["bitbucketCloudPullRequest"]
        if refused or held != self._size.total:
            raise SystemExit(f"Port holds {held} of {self._size.total} pull requests; refused: {refused}")
        return int(told["bitbucket"]["requests"]) + int(told["port"]["requests"])

    def _told(self) -> str:
        assert self._server.stdout is not None
        return self._server.stdout.readline()


@contextmanager
def site(size: Size, latency: float) -> Iterator[Site]:
    """A workspace of that size and an empty Port, served by another process."""
    arguments = [str(size.repositories), str(size.pull_requests), str(latency)]
    with subprocess.Popen(
        [sys.executable, "-m", "bench.generated_workspace", *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=REPOSITORY,
        env={**os.environ, "PYTHONPATH": str(PACKAGE)},
    ) as server:
        yield Site(size, server)  # Closing its input ends it.


RUNS = {"first": "created", "second": "unchanged"}
"""A run's name, and what becomes of the pull requests in it."""


def memory() -> bool:
    """Measure and print memory; whether the limit holds."""
    found: dict[Size, dict[str, Run]] = {}
    for size in (SMALL, LARGE):
        with site(size, 0.0) as served:
            found[size] = {name: served.run(expected=expected) for name, expected in RUNS.items()}
        for name, run in found[size].items():
            print(f"{name} run, {size.total:,} pull requests: {run.memory / 1024:.1f} MB at most, {run.cpu:.1f} CPU s")
    ratios = {name: found[LARGE][name].memory / found[SMALL][name].memory for name in RUNS}
    for name, ratio in ratios.items():
        print(f"{name} run, memory at {LARGE.total:,} / at {SMALL.total:,}: {ratio:.2f} (at most {MOST_MEMORY})")
    return max(ratios.values()) <= MOST_MEMORY


def wall_time() -> bool:
    """Measure and print wall time; whether the limit holds."""
    holds = True
    with site(WIDE, LATENCY) as served:
        for name, expected in RUNS.items():
            run = served.run(expected=expected)
            holds = holds and run.wall <= run.bound
            print(
                f"{name} run, {WIDE.repositories:,} repositories × {WIDE.pull_requests} pull requests, "
                f"{LATENCY * 1000:.0f} ms a request, {CONCURRENCY} at once: {run.requests:,} requests, "
                f"{run.wall:.1f} s of {run.bound:.1f} s ({run.wall / run.bound:.2f}), {run.cpu:.1f} CPU s"
            )
    return holds


def main() -> int:
    """Measure what is asked for; 1 when a limit is exceeded."""
    measures = {"memory": memory, "time": wall_time}
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", nargs="*", choices=[*measures], default=[*measures])
    held = [measures[name]() for name in parser.parse_args().what]
    return 0 if all(held) else 1


if __name__ == "__main__":
    sys.exit(main())
