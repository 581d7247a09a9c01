"""Bitbucket Cloud, REST API 2.0.

Paths, parameters and answers: Atlassian's OpenAPI document of June 2026. Not in it, and therefore known from the
developers' reference and from use: ``pagelen`` may be 100, but 50 for pull requests; a pull request in a list has its
``reviewers`` and ``participants`` only when ``fields`` asks for them; with ``q`` the parameter ``state`` is ignored; a
branch name with a slash works under ``refs/branches/`` but not under ``src/``, so files are read by commit hash.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Collection, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from bitbucket_port.bitbucket.address import address_of
from bitbucket_port.bitbucket.client import START, Page, Reader, check_identity
from bitbucket_port.errors import NotFoundError, PermanentError, TransientError
from bitbucket_port.http import HttpClient, RedirectedElsewhereError, RefusedError, path_of
from bitbucket_port.objects import Address, JsonObject, Product

if TYPE_CHECKING:
    from bitbucket_port.mapping.model import Wants
    from bitbucket_port.mapping.scope import Question
    from bitbucket_port.resync.plan import Listing

_log = logging.getLogger(__name__)

PAGE_LENGTH = 100
PULL_REQUEST_PAGE_LENGTH = 50
MOST_EMAILS = 90
ONE_BY_ONE = "|"
PEOPLE = "+values.participants,+values.reviewers"


class CloudBitbucket(Reader):
    """One workspace of Bitbucket Cloud, named by its slug or ``{uuid}``."""

    product: Product = "cloud"

    def __init__(self, http: HttpClient, workspace: str, *, now: Callable[[], float] = time.time) -> None:
        super().__init__(http, now=now)
        self._workspace = workspace
        self._source: str | None = None

    # --- single objects ----------------------------------------------------------------------------------------------

    def source(self) -> str:
        """The workspace's uuid, asked for once."""
        if self._source is None:
            uuid = self.get(path_of("workspaces", self._workspace)).get("uuid")
            if not isinstance(uuid, str) or not uuid:
                raise TransientError("Bitbucket Cloud answered with a workspace that has no uuid")
            self._source = uuid
        return self._source

    def _learn_source(self, values: tuple[JsonObject, ...]) -> None:
        """Projects, repositories and memberships name their workspace: then it need not be asked for."""
        workspace = values[0].get("workspace") if values and self._source is None else None
        if isinstance(workspace, dict):
            uuid, names = workspace.get("uuid"), {str(workspace.get(name)).lower() for name in ("uuid", "slug")}
            if isinstance(uuid, str) and uuid and self._workspace.lower() in names:
                self._source = uuid

    def check_source(self) -> None:
        """``GET /workspaces/{workspace}``."""
        self.get(path_of("workspaces", self._workspace), {"fields": "uuid"})

    def read_project(self, address: Address, *, expected_id: str | None = None) -> JsonObject:
        """``GET /workspaces/{workspace}/projects/{key}``."""
        project = self.get(path_of("workspaces", self._workspace, "projects", _part(address.project, "project key")))
        check_identity("cloud", "project", project, expected_id)
        return project

    def read_repository(self, address: Address, wants: Wants, *, expected_id: str | None = None) -> JsonObject:
        """``GET /repositories/{workspace}/{uuid}``, and its files where the mapping wants any.

        A repository that was transferred still answers here when the credentials may see its new workspace; it is not
        ours any more, so that is NotFoundError as well.
        """
        repository = self.get(self._repository(address))
        check_identity("cloud", "repository", repository, expected_id)
        if not self._is_ours(repository):
            raise NotFoundError("the repository belongs to another workspace now")
        if wants.included_files:
            self.enrich(repository, wants, self.head(repository))
        return repository

    def read_pull_request(self, address: Address, *, expected_repository: str | None = None) -> JsonObject:
        """``GET /repositories/{workspace}/{uuid}/pullrequests/{id}``."""
        number = _part(address.number, "number")
        pull_request = self.get(self._repository(address) + path_of("pullrequests", number))
        target = (pull_request.get("destination") or {}).get("repository")
        check_identity("cloud", "repository", target if isinstance(target, dict) else {}, expected_repository)
        return pull_request

    def read_user(self, address: Address, *, expected_id: str | None = None) -> JsonObject:
        """``GET /workspaces/{workspace}/members/{uuid}``."""
        path = path_of("workspaces", self._workspace, "members", _part(address.user, "user"))
        user = self.only(self.get(path).get("user"), "the member's account")
        check_identity("cloud", "user", user, expected_id)
        return user

    def emails(self, addresses: Collection[str]) -> dict[str, str]:
        """``GET /workspaces/{workspace}/members?q=user.email IN (…)``, which tells those addresses and no others."""
        found: dict[str, str] = {}
        distinct = [*dict.fromkeys(addresses)]
        path = path_of("workspaces", self._workspace, "members")
        for start in range(0, len(distinct), MOST_EMAILS):
            asked = ",".join(map(_quoted, distinct[start : start + MOST_EMAILS]))
            params = {"q": f"user.email IN ({asked})", "pagelen": PAGE_LENGTH, "fields": "+values.user.email"}
            for page in self._pages(path, params):
                for member in page.values:
                    user = self.only(member.get("user"), "a member's account")
                    if isinstance(user.get("email"), str) and isinstance(user.get("uuid"), str):
                        found[user["uuid"]] = user["email"]
        return found

    # --- what selectors ask ------------------------------------------------------------------------------------------

    def matches(self, question: Question) -> bool:
        """Asks the list that a resync would read for just this one object."""
        if question.kind == "repository":
            return self._repository_matches(question)
        if question.kind == "pull-request" and question.number is not None:
            terms = [f"({question.q})"] if question.q else []
            query = " AND ".join([*terms, f"id={question.number}"])
            path = self._repository(Address(repository=question.repository or question.slug)) + "/pullrequests"
            found = self.get(path, {"q": query, "pagelen": 1, "fields": "values.id"})
            return any(value.get("id") == question.number for value in self._found(found))
        raise PermanentError(f"Bitbucket Cloud has no query for a {question.kind}")

    def matching(self, question: Question) -> frozenset[str]:
        """``GET /repositories/{workspace}?role=…&q=…``, cut down to the uuids."""
        if question.kind != "repository":
            raise PermanentError(f"Bitbucket Cloud has no list for a question about a {question.kind}")
        params = {"sort": "created_on", "pagelen": PAGE_LENGTH, "fields": "values.uuid,next", **question.params}
        pages = self._pages(path_of("repositories", self._workspace), params)
        return frozenset(str(value.get("uuid")) for page in pages for value in page.values)

    # --- lists -------------------------------------------------------------------------------------------------------

    def list(self, listing: Listing, *, container: Address | None = None, cursor: str | None = None) -> Iterator[Page]:
        """Projects and members in Bitbucket's own order, repositories and pull requests oldest first."""
        if listing.kind == "project":
            return self._pages(path_of("workspaces", self._workspace, "projects"), {"pagelen": PAGE_LENGTH}, cursor)
        if listing.kind == "user":
            return self._members(cursor)
        if listing.kind == "repository":
            restricted = {name: value for name, value in (("role", listing.role), ("q", listing.q)) if value}
            params = {"sort": "created_on", "pagelen": PAGE_LENGTH, **restricted}
            return self._pages(path_of("repositories", self._workspace), params, cursor)
        return self._wanted_pull_requests(container or Address(), listing, cursor)

    def open_pull_requests(self, repository: Address) -> Iterator[Page]:
        """Oldest first, so that what is opened meanwhile comes last and shifts nothing."""
        return self._pull_requests(repository, 'state="OPEN"')

    def repositories_of(self, project: Address) -> Iterator[Page]:
        """Oldest first."""
        query = f"project.key={_quoted(str(_part(project.project, 'project key')))}"
        params = {"q": query, "sort": "created_on", "pagelen": PAGE_LENGTH}
        return self._pages(path_of("repositories", self._workspace), params)

    def _repository(self, address: Address) -> str:
        return path_of("repositories", self._workspace, _part(address.repository, "repository"))

    def _is_ours(self, repository: JsonObject) -> bool:
        """By slug; in doubt by uuid, because the workspace's slug may have been changed."""
        workspace = repository.get("workspace") or {}
        slug = workspace.get("slug") or str(repository.get("full_name") or "").rpartition("/")[0]
        names = {str(name).lower() for name in (slug, workspace.get("uuid")) if name}
        if not names or self._workspace.lower() in names:
            return True
        return not workspace.get("uuid") or bool(workspace["uuid"] == self.source())

    # --- what the mapping wants of repositories ----------------------------------------------------------------------

    def head(self, repository: JsonObject) -> JsonObject | None:
        """``GET …/refs/branches/{name}``, only the hash; in an empty repository the main branch need not exist."""
        branch = _main_branch(repository)
        if branch is None:
            return None
        path = self._repository(address_of("cloud", "repository", repository)) + "/refs/branches"
        try:
            head = self.get(path + path_of(*branch.split("/")), {"fields": "target.hash"})
        except NotFoundError:
            return None
        commit = self.only(head.get("target"), "the branch's commit")
        if not isinstance(commit.get("hash"), str) or not commit["hash"]:
            raise TransientError("Bitbucket Cloud answered with a branch that has no commit")
        return commit

    def enrich(self, repository: JsonObject, wants: Wants, commit: JsonObject | None) -> None:
        """``GET …/src/{commit}/{path}`` for each file."""
        root = self._repository(address_of("cloud", "repository", repository))
        repository["__includedFiles"] = {
            path: self._included_file(root, commit["hash"], path) if commit else None for path in wants.included_files
        }

    def _included_file(self, root: str, commit: str, path: str) -> str | None:
        """A file's text; None when there is no file of that name in the tree, or only a folder or an LFS pointer."""
        segments = path.strip("/").split("/")
        if not {"", ".", ".."}.isdisjoint(segments):
            return None
        try:
            answer = self.http.request("GET", f"{root}/src{path_of(commit, *segments)}", ok=(200,))
        except NotFoundError:
            return None
        except RedirectedElsewhereError:
            _log.warning("a file kept in Git LFS is left empty", extra={"file": path})
            return None
        is_folder = "json" in answer.headers.get("content-type", "") and _is_listing(answer.content)
        return None if is_folder else answer.text

    def _repository_matches(self, question: Question) -> bool:
        if question.repository:
            wanted = f"uuid={_quoted(question.repository)}"
        else:
            full_name = f"{self._workspace}/{_part(question.slug, 'slug')}"
            wanted = f"full_name={_quoted(full_name)}"
        terms = [f"({question.q})"] if question.q else []
        params: JsonObject = {"q": " AND ".join([*terms, wanted]), "pagelen": 1, "fields": "values.uuid"}
        if question.role:
            params["role"] = question.role
        found = self._found(self.get(path_of("repositories", self._workspace), params))
        return any(value.get("uuid") == question.repository for value in found) if question.repository else bool(found)

    def _found(self, page: JsonObject) -> tuple[JsonObject, ...]:
        """The values of an answer cut down by ``fields``, which may leave nothing at all of an empty page."""
        return self.values(page) if page else ()

    def _members(self, cursor: str | None) -> Iterator[Page]:
        """The accounts inside the memberships."""
        path = path_of("workspaces", self._workspace, "members")
        for page in self._pages(path, {"pagelen": PAGE_LENGTH}, cursor):
            users = tuple(self.only(member.get("user"), "a member's account") for member in page.values)
            yield replace(page, values=users)

    def _wanted_pull_requests(self, repository: Address, listing: Listing, cursor: str | None) -> Iterator[Page]:
        """All queries in one list; where Bitbucket refuses that, each by itself, so that a bad one spoils no other.

        Then the list ends in an exception, for nobody knows what the refused query would have shown. A cursor begins
        with the number of the query it belongs to.
        """
        queries = listing.queries(self.now())
        number, mark, inner = (cursor or "").partition(ONE_BY_ONE)
        refused: RefusedError | None = None
        if not mark:
            pages = self._pull_requests(repository, listing.query(self.now()), cursor)
            try:
                first = next(pages)
            except RefusedError as error:
                if len(queries) == 1 or cursor not in {None, START}:
                    raise
                number, inner, refused = "0", START, error
            else:
                yield first
                yield from pages
                return
        for at in range(int(number), len(queries)):
            try:
                for page in self._pull_requests(repository, queries[at], inner):
                    following = f"{at + 1}{ONE_BY_ONE}{START}" if page.next is None else f"{at}{ONE_BY_ONE}{page.next}"
                    yield replace(page, next=following, cursor=f"{at}{ONE_BY_ONE}{page.cursor}")
            except RefusedError as error:
                refused = error
            inner = START
        raise refused or PermanentError("Bitbucket Cloud refuses one of the mapping's queries for pull requests")

    def _pull_requests(self, repository: Address, query: str, cursor: str | None = None) -> Iterator[Page]:
        params = {"q": query, "sort": "created_on", "pagelen": PULL_REQUEST_PAGE_LENGTH, "fields": PEOPLE}
        return self._pages(self._repository(repository) + "/pullrequests", params, cursor)

    def _pages(self, path: str, params: JsonObject, cursor: str | None = None) -> Iterator[Page]:
        """Every page, following ``next`` on our own host only, empty pages included."""
        here = START if cursor is None else cursor
        seen = {here}
        while True:
            asked_at = self.now()
            page = self.get(path, params) if here == START else self.get(here)
            following = page.get("next")
            if following is not None and (not isinstance(following, str) or not following or following in seen):
                raise TransientError("Bitbucket Cloud leads in circles from page to page of a list")
            # Cut down by ``fields``, an empty page may be nothing at all.
            values = () if not page and str(params.get("fields")).startswith("values.") else self.values(page)
            self._learn_source(values)
            yield Page(values, asked_at, following, here)
            if following is None:
                return
            seen.add(here := following)


def _part(value: str | int | None, name: str) -> str | int:
    if value is None or value == "":
        raise PermanentError(f"the address of what Bitbucket Cloud should be asked for has no {name}")
    return value


def _quoted(text: str) -> str:
    """A string of Bitbucket's query language."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _main_branch(repository: JsonObject) -> str | None:
    branch: Any = repository.get("mainbranch") or {}
    name = branch.get("name") if isinstance(branch, dict) else None
    return name if isinstance(name, str) and name else None


def _is_listing(content: bytes) -> bool:
    """Whether this JSON is the paginated listing that ``src/`` gives for a folder, and not a JSON file's text."""
    return content.lstrip().startswith(b"{") and b'"pagelen"' in content and b'"commit_' in content
