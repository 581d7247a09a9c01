"""Reads the selector of one entry of ``resources``."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast

from bitbucket_port.mapping import query_language
from bitbucket_port.mapping.model import PULL_REQUEST_STATES, USER_ROLES, Selector
from bitbucket_port.objects import Kind, Product


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong with one field. Unless ``fatal`` the entry works without it."""

    field: str
    reason: str
    fix: str
    fatal: bool = True


@dataclass(frozen=True, slots=True)
class _Key:
    name: str
    read: Callable[[Any], Any]
    expected: str


class _WrongValueError(ValueError):
    """The value is not one this selector takes."""


def _text(value: Any) -> str | None:
    if not isinstance(value, str):
        raise _WrongValueError
    return value.strip() or None


def _texts(value: Any) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
        raise _WrongValueError
    return tuple(value)


def _one_of(allowed: tuple[str, ...]) -> Callable[[Any], str]:
    def read(value: Any) -> str:
        if value not in allowed:
            raise _WrongValueError
        return cast(str, value)

    return read


def _regex(value: Any) -> str:
    if not isinstance(value, str):
        raise _WrongValueError
    try:
        re.compile(value)
    except re.error as error:
        raise _WrongValueError(f"it is no regular expression: {error}") from error
    return value


def _days(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 36500:
        raise _WrongValueError
    return float(value)


def _flag(value: Any) -> bool:
    if not isinstance(value, bool):
        raise _WrongValueError
    return value


_QUERY = "Bitbucket's query language as text"
_USER_ROLE = _Key("user_role", _one_of(USER_ROLES), f"one of {', '.join(USER_ROLES)}")
_REPO_QUERY = _Key("repo_query", _text, _QUERY)
_PULL_REQUEST_QUERY = _Key("pull_request_query", _text, _QUERY)
_INCLUDED_FILES = _Key("included_files", _texts, "a list of file paths")
_PROJECTS = _Key("projects", _texts, "a list of project keys")
_PROJECT_REGEX = _Key("project_filter_regex", _regex, "a regular expression as text")
_STATE = _Key("state", _one_of(PULL_REQUEST_STATES), f"one of {', '.join(PULL_REQUEST_STATES)}")
_CLOSED_WITHIN = _Key("closed_within_days", _days, "a number of days")
_PERSONAL = _Key("include_personal", _flag, "true or false")

_CLOUD_REPOSITORY = {"userRole": _USER_ROLE, "repoQuery": _REPO_QUERY, "includedFiles": _INCLUDED_FILES}
_SERVER_PROJECT = {"projects": _PROJECTS, "projectFilterRegex": _PROJECT_REGEX, "includePersonal": _PERSONAL}

KEYS: dict[tuple[Product, Kind], dict[str, _Key]] = {
    ("cloud", "project"): {},
    ("cloud", "user"): {},
    ("cloud", "repository"): _CLOUD_REPOSITORY,
    ("cloud", "pull-request"): {
        **_CLOUD_REPOSITORY,
        "pullRequestQuery": _PULL_REQUEST_QUERY,
        "closedWithinDays": _CLOSED_WITHIN,
    },
    ("server", "user"): {},
    ("server", "project"): _SERVER_PROJECT,
    ("server", "repository"): _SERVER_PROJECT,
    ("server", "pull-request"): {**_SERVER_PROJECT, "state": _STATE, "closedWithinDays": _CLOSED_WITHIN},
}
# Sent by Ocean's own documents; they mean something only where Port itself does the mapping.
_IGNORED = {"query", "exportEnvVariables"}


def read_selector(value: Any, *, product: Product, kind: Kind) -> tuple[Selector, list[Fault]]:
    """The selector, and what is wrong with it.

    A wrong value is fatal for the entry: left out it would widen or narrow what the entry is about. An unknown key
    is reported and ignored, as in Ocean. ``query`` is taken as it stands; whether it is jq is checked elsewhere.
    """
    if not isinstance(value, dict):
        return Selector(), [Fault("selector", "it is missing or no object.", 'Write selector: {query: "true"}.')]
    known = KEYS[product, kind]
    values: dict[str, Any] = {}
    faults: list[Fault] = []
    query = value.get("query")
    if isinstance(query, bool):
        query = "true" if query else "false"
    if not isinstance(query, str):
        faults.append(Fault("selector.query", "it is required and must be text.", 'Write query: "true" to take all.'))
    else:
        values["query"] = query
    for name, given in value.items():
        if name in _IGNORED or (given is None and name in known):
            continue
        if name not in known:
            faults.append(_unknown(name, product, kind, known))
            continue
        try:
            values[known[name].name] = known[name].read(given)
        except _WrongValueError as error:
            reason = f"{error}." if str(error) else f"{given!r} is not {known[name].expected}."
            faults.append(Fault(f"selector.{name}", reason, f"Give {known[name].expected}, or remove it."))
    selector = Selector(**values)
    return selector, [*faults, *_query_faults(selector)]


def _unknown(name: Any, product: Product, kind: Kind, known: dict[str, _Key]) -> Fault:
    names = ", ".join(["query", *known])
    return Fault(
        f"selector.{name}",
        f"it is not known for {kind} on {'Bitbucket Cloud' if product == 'cloud' else 'Data Center'} and is ignored.",
        f"Known are: {names}. Correct or remove it.",
        fatal=False,
    )


def _query_faults(selector: Selector) -> list[Fault]:
    """Queries that cannot be answered here: Bitbucket may understand them, so they are asked there each time."""
    faults = []
    for name, query in (("repoQuery", selector.repo_query), ("pullRequestQuery", selector.pull_request_query)):
        if query is None:
            continue
        try:
            query_language.parse(query)
        except query_language.QuerySyntaxError as error:
            faults.append(
                Fault(
                    f"selector.{name}",
                    f"{error} Every object costs a request to Bitbucket, which may refuse it too.",
                    'Write comparisons as in state = "OPEN" AND destination.branch.name = "main".',
                    fatal=False,
                )
            )
    return faults
