"""Which objects a resource is about: one predicate for live events and resyncs.

``selector.query`` is jq and not judged here. Everything else is answered from the object where it can be, and becomes
a question to Bitbucket Cloud where it cannot.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Any

from bitbucket_port.mapping import query_language
from bitbucket_port.mapping.model import Selector
from bitbucket_port.mapping.query_language import ABSENT, UNKNOWN, Path, Query, Truth
from bitbucket_port.objects import JsonObject, Kind, Product

SECONDS_A_DAY = 86400.0
CLOUD_CLOSED = frozenset({"MERGED", "DECLINED", "SUPERSEDED"})
SERVER_CLOSED = frozenset({"MERGED", "DECLINED"})
# What Ocean asks Bitbucket for when the selector says nothing; an empty query means the same to Bitbucket itself.
DEFAULT_PULL_REQUEST_QUERY = 'state="OPEN"'
# A pull request carries only a stub of its repository; what else it may hold is not sure to be the repository's own.
_STUB_FIELDS: frozenset[Path] = frozenset(
    {("uuid",), ("full_name",), ("name",), ("slug",), ("workspace", "slug")},
)


@dataclass(frozen=True, slots=True)
class Question:
    """What only Bitbucket Cloud can answer about one object.

    ``kind`` is ``repository``: is the repository in ``GET /repositories/{workspace}?role=<role>&q=(<q>) AND uuid=…``;
    or ``pull-request``: is the pull request in its repository's list with ``q=(<q>) AND id=<number>``.
    ``repository`` is the ``{uuid}`` where the object tells it, ``slug`` the last part of its full name.
    """

    kind: Kind
    repository: str | None = None
    slug: str | None = None
    project: str | None = None
    number: int | None = None
    role: str | None = None
    q: str | None = None

    @property
    def params(self) -> dict[str, str]:
        """The query parameters ``role`` and ``q``, as far as they are part of the question."""
        pairs = {"role": self.role, "q": self.q}
        return {name: value for name, value in pairs.items() if value is not None}


@dataclass(frozen=True, slots=True)
class Judgement:
    """``in_scope`` is UNKNOWN when it takes the questions: in scope is what all of them say yes to.

    ``unanswerable`` names selectors neither the object nor Bitbucket can answer; they count as fulfilled.
    """

    in_scope: Truth
    questions: tuple[Question, ...] = ()
    unanswerable: tuple[str, ...] = ()


_Part = Truth | Question


class Scope:
    """The selector of one resource, ready to judge objects; ``now`` gives epoch seconds."""

    def __init__(self, selector: Selector, *, product: Product, kind: Kind, now: Callable[[], float]) -> None:
        self._selector = selector
        self._kind = kind
        self._now = now
        self._judge_parts = self._cloud_parts if product == "cloud" else self._server_parts
        self._regex = re.compile(selector.project_filter_regex) if selector.project_filter_regex else None
        self._repository_query = _parsed(selector.repo_query)
        self._pull_request_text = selector.pull_request_query or DEFAULT_PULL_REQUEST_QUERY
        self._pull_request_query = _parsed(self._pull_request_text)

    def judge(self, obj: JsonObject) -> Judgement:
        """Whether ``obj`` (REST shape) is in scope, or what has to be asked to know it."""
        parts = self._judge_parts(obj)
        if any(answer is False for answer in parts.values()):
            return Judgement(False)
        questions = tuple(part for part in parts.values() if isinstance(part, Question))
        unanswerable = tuple(name for name, part in parts.items() if part is UNKNOWN)
        return Judgement(UNKNOWN if questions else True, questions, unanswerable)

    def pull_request_fields(self) -> set[Path]:
        """The fields of a pull request this scope reads on Cloud; empty for other kinds."""
        if self._kind != "pull-request" or self._pull_request_query is None:
            return set()
        return query_language.fields(self._pull_request_query)

    def _cloud_parts(self, obj: JsonObject) -> dict[str, _Part]:
        if self._kind == "repository":
            return {"repoQuery and userRole": self._repository_part(obj, partial(_read_repository, obj))}
        if self._kind == "pull-request":
            stub = _at(obj, ("destination", "repository"))
            repository = stub if isinstance(stub, dict) else {}
            return {
                "pullRequestQuery": self._pull_request_part(obj, repository),
                "repoQuery and userRole": self._repository_part(repository, partial(_read_stub, repository)),
            }
        return {}

    def _repository_part(self, repository: JsonObject, read: query_language.Read) -> _Part:
        role, text = self._selector.user_role, self._selector.repo_query
        matches = True if text is None else _evaluated(self._repository_query, read)
        if matches is False or (matches and role is None):
            return matches
        place = _place(repository)
        if place is None:
            return UNKNOWN
        return Question("repository", **place, role=role, q=None if matches else text)

    def _pull_request_part(self, obj: JsonObject, repository: JsonObject) -> _Part:
        matches = _evaluated(self._pull_request_query, partial(_at, obj))
        remainder: Query | bool = False
        if matches is not True and self._pull_request_query is not None and self._recently_closed_on_cloud(obj):
            # The same query, were the pull request still open; what remains unknown of it goes into the question.
            remainder = query_language.reduce(self._pull_request_query, _read_open_state)
            assumed = query_language.evaluate(self._pull_request_query, partial(_read_as_open, obj))
            remainder = assumed if isinstance(assumed, bool) else remainder
        if matches or remainder is True:
            return True
        asked = ([] if matches is False else [self._pull_request_text]) + (
            [str(remainder)] if not isinstance(remainder, bool) else []
        )
        if not asked:
            return False
        place, number = _place(repository), obj.get("id")
        if place is None or not isinstance(number, int):
            return UNKNOWN
        q = asked[0] if len(asked) == 1 else " OR ".join(f"({one})" for one in asked)
        return Question("pull-request", **place, number=number, q=q)

    def _recently_closed_on_cloud(self, obj: JsonObject) -> bool:
        state = obj.get("state")
        if self._selector.closed_within_days is None or not isinstance(state, str) or state not in CLOUD_CLOSED:
            return False
        updated = obj.get("updated_on")
        moment = query_language.moment_of(updated) if isinstance(updated, str) else None
        return moment is None or self._within(moment.timestamp())

    def _within(self, closed_at: float, *, unit: float = 1.0) -> bool:
        """``closed_at`` counts units of that many seconds; a number of any size is only compared, never divided."""
        days = self._selector.closed_within_days
        return days is not None and closed_at >= (self._now() - days * SECONDS_A_DAY) / unit

    def _server_parts(self, obj: JsonObject) -> dict[str, _Part]:
        if self._kind == "user":
            return {}
        paths: dict[Kind, Path] = {
            "project": (),
            "repository": ("project",),
            "pull-request": ("toRef", "repository", "project"),
        }
        project = _at(obj, paths[self._kind])
        parts = self._project_parts(project if isinstance(project, dict) else {})
        if self._kind == "pull-request":
            parts["state"] = self._server_state(obj)
        return parts

    def _project_parts(self, project: JsonObject) -> dict[str, _Part]:
        selector, key = self._selector, project.get("key")
        if not isinstance(key, str):
            return {"projects": UNKNOWN} if selector.projects or self._regex else {}
        return {
            "includePersonal": selector.include_personal or not is_personal(project),
            "projects": not selector.projects or key in selector.projects,
            "projectFilterRegex": self._regex is None or self._regex.match(key) is not None,
        }

    def _server_state(self, obj: JsonObject) -> Truth:
        wanted, state = self._selector.state, obj.get("state")
        if not isinstance(state, str):
            return UNKNOWN
        if wanted in {"ALL", state}:
            return True
        if wanted != "OPEN" or state not in SERVER_CLOSED or self._selector.closed_within_days is None:
            return False
        closed = obj.get("closedDate", obj.get("updatedDate"))
        return True if not isinstance(closed, int | float) else self._within(closed, unit=0.001)


def listed_query(text: str | None, closed_within_days: float | None, now: float) -> str:
    """``q`` of the list that shows what a Cloud selector's query and window choose at ``now`` (epoch seconds).

    It says what ``Scope`` says of one pull request. A query that is not understood here stays as it is.
    """
    text = text or DEFAULT_PULL_REQUEST_QUERY
    query = _parsed(text)
    if closed_within_days is None or query is None or ("state",) not in query_language.fields(query):
        return text
    remainder = query_language.reduce(query, _read_open_state)
    if remainder is False:
        return text
    since = datetime.fromtimestamp(now - closed_within_days * SECONDS_A_DAY, UTC).isoformat(timespec="seconds")
    closed = " OR ".join(f'state = "{state}"' for state in sorted(CLOUD_CLOSED))
    terms = [f"({closed})", f"updated_on >= {since}", *([] if remainder is True else [f"({remainder})"])]
    return f"({text}) OR ({' AND '.join(terms)})"


def is_personal(project: JsonObject) -> bool:
    """Whether a Data Center project is somebody's personal one."""
    return project.get("type") == "PERSONAL" or str(project.get("key", "")).startswith("~")


