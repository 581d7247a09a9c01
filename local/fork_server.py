"""Starts the processes of execution environments as copies of one that has done most of their imports.

A new interpreter spends two thirds of a cold start on importing boto3 and what comes with it, the same for every
function. A copy is no less alone for that: environment, folder, log, process group and whatever it imports afterwards
are its own (``bootstrap``).
"""

from __future__ import annotations

import json
import os
import signal
import socket
import struct
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

BOOTSTRAP = Path(__file__).with_name("bootstrap.py")
_LENGTH = struct.Struct(">I")


class ServerGoneError(Exception):
    """The process that is copied was killed."""


@dataclass(frozen=True)
class Kind:
    """What copies have in common: the clock's file, folders before the standard library, and what the runtime is in."""

    clock: Path
    folders: tuple[Path, ...]
    runtime: Path


class Process:
    """One copy. It does nothing until ``begin``, and dies with whoever has ``close`` to call."""

    def __init__(self, pid: int, life: int) -> None:
        self.pid = pid
        self._life = life
        self._ended = threading.Event()
        self._code: int | None = None

    def begin(self) -> None:
        """Let it work."""
        with suppress(BrokenPipeError):  # It is dead already, which is seen elsewhere.
            os.write(self._life, b"1")

    def poll(self) -> int | None:
        """Its exit status, negative for a signal; None as long as it lives."""
        return self._code

    def wait(self) -> int:
        """Wait for its end; its exit status."""
        self._ended.wait()
        assert self._code is not None
        return self._code

    def kill(self) -> None:
        """SIGKILL for it and whatever it started."""
        if self._code is None:
            with suppress(ProcessLookupError):  # It was quicker.
                os.killpg(self.pid, signal.SIGKILL)

    def close(self) -> None:
        """Let go of it: what is left of it ends."""
        os.close(self._life)

    def ended(self, code: int) -> None:
        """Note its end."""
        self._code = code
        self._ended.set()


class ForkServer:
    """One process to be copied, shared by all functions of its kind. Raises OSError when it cannot be started."""

    def __init__(self, kind: Kind) -> None:
        self._control, theirs = socket.socketpair()
        with theirs:
            self._server = subprocess.Popen(
                # -B: Lambda's file system is read-only, so nothing is compiled for the next time.
                [
                    sys.executable,
                    "-S",
                    "-P",
                    "-B",
                    BOOTSTRAP,
                    kind.clock,
                    str(theirs.fileno()),
                    *map(str, kind.folders),
                ],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                pass_fds=(theirs.fileno(),),
                process_group=0,  # Ctrl-C is for the command that started us; this process ends with its socket.
                env={"LANG": "en_US.UTF-8", "PATH": "/usr/local/bin:/usr/bin:/bin", "PYTHONPATH": str(kind.runtime)},
            )
        self._asking = threading.Lock()
        self._told = threading.Condition()
        self._gone = False
        self._orders: deque[_Order] = deque()
        self._processes: dict[int, Process] = {}
        threading.Thread(target=self._listen, daemon=True, name="fork-server").start()

    @property
    def alive(self) -> bool:
        """Whether it can be asked for copies."""
        return not self._gone

    def start(self, environment: Mapping[str, str], log: IO[str]) -> Process:
        """A new process with this environment, whose folder is LAMBDA_TASK_ROOT, writing to ``log``.

        Raises ServerGoneError.
        """
        asked = json.dumps(dict(environment)).encode()
        read_end, write_end = os.pipe()
        order = _Order(write_end)
        try:
            with self._asking:
                self._orders.append(order)
                self._ask(_LENGTH.pack(len(asked)) + asked, [log.fileno(), read_end])
            return self._taken(order)
        except BaseException:
            os.close(write_end)
            raise
        finally:
            os.close(read_end)

    def _ask(self, message: bytes, descriptors: Sequence[int]) -> None:
        try:
            sent = socket.send_fds(self._control, [message], list(descriptors))
            self._control.sendall(message[sent:])
        except OSError as error:
            raise ServerGoneError from error

    def _taken(self, order: _Order) -> Process:
        with self._told:
            self._told.wait_for(lambda: order.process or self._gone)
        if order.process is None:
            raise ServerGoneError
        return order.process

    def end(self) -> None:
        """End it; copies have ended before."""
        with suppress(OSError):
            self._control.shutdown(socket.SHUT_RDWR)
        self._server.wait()

    def _listen(self) -> None:
        with self._control.makefile("rb") as lines:
            for line in lines:
                message = json.loads(line)
                if "started" in message:
                    self._begun(message["started"])
                else:
                    self._processes.pop(message["ended"]).ended(message["code"])
        with self._told:
            self._gone = True
            self._told.notify_all()
            left, self._processes = list(self._processes.values()), {}
        for process in left:  # Nobody tells how they end, so they do now.
            process.kill()
            process.ended(-signal.SIGKILL)
        self._control.close()

    def _begun(self, pid: int) -> None:
        with self._told:
            order = self._orders.popleft()
            order.process = self._processes[pid] = Process(pid, order.life)
            self._told.notify_all()


@dataclass
class _Order:
    """A copy that was asked for: the pipe it will live by, and the process as soon as there is one."""

    life: int
    process: Process | None = None


class _Shared:
    def __init__(self, server: ForkServer) -> None:
        self.server, self.users = server, 1


_lock = threading.Lock()
_servers: dict[Kind, _Shared] = {}


def borrow(kind: Kind) -> ForkServer:
    """The server of this kind, started if need be; ends when everybody has given it back."""
    with _lock:
        shared = _servers.get(kind)
        if shared is not None and shared.server.alive:
            shared.users += 1
        else:
            shared = _servers[kind] = _Shared(ForkServer(kind))
        return shared.server


def give_back(kind: Kind, server: ForkServer) -> None:
    """Need it no more."""
    with _lock:
        shared = _servers.get(kind)
        if shared is None or shared.server is not server:
            server.end()
            return
        shared.users -= 1
        if shared.users:
            return
        del _servers[kind]
    server.end()
