"""What becomes execution environments: a process that has imported what nearly all functions import, and its copies.

``bootstrap.py <clock file> <file descriptor> <folder>…`` with the layers' folders, which come first on ``sys.path``.
The descriptor is the socket on which the platform (``local.fork_server``) asks for copies. Each of them runs Lambda's
own runtime client under this machine's clock, with environment, folder, log and process group of its own. Started
with ``-S -P``, so that nothing installed on this machine can be imported that is not in a layer.
"""

import gc
import json
import os
import select
import signal
import socket
import struct
import sys
from contextlib import suppress
from importlib import import_module
from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_loader
from pathlib import Path
from threading import Thread
from types import ModuleType

PRELOADED = ("boto3", "requests", "jq")
"""Most of what a function imports. Importing these defines things and looks at nothing: not at variables, not at the
handler's folder. So it is the same whether it happens before a copy is made or after.
"""
LENGTH = struct.Struct(">I")


def main() -> None:
    """Make copies until the platform is gone; in a copy, do what it is there for."""
    clock_file, descriptor, *folders = sys.argv[1:]
    del sys.argv[1:]
    clock = clock_module()
    clock.rule_this_process(clock.Clock(Path(clock_file)))
    sys.path[:0] = folders
    preload()
    copy = copies(socket.socket(fileno=int(descriptor)))
    if copy is not None:
        run(*copy)


def clock_module() -> ModuleType:
    """``local.clock`` by its file: the package it is in must stay out of the functions' sight."""
    loader = SourceFileLoader("clock", str(Path(__file__).with_name("clock.py")))
    spec = spec_from_loader("clock", loader)
    if spec is None:
        raise ImportError("the clock cannot be loaded")
    module = module_from_spec(spec)
    loader.exec_module(module)
    return module


def preload() -> None:
    """Import what is there of ``PRELOADED``; what fails here fails where a function imports it, too, and is told."""
    for name in PRELOADED:
        with suppress(Exception):
            import_module(name)
    gc.collect()
    gc.freeze()  # Copies share this memory as long as nobody writes to it.


def copies(control: socket.socket) -> tuple[dict[str, str], int] | None:
    """Fork whenever the platform asks to, and tell it how each copy ended.

    Returns in every copy its environment and the descriptor of its life, and None here when the platform is gone.
    """
    ended, note = os.pipe()
    os.set_blocking(note, False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(note, warn_on_full_buffer=False)
    while True:
        ready, _, _ = select.select([control.fileno(), ended], [], [])
        if ended in ready:
            os.read(ended, 4096)
            tell_of_ended(control)
        if control.fileno() not in ready:
            continue
        asked = receive(control)
        if asked is None:
            return None
        environment, (log, life) = asked
        process = os.fork()
        if process == 0:
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            control.close()
            os.close(ended)
            os.close(note)
            settle_in(environment, log)
            return environment, life
        with suppress(ProcessLookupError, PermissionError):
            os.setpgid(process, process)  # Before anybody hears of it.
        os.close(log)
        os.close(life)
        send(control, {"started": process})


def receive(control: socket.socket) -> tuple[dict[str, str], list[int]] | None:
    """What the platform asks for, with the descriptors that come along; None when it is gone."""
    head, descriptors, _, _ = socket.recv_fds(control, LENGTH.size, 2)
    if not head:
        return None
    head += read(control, LENGTH.size - len(head))
    environment: dict[str, str] = json.loads(read(control, *LENGTH.unpack(head)))
    return environment, descriptors


def read(control: socket.socket, size: int) -> bytes:
    """So many bytes."""
    found = b""
    while len(found) < size:
        found += control.recv(size - len(found)) or sys.exit(1)
    return found


def send(control: socket.socket, message: dict[str, int]) -> None:
    """Tell the platform something, as one line."""
    with suppress(BrokenPipeError, ConnectionResetError):  # It is gone, which is seen by the next read.
        control.sendall(json.dumps(message).encode() + b"\n")


def tell_of_ended(control: socket.socket) -> None:
    """Collect every copy that has ended; its code is negative for a signal."""
    with suppress(ChildProcessError):
        while True:
            process, status = os.waitpid(-1, os.WNOHANG)
            if not process:
                return
            send(control, {"ended": process, "code": os.waitstatus_to_exitcode(status)})


def settle_in(environment: dict[str, str], log: int) -> None:
    """Make a copy what a process of its own would be."""
    os.setpgid(0, 0)
    nothing = os.open(os.devnull, os.O_RDONLY)
    for source, target in ((nothing, 0), (log, 1), (log, 2)):
        os.dup2(source, target)
    os.close(nothing)
    os.close(log)
    os.environ.clear()
    os.environ.update(environment)
    folder = environment["LAMBDA_TASK_ROOT"]
    os.chdir(folder)
    sys.path.insert(0, folder)


def run(environment: dict[str, str], life: int) -> None:
    """Wait for the platform, then hand over to awslambdaric, which reads the rest from the environment.

    A byte from ``life`` says that the platform is ready, its end that the platform is gone.
    """
    if not os.read(life, 1):
        sys.exit(1)
    Thread(target=die_with_the_platform, args=(life,), daemon=True).start()

    # Lambda's bootstrap does no more: https://docs.aws.amazon.com/lambda/latest/dg/python-image.html.
    from awslambdaric import bootstrap
    from awslambdaric.lambda_runtime_client import LambdaRuntimeClient

    bootstrap.run(environment["_HANDLER"], LambdaRuntimeClient(environment["AWS_LAMBDA_RUNTIME_API"]))


def die_with_the_platform(life: int) -> None:
    """End this process with the one that started it, whatever the handler is doing."""
    while os.read(life, 1):
        pass
    os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    main()
