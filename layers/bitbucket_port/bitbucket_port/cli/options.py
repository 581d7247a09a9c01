"""What the commands' grammars share."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    Commands = argparse._SubParsersAction[argparse.ArgumentParser]
else:
    Commands = object


class Runs(Protocol):
    """A command that was asked for."""

    def run(self) -> int:
        """Do what was asked; returns the exit status. Raises BitbucketPortError with what to tell."""


def add_settings(command: argparse.ArgumentParser, names: Mapping[str, str]) -> None:
    """An option for each setting (name in the environment → what it is)."""
    settings = command.add_argument_group("settings")
    for name, what in names.items():
        settings.add_argument(option(name), dest=name, metavar="VALUE", help=what)


def given(options: argparse.Namespace, names: Mapping[str, str]) -> dict[str, str | None]:
    """The settings that were given as options, by their names in the environment."""
    return {name: getattr(options, name) for name in names}


def option(name: str) -> str:
    """The option of a setting: ``--bitbucket-token``."""
    return "--" + name.lower().replace("_", "-")
