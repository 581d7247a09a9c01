"""What webhooks have to hang at, so that the mapping's scope is covered: the workspace, projects or repositories."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Protocol

from bitbucket_port.errors import PermanentError
from bitbucket_port.hooks.asking import Asks, an_object, cloud_pages, request, server_pages
from bitbucket_port.hooks.subject import Level, Subject
from bitbucket_port.hooks.wanted import has_project_webhooks, version_numbers
from bitbucket_port.http import path_of
from bitbucket_port.mapping.model import Mapping, Selector
from bitbucket_port.mapping.scope import Question, Scope
from bitbucket_port.objects import Address, JsonObject, Kind
from bitbucket_port.resync.plan import Listing, RepositorySelection, plan

if TYPE_CHECKING:
    from bitbucket_port.mapping.engine import Ask

PAGE_LENGTH = 100
WORKSPACE = Subject("workspace", "-", Address(), "")
_WITH_WEBHOOKS: dict[str, tuple[Kind, ...]] = {
    "project": ("project", "repository", "pull-request"),
    "repository": ("repository", "pull-request"),
}


class Bitbucket(Asks, Protocol):
    """``reading.BitbucketReader``."""

    def asker(self, listing: Listing) -> Ask:
        """Answers questions about the objects of a listing."""
        ...


class Subjects:
    """Asks Bitbucket what there is, and leaves out what no entry of the mapping is about."""

    def __init__(self, bitbucket: Bitbucket, mapping: Mapping, workspace: str = "") -> None:
        self._bitbucket = bitbucket
        self._mapping = mapping
        self._workspace = workspace

    def workspace(self) -> Subject:
        """The Cloud workspace: its webhooks are for all of it, whatever the scope."""
        return Subject("workspace", "-", Address(), self._workspace)

    def version(self) -> str:
        """The Data Center's version, as it says itself: ``GET /application-properties``.

        Raises PermanentError when that is no version.
        """
        version = an_object(request(self._bitbucket, "GET", "/application-properties")).get("version")
        if not isinstance(version, str) or version_numbers(version) is None:
            raise PermanentError("the Data Center does not tell its version")
        return version

    def level(self, version: str, repositories: bool | None) -> Level:
        """What webhooks hang at on a Data Center of that version; ``repositories``: what the settings say."""
        if repositories is not None:
            return "repository" if repositories else "project"
        numbers = version_numbers(version)
        return "project" if numbers and has_project_webhooks(numbers) else "repository"

    def projects(self) -> list[Subject]:
        """The Data Center's projects that any entry of the mapping is about, completely listed."""
        covers = self._covering("project")
        return [
            _project(value)
            for value in server_pages(self._bitbucket, "/projects")
            if covers({**value, "project": value})
        ]

    def repositories(self) -> list[Subject]:
        """The repositories that any entry about repositories or pull requests is about, completely listed.

        Archived ones are left out: nothing happens there before they are opened again.
        """
        covers = self._covering("repository")
        return [_repository(value) for value in self._listed() if covers(value)]

    def _listed(self) -> Iterator[JsonObject]:
        if self._mapping.product == "server":
            archived = {"archived": "ACTIVE"}
            yield from server_pages(self._bitbucket, "/repos", archived)
            return
        listing = self._listing()
        restricted = {name: value for name, value in (("role", listing.role), ("q", listing.q)) if value}
        params = {"sort": "created_on", "pagelen": PAGE_LENGTH, **restricted}
        yield from cloud_pages(self._bitbucket, path_of("repositories", self._workspace), params)

    def _listing(self) -> Listing:
        listings = plan(self._mapping, self._mapping.product).listings
        return next((one for one in listings if one.kind == "repository"), Listing("repository"))

    def _covering(self, level: Level) -> Callable[[JsonObject], bool]:
        """Whether an object is in the scope of any entry; what Bitbucket refuses to say leaves it in.

        An unwanted webhook costs little; a missing one costs what it would have told.
        """
        kinds = _WITH_WEBHOOKS[level]
        selectors = {
            RepositorySelection.of(one.selector).selector() for one in self._mapping.resources if one.kind in kinds
        }
        scopes = [self._scope(selector) for selector in selectors]
        ask = self._bitbucket.asker(self._listing())

        def is_in(obj: JsonObject, scope: Scope) -> bool:
            judgement = scope.judge(obj)
            return judgement.in_scope is not False and all(_says_yes(ask, one) for one in judgement.questions)

        return lambda obj: any(is_in(obj, scope) for scope in scopes)

    def _scope(self, selector: Selector) -> Scope:
        return Scope(selector, product=self._mapping.product, kind="repository", now=lambda: 0.0)


def _says_yes(ask: Ask, question: Question) -> bool:
    try:
        return ask(question)
    except PermanentError:
        return True


def _project(value: JsonObject) -> Subject:
    key = _needed(value, "key")
    return Subject("project", _needed(value, "id"), Address(project=key), key)


def _repository(value: JsonObject) -> Subject:
    """A repository of either product."""
    project = value.get("project") if isinstance(value.get("project"), dict) else {}
    if "uuid" in value:
        uuid = _needed(value, "uuid")
        return Subject("repository", uuid, Address(repository=uuid), _needed(value, "full_name"), WORKSPACE.key)
    key, slug = _needed(project or {}, "key"), _needed(value, "slug")
    parent = f"project#{_needed(project or {}, 'id')}"
    return Subject("repository", _needed(value, "id"), Address(key, slug), f"{key}/{slug}", parent)


def _needed(value: JsonObject, name: str) -> str:
    found = value.get(name)
    if isinstance(found, bool) or not isinstance(found, str | int) or found == "":
        raise PermanentError(f"Bitbucket listed something without {name}")
    return str(found)
