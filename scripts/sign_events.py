"""Keeps the signatures of the events under ``events/`` true to their bodies.

    python scripts/sign_events.py           writes X-Hub-Signature (and Content-Length) where they are stale
    python scripts/sign_events.py --check   changes nothing; exits 1 and names the stale files, 0 when there is none

The secret is a demonstration: it is documented in events/README.md and opens nothing.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import hmac
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

DEMO_SECRET = "demo-webhook-secret"
EVENTS = Path(__file__).resolve().parent.parent / "events"


def signed(event: dict[str, Any], secret: str) -> dict[str, Any]:
    """The event with the headers that depend on its body; an event keeps all others, and their order."""
    body = event["body"].encode()
    if event.get("isBase64Encoded"):
        body = base64.b64decode(body)
    signature = "sha256=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
    return {**event, "headers": {**event["headers"], "content-length": str(len(body)), "x-hub-signature": signature}}


def main(arguments: Sequence[str] | None = None) -> int:
    """The exit code: 0 when every file is right (or was put right), 1 when ``--check`` found a stale one."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="change nothing, exit 1 when a file is stale")
    parser.add_argument("--secret", default=DEMO_SECRET, help="sign with this secret (default: the documented one)")
    parser.add_argument("--events", type=Path, default=EVENTS, help="the directory to look in")
    options = parser.parse_args(arguments)
    stale = []
    for path in sorted(options.events.glob("*/*.json")):
        event = json.loads(path.read_text(encoding="utf-8"))
        right = signed(event, options.secret)
        if right == event:
            continue
        stale.append(path)
        if not options.check:
            path.write_text(json.dumps(right, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
        print(f"{'stale' if options.check else 'signed'}: {path.relative_to(options.events)}")
    return 1 if stale and options.check else 0


if __name__ == "__main__":
    sys.exit(main())
