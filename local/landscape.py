"""Everything that runs on this machine: a clock, AWS, stacks, and stand-ins of the servers around them."""

from __future__ import annotations

import errno
import tempfile
import threading
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import ExitStack, contextmanager
from dataclasses import asdict
from pathlib import Path
from urllib.parse import urlsplit

from local.aws import Moto
from local.clock import Clock
from local.concurrency import Concurrency
from local.custom_resources import Made
from local.machine import WITHOUT_SET_UP, Machine, Product, leave_out_set_up, port_stand_in
from local.resyncs import Resyncs
from local.stack import Stack
from local.standins.port import PortStandIn
from local.state import Json, State, StateError, read_objects, write_objects
from local.story import Progress
from local.workspace import furnish

LOOK_EVERY = 0.05
"""Real seconds between two looks at whether somebody wants to stop."""


class StoppedError(Exception):
    """Told to stop before it had started."""


class PortTakenError(Exception):
    """A port is in use by somebody else; the text says for what it is needed."""


class Landscape:
    """One stack for real servers, or one with stand-ins for each product.

    ``real`` are the template's parameters for real servers; None: stand-ins, with ``parameters`` added to those that
    point to them. ``scale`` is how many times as fast time passes. ``furnished``: the stand-ins of Bitbucket hold
    something from the beginning. ``resync_every``: seconds between two resyncs of a stack, 0 for those of its schedule
    alone. ``set_up``: blueprints, mapping and webhooks are made by the stacks themselves, in an empty Port; otherwise
    stand-ins have what they need from the beginning, and real servers are left as they are. A ``state`` that is open is
    gone on with, and saved at the end. Attributes: ``clock``, ``moto``, ``stacks``;
    ``resyncs`` of each; ``resumed``: whether it went on where a state left off; ``machines`` and ``port`` where there
    are stand-ins; ``progress`` of the story.
    """

    def __init__(
        self,
        products: Sequence[Product],
        *,
        real: Mapping[str, str] | None = None,
        parameters: Mapping[str, str] | None = None,
        webhook_secret: str = "",
        scale: float = 1.0,
        gateway_port: int = 0,
        furnished: bool = False,
        resync_every: float = 0.0,
        set_up: bool = False,
        state: State | None = None,
    ) -> None:
        self._products = products
        self._real = real
        self._parameters = dict(parameters or {})
        self._webhook_secret = webhook_secret
        self._scale = scale
        self._gateway_port = gateway_port
        self._furnished = furnished
        self._resync_every = resync_every
        self._set_up = set_up
        self._state = state
        self._exits = ExitStack()
        self._complete = False
        self.resumed = False
        self._ports: dict[str, int] = {}
        self._concurrency = Concurrency()
        self.stacks: list[Stack] = []
        self.resyncs: list[Resyncs] = []
        self.machines: list[Machine] = []
        self.port: PortStandIn | None = None
        self.progress = Progress({}, threading.Lock())

    # --- life --------------------------------------------------------------------------------------------------------

    def start(self, stopping: threading.Event) -> None:
        """Start everything, or go on where the state left off.

        Raises StoppedError as soon as ``stopping`` is found set, StateError for state that cannot be gone on with,
        PortTakenError, and DeploymentFailedError when set-up refused. After any of them ``stop`` still has to be
        called.
        """
        _unless(stopping)
        kept = self._state.read() if self._state else None
        facts, files = kept or ({}, None)
        self.resumed = kept is not None
        folder = Path(self._exits.enter_context(tempfile.TemporaryDirectory(prefix="bitbucket-port-")))
        self.clock = Clock(folder / "clock", scale=self._scale)
        self.moto = Moto(self.clock)
        self._exits.callback(self.moto.stop)
        self.moto.start()
        # Later than the functions' end: what they had not written by then, they never will.
        self._exits.callback(self._save_at_the_end)
        _unless(stopping)
        if self._real is None:
            self._start_port(facts, files)
        for product in self._products:
            self._create_stack(product, facts.get("stacks", {}).get(product, {}), files)
            _unless(stopping)
        if files is not None:
            self._restore(files)
            self.progress.told.update(facts["told"])
        self._start_stacks(stopping)
        self.resyncs = [Resyncs(stack, every=self._resync_every) for stack in self.stacks]
        self._complete = True

    def stop(self) -> None:
        """End everything and save the state; harmless when little or nothing was started."""
        self._exits.close()

    def _start_stacks(self, stopping: threading.Event) -> None:
        """Start all at once, as long as nobody wants to stop: set-up may have to wait for servers."""
        threads = ThreadPoolExecutor(len(self.stacks), thread_name_prefix="start")
        started = [threads.submit(stack.start, jump=False) for stack in self.stacks]
        threads.shutdown(wait=False)
        while not all(one.done() for one in started):
            _unless(stopping)
            wait(started, timeout=LOOK_EVERY)
        for one in started:
            one.result()

    def _start_port(self, facts: Json, files: Path | None) -> None:
        preset = self._parameters.get("MappingPreset", "default")
        there = () if self._set_up else (f"{product}/{preset}" for product in self._products)
        self.port = port_stand_in(*there)
        if files is not None:
            self.port.recall(read_objects(files / "port"))
        self._exits.callback(self.port.stop)
        with _wanted("Port's stand-in", facts.get("port", 0)):
            self._ports["port"] = _port_of(self.port.start(facts.get("port", 0)))

    def _create_stack(self, product: Product, facts: Json, files: Path | None) -> None:
        # Only one stack can have the port that was asked for; an address that was kept is used again.
        wanted = 0 if self.stacks else self._gateway_port
        more: Json = {
            "moto": self.moto,
            "gateway_port": wanted or facts.get("gateway_port", 0),
            "name": facts.get("name", ""),
            "concurrency": self._concurrency,
            "logs_folder": self._state.logs_folder(product) if self._state else None,
        }
        if self._real is not None:
            stack = self._stack_for(self._real, more)
            self._exits.callback(stack.stop)
        else:
            stack = self._machine(product, facts.get("bitbucket_port", 0), files, more).stack
        stack.webhook_secret = self._webhook_secret
        stack.custom_resources = {name: Made(**one) for name, one in facts.get("custom_resources", {}).items()}
        with _wanted("the API", more["gateway_port"]):
            stack.create()
        self.stacks.append(stack)

    def _stack_for(self, real: Mapping[str, str], more: Json) -> Stack:
        if not self._set_up:
            return Stack({**real, **WITHOUT_SET_UP}, change=leave_out_set_up, **more)
        # Nobody but this machine reaches its API: without another address no webhook could be sent there.
        reachable = {} if real.get("BaseUrl") else {"LiveEvents": "false"}
        return Stack({**real, **reachable}, **more)

    def _machine(self, product: Product, bitbucket_port: int, files: Path | None, more: Json) -> Machine:
        assert self.port is not None
        with _wanted("Bitbucket's stand-in", bitbucket_port):
            machine = Machine(
                product,
                port=self.port,
                parameters=self._parameters,
                bitbucket_port=bitbucket_port,
                set_up=self._set_up,
                **more,
            )
        self._exits.callback(machine.stop)
        self._ports[product] = _port_of(machine.bitbucket.url)
        if files is not None:
            machine.bitbucket.world.recall(read_objects(files / product))
        elif self._furnished:
            furnish(machine.bitbucket.world)
        self.machines.append(machine)
        return machine

    # --- state -------------------------------------------------------------------------------------------------------

    def save_when_quiet(self) -> bool:
        """Save the state unless something is being handled; whether it was saved.

        What one process has written is then written by all: a ledger that knows more than the catalog has would never
        be right again.
        """
        with self.progress.lock:
            if self._state is None or any(stack.busy for stack in self.stacks):
                return False
            self._save(self._state)
        return True

    def _save_at_the_end(self) -> None:
        if self._state is not None and self._complete:
            self._save(self._state)

    def _save(self, state: State) -> None:
        def write_files(folder: Path) -> None:
            self.moto.save(folder / "aws.json")
            if self.port is not None:
                write_objects(folder / "port", self.port.memory())
            for machine in self.machines:
                with machine.bitbucket.lock:
                    write_objects(folder / machine.product, machine.bitbucket.world.memory())

        stacks = {
            product: {
                "name": stack.name,
                "gateway_port": _port_of(stack.url),
                "bitbucket_port": self._ports.get(product, 0),
                "custom_resources": {name: asdict(made) for name, made in stack.custom_resources.items()},
            }
            for product, stack in zip(self._products, self.stacks, strict=True)
        }
        state.write({"told": self.progress.told, "port": self._ports.get("port", 0), "stacks": stacks}, write_files)

    def _restore(self, files: Path) -> None:
        given = [_given_secrets(stack) for stack in self.stacks]
        try:
            self.moto.restore(files / "aws.json")
        except ValueError as error:
            raise StateError(f"{error}; start with --reset to forget it") from error
        for stack, values in zip(self.stacks, given, strict=True):
            if self._webhook_secret:
                values[stack.secret_arn("WebhookSecret")] = self._webhook_secret
            # What was changed since is what counts.
            for arn, value in values.items():
                if stack.secrets.get_secret_value(SecretId=arn)["SecretString"] != value:
                    stack.secrets.put_secret_value(SecretId=arn, SecretString=value)


def _given_secrets(stack: Stack) -> dict[str, str]:
    """ARN → value of the secrets that parameters decide, as opposed to generated ones."""
    found = {}
    for logical_id, properties in stack.template.resources("AWS::SecretsManager::Secret").items():
        if "GenerateSecretString" not in properties:
            arn = stack.secret_arn(logical_id)
            found[arn] = str(stack.secrets.get_secret_value(SecretId=arn)["SecretString"])
    return found


def _unless(stopping: threading.Event) -> None:
    if stopping.is_set():
        raise StoppedError


def _port_of(url: str) -> int:
    return urlsplit(url).port or 0


@contextmanager
def _wanted(what: str, port: int) -> Iterator[None]:
    """Say for what a port is needed that is taken."""
    try:
        yield
    except OSError as error:
        if error.errno != errno.EADDRINUSE:
            raise
        raise PortTakenError(f"port {port}, wanted for {what}, is in use by somebody else") from error
