"""The moto process: reads the operator's token from its input, prints its address, serves until its input ends."""

from __future__ import annotations

import argparse
import sys
import threading
from pathlib import Path

from local.account import REGION
from local.aws.control import Control
from local.aws.expiry import expire
from local.aws.front import Front
from local.aws.simulated_moto import application, live_in
from local.aws.wsgi import WsgiServer
from local.clock import Clock

EXPIRY_PAUSE = 1.0
"""Real seconds between two looks for expired items."""


def main() -> None:
    """``python -m local.aws.server <the clock's file>``."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("clock", type=Path)
    live_in(Clock(parser.parse_args().clock))
    front = Front(application(), _find_secret)
    app = Control(front, sys.stdin.readline().strip())
    server = WsgiServer(app)
    print(server.url, flush=True)
    server.start()
    threading.Thread(target=_expire_now_and_then, args=(front,), daemon=True).start()
    sys.stdin.read()  # Ends with the process that started us, however that one ends.


def _expire_now_and_then(front: Front) -> None:
    never = threading.Event()  # Waiting for it takes real time.
    while not never.wait(EXPIRY_PAUSE):
        with front.lock:
            expire(REGION)


def _find_secret(region: str, named: str) -> str | None:
    from moto.secretsmanager.models import secretsmanager_backends

    from local.account import ACCOUNT

    secret = secretsmanager_backends[ACCOUNT][region].secrets.get(named)
    return secret.arn if secret else None


if __name__ == "__main__":
    main()
