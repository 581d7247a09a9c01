"""How much faster one fused jq program is than one program for each expression, and how much faster is none at all.

All evaluate the shipped default mapping of Bitbucket Cloud for the same pull request of some 10 KB; everything is
compiled before the clock runs. The ratios are what counts: one program must be at least 4 times as fast as one for
each expression, and the evaluation without jq, which the shipped mapping allows, at least 2 times as fast as that one.
Run ``python -m bench.mapping``.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable

import jq

from bitbucket_port.mapping.direct_rows import direct_rows
from bitbucket_port.mapping.parse import parse
from bitbucket_port.mapping.program import fused
from bitbucket_port.mapping.shipped import load
from bitbucket_port.objects import JsonObject

REQUIRED_RATIO = 4.0
REQUIRED_WITHOUT_JQ = 2.0
ROUNDS = 60
REPEATS = 5


def pull_request() -> JsonObject:
    """A pull request of Bitbucket Cloud with five reviewers, about as large as a real one."""
    link = {"href": "https://bitbucket.org/" + "x" * 60}
    links = dict.fromkeys(("self", "html", "avatar", "commits", "diff", "activity"), link)
    account = {"display_name": "Robin Muster", "uuid": "{1}", "nickname": "robin", "type": "user", "links": links}
    repository = {"full_name": "tidewater/harbour", "name": "harbour", "uuid": "{2}", "links": links}
    return {
        "id": 7,
        "title": "Deepen the channel",
        "description": "Because the boats grew. " * 40,
        "state": "OPEN",
        "draft": False,
        "created_on": "2026-11-01T08:00:00.000000+00:00",
        "updated_on": "2026-11-20T08:00:00.000000+00:00",
        "merge_commit": None,
        "author": account,
        "source": {"branch": {"name": "deeper"}, "repository": repository},
        "destination": {"branch": {"name": "main"}, "repository": repository},
        "reviewers": [account] * 5,
        "participants": [{"user": account, "approved": True, "state": "approved", "role": "REVIEWER"}] * 5,
        "links": links,
    }


def best_rate(work: Callable[[], object]) -> float:
    """Calls per second in the best of several runs, which other load on the machine disturbs least."""
    best = 0.0
    for _ in range(REPEATS):
        start = time.perf_counter()
        for _ in range(ROUNDS):
            work()
        best = max(best, ROUNDS / (time.perf_counter() - start))
    return best


def main() -> int:
    """Prints the rates and their ratios; 1 when a ratio is below what is required."""
    obj = pull_request()
    mapping = parse(load("cloud", "default"), product="cloud", file="default.yaml")
    (resource,) = [one for one in mapping.resources if one.kind == "pull-request"]
    programs = [jq.compile(f"try [first({expression}\n)] catch null") for _, expression in resource.expressions()]
    whole, without = jq.compile(fused([resource])), direct_rows(resource)
    text = json.dumps(obj)
    if without is None:
        raise SystemExit("the shipped mapping takes jq")

    direct = best_rate(lambda: without.of(obj))
    one = best_rate(lambda: whole.input_text(json.dumps(obj)).first())
    single = best_rate(lambda: [program.input_text(text).first() for program in programs])
    print(f"{len(text):,} bytes, {len(programs)} expressions")
    print(f"one program for each expression  {single:8,.0f} objects/s")
    print(f"one fused program                {one:8,.0f} objects/s")
    print(f"without jq                       {direct:8,.0f} objects/s")
    print(
        f"ratios {one / single:.1f} and {direct / one:.1f}, required {REQUIRED_RATIO:.0f} and {REQUIRED_WITHOUT_JQ:.0f}"
    )
    return 0 if one / single >= REQUIRED_RATIO and direct / one >= REQUIRED_WITHOUT_JQ else 1


if __name__ == "__main__":
    sys.exit(main())