def _parsed(text: str | None) -> Query | None:
    """The query, or None where there is none or it is not understood here (then Bitbucket is asked)."""
    try:
        return None if text is None else query_language.parse(text)
    except query_language.QuerySyntaxError:
        return None


def _evaluated(query: Query | None, read: query_language.Read) -> Truth:
    return UNKNOWN if query is None else query_language.evaluate(query, read)


def _at(obj: object, path: Path) -> Any:
    """What stands at ``path``; a list's elements are looked through; ABSENT where a key is missing."""
    if not path:
        return obj
    if isinstance(obj, list):
        found = [_at(one, path) for one in obj]
        return ABSENT if any(one is ABSENT for one in found) else found
    if obj is None:
        return None
    return _at(obj[path[0]], path[1:]) if isinstance(obj, dict) and path[0] in obj else ABSENT


def _read_repository(repository: JsonObject, path: Path) -> object:
    """A field of a Cloud repository; what its full name tells need not stand there by itself."""
    value = _at(repository, path)
    full_name = repository.get("full_name")
    if value is ABSENT and isinstance(full_name, str) and full_name.count("/") == 1:
        workspace, slug = full_name.split("/")
        told: dict[Path, str] = {("slug",): slug, ("workspace", "slug"): workspace}
        return told.get(path, ABSENT)
    return value


def _read_stub(repository: JsonObject, path: Path) -> object:
    return _read_repository(repository, path) if path in _STUB_FIELDS else ABSENT


def _read_open_state(path: Path) -> object:
    """Only the state, as if open: what remains of the query can be asked of a closed pull request."""
    return "OPEN" if path == ("state",) else ABSENT


def _read_as_open(obj: JsonObject, path: Path) -> object:
    return "OPEN" if path == ("state",) else _at(obj, path)


def _place(repository: JsonObject) -> dict[str, Any] | None:
    """How to name the repository in a question; None when it has neither uuid nor full name."""
    full_name = repository.get("full_name")
    uuid, project = _text(repository.get("uuid")), _text(_at(repository, ("project", "key")))
    slug = full_name.split("/")[-1] if isinstance(full_name, str) and "/" in full_name else repository.get("slug")
    if uuid is None and not isinstance(slug, str):
        return None
    return {"repository": uuid, "slug": _text(slug), "project": project}


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None
