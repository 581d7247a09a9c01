"""How memory and time of the local database grow with the number of objects: by how much, not how fast.

Each size is measured in a process of its own: a first run's steps for every pull request (read, lease, join, settle,
commit, a candidate for the sweep), then a second run's look at all of them. Peak memory at 100,000 must be at most 1.5
times that at 1,000. Run ``python -m bench.local_database``.
"""

from __future__ import annotations

import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from bitbucket_port.catalog.items import Commit, Facts, Guard
from bitbucket_port.catalog.sqlite import SQLiteLedger
from bitbucket_port.objects import Address, EntityKey, SourceKey
from bitbucket_port.resync.sqlite import SQLiteRunStore
from bitbucket_port.resync.store import Candidate
from bitbucket_port.sqlite import Database

SMALL, LARGE = 1_000, 100_000
MOST_RATIO = 1.5
PAGE = 50
IN_ONE_REPOSITORY = 1_000
NOW = 1_800_000_000.0


def container(start: int) -> str:
    """The container of the pull requests that begin there."""
    return f"{{11111111-2222-3333-4444-555555555555}}/{{{start // IN_ONE_REPOSITORY:08}-2222-3333-4444-555555555555}}"


def measure(size: int) -> str:
    """Seconds of the first run and of the second look, and peak memory in KB, as text."""
    with tempfile.TemporaryDirectory() as folder:
        database = Database(Path(folder) / "local.sqlite")
        ledger, store = SQLiteLedger(database), SQLiteRunStore(database)
        began = time.perf_counter()
        for start in range(0, size, PAGE):
            keys = [SourceKey("pull-request", container(start), str(start + number)) for number in range(PAGE)]
            items = ledger.read(keys)
            for key in keys:
                entity = EntityKey("bitbucketPullRequest", f"harbour/{key.id}")
                intents = [str(entity)]
                ledger.take_lease(items[key], "t" * 32, now=NOW, until=NOW + 60, guard=Guard(), intents=intents)
                ledger.join(entity, key, now=NOW)
                ledger.settle_ownership(entity, ours=True)
                facts = Facts(Address("PROJ", "{one}", 7), "tidewater/harbour", "PROJ")
                ledger.commit(key, "t" * 32, Commit({str(entity): "h" * 24}, 1, NOW, NOW, NOW, facts), now=NOW)
            store.put_candidates("run", [Candidate(key, Address("PROJ", "{one}", 7), "vanished") for key in keys])
        first = time.perf_counter()
        seen = sum(1 for at in range(0, size, IN_ONE_REPOSITORY) for _ in ledger.children(container(at)))
        candidates = sum(1 for _ in store.candidates("run"))
        second = time.perf_counter()
        if not seen == candidates == size:
            raise SystemExit(f"{seen} objects and {candidates} candidates of {size} came back")
        database.close()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // (1024 if sys.platform == "darwin" else 1)
    return f"{first - began:.2f} {second - first:.2f} {peak}"


def main() -> int:
    """Print both sizes and their ratio; 1 when memory grows too much."""
    peaks = []
    for size in (SMALL, LARGE):
        answer = subprocess.run(
            [sys.executable, "-m", "bench.local_database", str(size)], check=True, capture_output=True, text=True
        )
        first, second, peak = answer.stdout.split()
        peaks.append(int(peak))
        print(
            f"{size:>7} pull requests: {first} s written, {second} s looked through, {int(peak) / 1024:.1f} MB at most"
        )
    ratio = peaks[1] / peaks[0]
    print(f"memory at {LARGE:,} is {ratio:.2f} times that at {SMALL:,} (at most {MOST_RATIO})")
    return int(ratio > MOST_RATIO)


if __name__ == "__main__":
    if len(sys.argv) > 1:
        print(measure(int(sys.argv[1])))
    else:
        sys.exit(main())
