"""The stacks of the local machine, found through its page: where their AWS is, and what their functions know."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import boto3
import requests

from bitbucket_port.cli.stack_status import Place
from bitbucket_port.errors import SettingsError

PAGE = "http://127.0.0.1:3001"
_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class LocalStacks:
    """``aws``: the variables that lead AWS's own library to the machine's AWS."""

    places: tuple[Place, ...]
    aws: Mapping[str, str]


def stacks_at(page: str) -> LocalStacks:
    """The stacks that the machine with this page runs. Raises SettingsError when there is none."""
    url = page.rstrip("/") + "/stacks.json"
    try:
        answer = requests.get(url, timeout=_SECONDS)
        answer.raise_for_status()
        told: Any = answer.json()
        ahead = float(told["now"]) - time.time()
        places = tuple(
            Place(str(one["name"]), dict(one["environment"]), dict(one["queues"]), lambda: time.time() + ahead)
            for one in told["stacks"]
        )
        return LocalStacks(places, dict(told["aws"]))
    except (requests.RequestException, ValueError, KeyError, TypeError) as error:
        raise SettingsError(
            f"no local stack answers at {url} ({type(error).__name__}): start one with make run, or name its page"
        ) from error


@contextmanager
def asking(aws: Mapping[str, str]) -> Iterator[None]:
    """AWS is the machine's own meanwhile: its library takes where it is from the environment."""
    before = {name: os.environ.get(name) for name in aws}
    os.environ.update(aws)
    boto3.setup_default_session()  # The one there was may have found other credentials.
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
        boto3.setup_default_session()
