"""``python -m local``: the stack on this machine.

Without credentials it plays a short story against stand-ins of Bitbucket and Port; with the settings of the README in
the environment it talks to those servers and keeps running.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import threading
from collections.abc import Mapping
from contextlib import ExitStack

from rich.console import Console

from local import story
from local.aws import Moto
from local.machine import Machine, Product, port_stand_in
from local.stack import Stack

PARAMETER_OF = {
    "BITBUCKET_PRODUCT": "BitbucketProduct",
    "BITBUCKET_WORKSPACE": "BitbucketWorkspace",
    "BITBUCKET_URL": "BitbucketUrl",
    "BITBUCKET_USERNAME": "BitbucketUsername",
    "BITBUCKET_TOKEN": "BitbucketToken",
    "BITBUCKET_API": "BitbucketApi",
    "PORT_CLIENT_ID": "PortClientId",
    "PORT_CLIENT_SECRET": "PortClientSecret",
    "PORT_BASE_URL": "PortBaseUrl",
    "INTEGRATION_IDENTIFIER": "IntegrationIdentifier",
    "MAPPING_PRESET": "MappingPreset",
    "LOG_LEVEL": "LogLevel",
}
CREDENTIALS = ("BITBUCKET_TOKEN", "PORT_CLIENT_ID", "PORT_CLIENT_SECRET")


def main() -> int:
    """Command line; 0 when ended by the user or at the end of the story, 1 when the story went wrong."""
    parser = argparse.ArgumentParser(prog="python -m local", description=__doc__)
    parser.add_argument("--gateway-port", type=int, default=3000, help="port of the API (default 3000; 0: any free)")
    parser.add_argument("--keep-running", action="store_true", help="go on after the story, until Ctrl-C")
    options = parser.parse_args()
    console = Console(width=None if sys.stdout.isatty() else 160, highlight=False)
    stopping = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stopping.set())
    given = [name for name in CREDENTIALS if os.environ.get(name)]
    if given and len(given) < len(CREDENTIALS) and os.environ.get("BITBUCKET_API") != "none":
        missing = ", ".join(sorted(set(CREDENTIALS) - set(given)))
        console.print(f"[red]Set {missing} too, or none of them to use the stand-ins.")
        return 2
    with ExitStack() as exits:
        moto = Moto()
        exits.callback(moto.stop)
        moto.start()
        if given:
            return _serve(console, exits, moto, options.gateway_port, stopping)
        return _demonstrate(console, exits, moto, options.gateway_port, stopping, keep=options.keep_running)


def _serve(console: Console, exits: ExitStack, moto: Moto, port: int, stopping: threading.Event) -> int:
    """Talk to the servers of the environment until stopped."""
    stack = Stack(_parameters(os.environ), moto=moto, gateway_port=port)
    exits.callback(stack.stop)
    if os.environ.get("WEBHOOK_SECRET"):
        stack.webhook_secret = os.environ["WEBHOOK_SECRET"]
    stack.start()
    stack.warm()
    console.print(f"ready {stack.url}")
    console.print(f"sign webhooks with the secret {stack.webhook_secret}")
    stopping.wait()
    return 0


def _parameters(environment: Mapping[str, str]) -> dict[str, str]:
    found = {parameter: environment[name] for name, parameter in PARAMETER_OF.items() if environment.get(name)}
    # Webhook-only mode needs no token; the template wants something typed.
    return {"BitbucketToken": "-", **found}


def _demonstrate(
    console: Console, exits: ExitStack, moto: Moto, gateway_port: int, stopping: threading.Event, *, keep: bool
) -> int:
    """Two stacks side by side, one for each product, feeding one Port."""
    port = port_stand_in("cloud/default", "server/default")
    port.start()
    exits.callback(port.stop)
    products: tuple[Product, ...] = ("cloud", "server")
    machines: list[Machine] = []
    for product in products:
        machine = Machine(product, moto=moto, port=port, gateway_port=gateway_port if not machines else 0)
        exits.callback(machine.stop)
        machine.start()
        machines.append(machine)
    console.print(f"ready {machines[0].stack.url}")
    console.print(
        f"[dim]Bitbucket Cloud {machines[0].bitbucket.url}, Data Center {machines[1].bitbucket.url}, Port {port.url}"
    )
    for machine in machines:
        story.tell(machine, console, stopping)
        if stopping.is_set():
            return 0
    story.show(port, console)
    dead = {name: depth for machine in machines for name, depth in machine.stack.depths().items() if depth}
    if dead:
        console.print(f"[red]Something is left in the queues: {dead}")
        return 1
    console.print("[green]Everything arrived; no queue holds anything.")
    if keep:
        stopping.wait()
    return 0


if __name__ == "__main__":
    sys.exit(main())
