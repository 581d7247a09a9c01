"""Bitbucket Data Center, REST API ``latest`` (1.0).

Paths, parameters and answers: Atlassian's OpenAPI documents of 9.4 and 10.0. A renamed or moved repository goes on
answering at its old address, and that address can later be taken by another one: hence ``expected_id``.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from bitbucket_port.bitbucket.address import address_of
from bitbucket_port.bitbucket.client import START, Page, Reader, check_identity
from bitbucket_port.errors import ForbiddenError, NotFoundError, PermanentError, TransientError
from bitbucket_port.http import HttpClient, path_of
from bitbucket_port.objects import Address, JsonObject, Product

if TYPE_CHECKING:
    from bitbucket_port.mapping.model import Wants
    from bitbucket_port.mapping.scope import Question
    from bitbucket_port.resync.plan import Listing

PAGE_LIMIT = 1000
README_NAMES = ("README.md", "readme.md", "README")
API = "/rest/api/latest"


class ServerBitbucket(Reader):
    """One Bitbucket Data Center instance; ``http`` is made with ``<base url>/rest/api/latest``."""

    product: Product = "server"

    def __init__(self, http: HttpClient, *, now: Callable[[], float] = time.time) -> None:
        super().__init__(http, now=now)
        parts = urlsplit(http.base_url.removesuffix(API))
        self._source = f"{parts.scheme.lower()}://{parts.netloc.lower()}{parts.path}".rstrip("/")

    def source(self) -> str:
        """The base URL, host in lower case, without a slash at its end."""
        return self._source

    def check_source(self) -> None:
        """``GET /projects``, which needs our credentials: the version, say, would be told to anybody.

        Lists leave out what an account may not see. One that sees no project and no repository lost its permissions:
        what it does not find may be there (ForbiddenError).
        """
        if not any(self.values(self.get(path, {"limit": 1})) for path in ("/projects", "/repos")):
            raise ForbiddenError("Bitbucket shows this account no project and no repository at all")

    def read_project(self, address: Address, *, expected_id: str | None = None) -> JsonObject:
        """``GET /projects/{key}``."""
        project = self.get(_project(address))
        check_identity("server", "project", project, expected_id)
        return project

    def read_repository(self, address: Address, wants: Wants, *, expected_id: str | None = None) -> JsonObject:
        """``GET /projects/{key}/repos/{slug}``, and what the mapping wants from its main branch."""
        repository = self.get(_repository(address))
        check_identity("server", "repository", repository, expected_id)
        if wants.readme or wants.latest_commit:
            branch = self._default_branch(address)
            if branch is not None:
                repository["__defaultBranch"] = branch.removeprefix("refs/heads/")
            commit = None if branch is None else self._latest_commit(address, {"until": branch})
            self._add(repository, wants, address, commit)
        return repository

    def read_pull_request(self, address: Address, *, expected_repository: str | None = None) -> JsonObject:
        """``GET /projects/{key}/repos/{slug}/pull-requests/{id}``."""
        if address.number is None:
            raise PermanentError("the address of a pull request on the Data Center has no number")
        pull_request = self.get(_repository(address) + path_of("pull-requests", address.number))
        target = (pull_request.get("toRef") or {}).get("repository")
        check_identity("server", "repository", target if isinstance(target, dict) else {}, expected_repository)
        return pull_request

    def read_user(self, address: Address, *, expected_id: str | None = None) -> JsonObject:
        """``GET /users/{slug}``."""
        user = self.get(path_of("users", _needed(address.user, "user")))
        check_identity("server", "user", user, expected_id)
        return user

    def emails(self, addresses: Collection[str]) -> dict[str, str]:
        """Never asked: users come with their e-mail address here."""
        raise PermanentError(f"the Data Center shows e-mail addresses with the users ({len(addresses)} asked for)")

    def matching(self, question: Question) -> frozenset[str]:
        """Never answers: no selector of the Data Center needs its help."""
        raise PermanentError(f"the Data Center has no query language to ask about a {question.kind}")

    def matches(self, question: Question) -> bool:
        """Never answers: no selector of the Data Center needs its help."""
        raise PermanentError(f"the Data Center has no query language to ask about a {question.kind}")

    def list(self, listing: Listing, *, container: Address | None = None, cursor: str | None = None) -> Iterator[Page]:
        """In the server's own order, pull requests oldest first; archived repositories and personal projects too."""
        if listing.kind == "project":
            return self._pages("/projects", {}, cursor)
        if listing.kind == "user":
            return self._pages("/users", {}, cursor)
        if listing.kind == "repository":
            return self._pages("/repos", {"archived": "ALL"}, cursor)
        return self._pull_requests(container or Address(), listing.state, cursor)

    def open_pull_requests(self, repository: Address) -> Iterator[Page]:
        """Oldest first, so that what is opened meanwhile comes last; those that others aim at this repository."""
        return self._pull_requests(repository, "OPEN")

    def repositories_of(self, project: Address) -> Iterator[Page]:
        """``GET /repos`` and not the project's own list: only there archived repositories can be asked for.

        Its filter by project key came later than the list itself, so the key is compared here as well.
        """
        key = _needed(project.project, "project key")
        for page in self._pages("/repos", {"projectkey": key, "archived": "ALL"}):
            yield replace(page, values=tuple(value for value in page.values if _is_in(value, key)))

    def head(self, repository: JsonObject) -> JsonObject | None:
        """``GET …/commits?limit=1``: where no branch is named, the server takes the default one."""
        return self._latest_commit(address_of("server", "repository", repository), {})

    def enrich(self, repository: JsonObject, wants: Wants, commit: JsonObject | None) -> None:
        """``GET …/raw/{file}?at={commit}``, until one is there; the name of the main branch is not asked for."""
        self._add(repository, wants, address_of("server", "repository", repository), commit)

    def _add(self, repository: JsonObject, wants: Wants, address: Address, commit: JsonObject | None) -> None:
        if wants.latest_commit:
            repository["__latestCommit"] = commit
        if wants.readme:
            repository["__readme"] = self._readme(address, commit)

    def _pull_requests(self, repository: Address, state: str, cursor: str | None = None) -> Iterator[Page]:
        params = {"state": state, "order": "OLDEST", "direction": "INCOMING"}
        return self._pages(_repository(repository) + "/pull-requests", params, cursor)

    def _default_branch(self, address: Address) -> str | None:
        """The full name (``refs/heads/…``); None for 404, and for the 204 that some versions give when empty."""
        try:
            answer = self.http.request("GET", _repository(address) + "/default-branch", ok=(200, 204))
        except NotFoundError:
            return None
        if answer.status == 204:
            return None
        branch = answer.json()
        name = branch.get("id") if isinstance(branch, dict) else None
        if not isinstance(name, str) or not name:
            raise TransientError("the Data Center answered with a default branch that has no name")
        return name

    def _latest_commit(self, address: Address, until: JsonObject) -> JsonObject | None:
        """The newest commit of a branch; None when there is no such branch, or nothing on it yet."""
        try:
            page = self.get(_repository(address) + "/commits", until | {"limit": 1})
        except NotFoundError:
            return None
        return next(iter(self.values(page)), None)

    def _readme(self, address: Address, commit: JsonObject | None) -> str | None:
        if commit is None:
            return None
        at = commit.get("id")
        if not isinstance(at, str) or not at:
            raise TransientError("the Data Center answered with a commit that has no id")
        texts = (self.file(_repository(address) + path_of("raw", name), {"at": at}) for name in README_NAMES)
        return next((text for text in texts if text is not None), None)

    def _pages(self, path: str, params: JsonObject, cursor: str | None = None) -> Iterator[Page]:
        """Every page, by the server's own ``nextPageStart``; an administrator may have capped ``limit``."""
        start = 0 if cursor in {None, START} else _number(cursor)
        while True:
            asked_at = self.now()
            page = self.get(path, params | {"limit": PAGE_LIMIT, "start": start})
            values = self.values(page)
            if page.get("isLastPage") is True:
                yield Page(values, asked_at, None, str(start))
                return
            following = page.get("nextPageStart")
            if isinstance(following, bool) or not isinstance(following, int) or following <= start:
                raise TransientError("the Data Center does not say where the next page of a list begins")
            yield Page(values, asked_at, str(following), str(start))
            start = following


def _number(cursor: str | None) -> int:
    if cursor is None or not (cursor.isascii() and cursor.isdigit()):
        raise PermanentError("a list of the Data Center cannot go on from what is no number")
    return int(cursor)


def _needed(value: object, name: str) -> str:
    if not isinstance(value, str) or not value:
        raise PermanentError(f"the address of what the Data Center should be asked for has no {name}")
    return value


def _project(address: Address) -> str:
    return path_of("projects", _needed(address.project, "project key"))


def _repository(address: Address) -> str:
    return _project(address) + path_of("repos", _needed(address.repository, "repository slug"))


def _is_in(repository: JsonObject, key: str) -> bool:
    """Whether the repository is in that project; the server compares keys without regard to case, too."""
    found = (repository.get("project") or {}).get("key")
    return isinstance(found, str) and found.lower() == key.lower()
