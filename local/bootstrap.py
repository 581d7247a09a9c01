"""What runs in an execution environment: Lambda's own runtime client, under this machine's clock.

``bootstrap.py <clock file> <file descriptor> <folder>…`` with the folders that come first on ``sys.path``: the
function's, then its layers'. The descriptor is the read end of a pipe: a byte says that the platform is ready for us,
its end that the platform is gone. Started with ``-S -P``, so that nothing installed on this machine can be imported
that is not in a layer.
"""

import os
import signal
import sys
from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_loader
from pathlib import Path
from threading import Thread
from types import ModuleType


def main() -> None:
    """Wait for the platform, then hand over to awslambdaric, which reads the rest from the environment."""
    clock_file, descriptor, *folders = sys.argv[1:]
    life = int(descriptor)
    if not os.read(life, 1):
        sys.exit(1)
    clock = clock_module()
    clock.rule_this_process(clock.Clock(Path(clock_file)))
    Thread(target=die_with_the_platform, args=(life,), daemon=True).start()
    sys.path[:0] = folders
    del sys.argv[1:]

    # Lambda's bootstrap does no more: https://docs.aws.amazon.com/lambda/latest/dg/python-image.html.
    from awslambdaric import bootstrap
    from awslambdaric.lambda_runtime_client import LambdaRuntimeClient

    bootstrap.run(os.environ["_HANDLER"], LambdaRuntimeClient(os.environ["AWS_LAMBDA_RUNTIME_API"]))


def clock_module() -> ModuleType:
    """``local.clock`` by its file: the package it is in must stay out of the functions' sight."""
    loader = SourceFileLoader("clock", str(Path(__file__).with_name("clock.py")))
    spec = spec_from_loader("clock", loader)
    if spec is None:
        raise ImportError("the clock cannot be loaded")
    module = module_from_spec(spec)
    loader.exec_module(module)
    return module


def die_with_the_platform(life: int) -> None:
    """End this process with the one that started it, whatever the handler is doing."""
    while os.read(life, 1):
        pass
    os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    main()
