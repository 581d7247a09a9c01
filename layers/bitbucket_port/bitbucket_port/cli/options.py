"""What the commands share: what each is made of, and its part of the grammar."""

from __future__ import annotations

import argparse
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from rich.console import Console

if TYPE_CHECKING:
    Commands = argparse._SubParsersAction[argparse.ArgumentParser]
else:
    Commands = object


@dataclass
class Command(ABC):
    """A command as the command line asks for it. ``more`` replaces parts of it (its clock) in tests."""

    options: argparse.Namespace
    environment: dict[str, str]
    output: Console
    errors: Console
    more: dict[str, Any] = field(default_factory=dict)

    @abstractmethod
    def run(self) -> int:
        """Do what was asked; returns the exit status. Raises BitbucketPortError with what to tell."""


def add_command(
    commands: Commands, name: str, command: type[Command], *, short: str, about: str
) -> argparse.ArgumentParser:
    """A command's grammar, with nothing of its own yet. ``short`` is for the list of commands."""
    one = commands.add_parser(name, help=short, description=about, formatter_class=argparse.RawDescriptionHelpFormatter)
    one.set_defaults(command=command)
    return one


def add_verbose(command: argparse.ArgumentParser) -> None:
    """The option that shows what the package logs; ``main`` reads it."""
    command.add_argument("--verbose", action="store_true", help="show what goes wrong as it happens")


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
