"""The HTTP API of a made-up Bitbucket Cloud workspace."""

from __future__ import annotations

import base64
import hmac
import ssl
from collections.abc import Mapping
from typing import Any

from local.standins.cloud.fields import select
from local.standins.cloud.model import ROLES, STATES, PullRequest, Repository, Role, User
from local.standins.cloud.pages import PULL_REQUEST_PAGELEN, page_of
from local.standins.cloud.pull_requests import CloudWorld
from local.standins.cloud.query import (
    BRANCH_FIELDS,
    MEMBER_FIELDS,
    PULL_REQUEST_FIELDS,
    REPOSITORY_FIELDS,
    Fields,
    predicate,
    sorted_by,
)
from local.standins.cloud.routes import ROUTES
from local.standins.cloud.scopes import EVERYTHING, is_of_api_token, lacking, needed
from local.standins.http import Answer, Refused, Request, Route, StandIn

LIMIT = {"X-RateLimit-Limit": "10000", "X-RateLimit-Resource": "api", "X-RateLimit-NearLimit": "false"}
"""What Bitbucket Cloud tells users of access tokens with every answer; this is the highest limit it documents."""
HIDDEN_IN_LIST = ("values.participants", "values.reviewers")


class CloudApi(StandIn):
    """Reads; hooks and sources are in their own classes.

    Credentials: ``token`` as Bearer, or as Basic with ``username`` when that is set; any of ``more_tokens`` is as
    good (their budgets are apart on the real server). ``email_allowed`` says whether the credential may see members'
    e-mail addresses. ``extra_headers`` go with every answer. ``forbidden`` are further paths (or beginnings of paths)
    answered with 403. With ``sees_other_workspaces`` a transferred repository goes on answering under its uuid, as
    what it is now. ``scopes`` are what the credential was granted, written as those of an access token (``webhook``)
    or as those of an API token (``read:webhook:bitbucket``); None: it may do everything and no header tells.
    """

    ROUTES = ROUTES

    def __init__(self, world: CloudWorld) -> None:
        super().__init__()
        self.lock = world.lock
        self.world = world
        self.token = "cloud-demo-token"
        self.username: str | None = None
        self.more_tokens: list[str] = []
        self.email_allowed = True
        self.forbidden: set[str] = set()
        self.sees_other_workspaces = False
        self.extra_headers: dict[str, str] = dict(LIMIT)
        self.scopes: set[str] | None = set(EVERYTHING)
        self._scope_headers: dict[str, str] = {}

    def start(self, port: int = 0, *, tls: ssl.SSLContext | None = None, name: str = "") -> str:
        """Serve; from now on the API links of all objects point here. Returns the URL without ``/2.0``."""
        url = super().start(port, tls=tls, name=name)
        self.world.site.api = f"{url}/2.0"
        return url

    @property
    def api_url(self) -> str:
        """What a client is configured with in place of ``https://api.bitbucket.org/2.0``."""
        return f"{self.url}/2.0"

    # What every request meets first.

    def refusal(self, status: int, message: str, code: str | None) -> Answer:  # noqa: ARG002 - Cloud has no codes
        return Answer(status, {"type": "error", "error": {"message": message}})

    def common_headers(self) -> Mapping[str, str]:
        told, self._scope_headers = self._scope_headers, {}
        return {**self.extra_headers, **told}

    def authorise(self, request: Request, route: Route) -> str:
        given = request.headers.get("authorization", "")
        for number, token in enumerate([self.token, *self.more_tokens], start=1):
            if hmac.compare_digest(given.encode(), self._authorization(token).encode()):
                if any(request.path.removeprefix("/2.0").startswith(path) for path in self.forbidden):
                    raise Refused(403, "Access denied. You must have read access.")
                self._tell_scopes(route)
                self.check_scopes(needed(route, of_api_token=self.is_api_token))
                return f"token {number}"
        raise Refused(401, "Token is invalid, expired, or not supported for this endpoint.")

    def _authorization(self, token: str) -> str:
        if self.username is None:
            return f"Bearer {token}"
        return "Basic " + base64.b64encode(f"{self.username}:{token}".encode()).decode()

    @property
    def is_api_token(self) -> bool:
        """Whether the credential's scopes are those of an API token."""
        return is_of_api_token(self.scopes or ())

    def _tell_scopes(self, route: Route) -> None:
        if self.scopes is not None:
            accepted = sorted(needed(route, of_api_token=self.is_api_token))
            self._scope_headers = {
                "X-OAuth-Scopes": ", ".join(sorted(self.scopes)),
                "X-Accepted-OAuth-Scopes": ", ".join(accepted),
            }

    def check_scopes(self, wanted: frozenset[str]) -> None:
        """Refuse what the credential has no scope for, in Bitbucket's words."""
        if self.scopes is not None and lacking(wanted, self.scopes):
            message = "Your credentials lack one or more required privilege scopes."
            detail = {"granted": sorted(self.scopes), "required": sorted(wanted)}
            error = {"message": message, "detail": detail}
            raise Refused(403, message, answer=Answer(403, {"type": "error", "error": error}))

    # Helps for the operations.

    def one(self, request: Request, value: dict[str, Any], status: int = 200) -> Answer:
        """One object, cut to what ``fields`` asks for."""
        return Answer(status, select(value, request.value("fields")))

    def page(
        self,
        request: Request,
        values: list[dict[str, Any]],
        *,
        fields: Fields | None = None,
        largest: int = 100,
        hidden: tuple[str, ...] = (),
    ) -> Answer:
        """One page of what ``q`` leaves, in the order of ``sort``, cut to what ``fields`` asks for."""
        query = request.value("q")
        if query is not None and fields is not None:
            holds = predicate(query, fields)
            values = [value for value in values if holds(value)]
        values = sorted_by(values, request.value("sort"), fields or {})
        page = page_of(values, request, self.url, largest=largest)
        return Answer(200, select(page, request.value("fields"), hidden))

    def check_workspace(self, request: Request) -> None:
        """404 for a workspace that is not this one."""
        asked = request.variables["workspace"]
        if asked not in (self.world.workspace.slug, self.world.workspace.uuid):
            raise Refused(404, f"No workspace with identifier '{asked}'.")

    def repository(self, request: Request) -> Repository:
        """The repository of the path; 404, or 403 where the credential may not see it."""
        self.check_workspace(request)
        asked = request.variables["repository"]
        others = self.world.transferred if self.sees_other_workspaces else []
        try:
            found = next((one for one in others if one.uuid == asked), None) or self.world.repository(asked)
        except KeyError:
            raise Refused(404, f"Repository {self.world.workspace.slug}/{asked} not found") from None
        if found.role is None:
            raise Refused(403, "Your credentials lack one or more required privilege scopes.")
        return found

    # Operations.

    def get_user(self, request: Request) -> Answer:
        """GET /user."""
        return self.one(request, self.world.write.user(self.world.owner))

    def get_workspace(self, request: Request) -> Answer:
        """GET /workspaces/{workspace}."""
        self.check_workspace(request)
        return self.one(request, self.world.write.workspace(self.world.workspace))

    def list_members(self, request: Request) -> Answer:
        """GET /workspaces/{workspace}/members; e-mail addresses only of those filtered by, and only when allowed."""
        self.check_workspace(request)
        by_email = "email" in (request.value("q") or "") + (request.value("fields") or "")
        if by_email and not self.email_allowed:
            raise Refused(403, "Only workspace administrators may see e-mail addresses.")
        query = request.value("q") or ""
        if query.count('"') > 2 * 90:
            raise Refused(400, "At most 90 e-mail addresses may be given.")
        members = [self._member(user, with_email=bool(query)) for user in self.world.users]
        return self.page(request, members, fields=MEMBER_FIELDS, hidden=("values.user.email",))

    def get_member(self, request: Request) -> Answer:
        """GET /workspaces/{workspace}/members/{uuid or account id}."""
        self.check_workspace(request)
        asked = request.variables["member"]
        found = next((user for user in self.world.users if asked in (user.uuid, user.account_id)), None)
        if found is None:
            raise Refused(404, f"{asked} is not a member of this workspace.")
        return self.one(request, self._member(found, with_email=False))

    def _member(self, user: User, *, with_email: bool) -> dict[str, Any]:
        email = {"email": user.email} if with_email else {}
        return {
            "type": "workspace_membership",
            "user": {**self.world.write.user(user), **email},
            "workspace": self.world.write.workspace_short(self.world.workspace),
        }

    def list_projects(self, request: Request) -> Answer:
        """GET /workspaces/{workspace}/projects: the ones the credential may see."""
        self.check_workspace(request)
        projects = [project for project in self.world.projects if project.readable]
        return self.page(request, [self.world.write.project(one, self.world.workspace) for one in projects])

    def get_project(self, request: Request) -> Answer:
        """GET /workspaces/{workspace}/projects/{key}."""
        self.check_workspace(request)
        try:
            found = self.world.project(request.variables["project"])
        except KeyError:
            raise Refused(404, "Project not found") from None
        if not found.readable:
            raise Refused(403, "Access denied.")
        return self.one(request, self.world.write.project(found, self.world.workspace))

    def list_repositories(self, request: Request) -> Answer:
        """GET /repositories/{workspace}; ``role`` is what the credential's owner has at least."""
        self.check_workspace(request)
        role = request.value("role")
        if role is not None and role not in ROLES:
            raise Refused(400, f"role: {role!r} is not a role")
        seen = [one for one in self.world.repositories if _has(one.role, role)]
        written = [self.world.write.repository(repository) for repository in seen]
        return self.page(request, written, fields=REPOSITORY_FIELDS)

    def get_repository(self, request: Request) -> Answer:
        """GET /repositories/{workspace}/{slug or uuid}."""
        return self.one(request, self.world.write.repository(self.repository(request)))

    def list_pull_requests(self, request: Request) -> Answer:
        """GET …/pullrequests: the open ones, unless ``state`` (repeatable) says otherwise; ``q`` makes Bitbucket
        forget ``state`` altogether.
        """
        repository = self.repository(request)
        states = request.query.get("state", ["OPEN"])
        if any(state not in STATES for state in states):
            raise Refused(400, "state: not a state")
        pulls = [
            pull
            for pull in sorted(repository.pull_requests.values(), key=lambda pull: -pull.id)
            if "q" in request.query or pull.state in states
        ]
        return self.page(
            request,
            [{**self.world.write.pull_request_in_list(pull), **self.world.write.people(pull)} for pull in pulls],
            fields=PULL_REQUEST_FIELDS,
            largest=PULL_REQUEST_PAGELEN,
            hidden=HIDDEN_IN_LIST,
        )

    def get_pull_request(self, request: Request) -> Answer:
        """GET …/pullrequests/{id}."""
        return self.one(request, self.world.write.pull_request(self._pull_request(request)))

    def _pull_request(self, request: Request) -> PullRequest:
        repository, number = self.repository(request), request.variables["number"]
        found = repository.pull_requests.get(int(number)) if number.isdigit() else None
        if found is None:
            raise Refused(404, f"No pull request {number} in {repository.full_name}")
        return found

    def list_branches(self, request: Request) -> Answer:
        """GET …/refs/branches."""
        repository = self.repository(request)
        branches = sorted(repository.git.branches.items())
        written = [self.world.write.branch(repository, name, digits) for name, digits in branches]
        return self.page(request, written, fields=BRANCH_FIELDS)

    def get_branch(self, request: Request) -> Answer:
        """GET …/refs/branches/{name}; the name may have slashes."""
        repository, name = self.repository(request), request.variables["name"]
        digits = repository.git.branches.get(name)
        if digits is None:
            raise Refused(404, f"No branch {name}")
        return self.one(request, self.world.write.branch(repository, name, digits))

    def get_commit(self, request: Request) -> Answer:
        """GET …/commit/{commit}."""
        repository = self.repository(request)
        found = repository.git.resolve(request.variables["commit"])
        if found is None:
            raise Refused(404, "Commit not found")
        return self.one(request, self.world.write.commit(repository, found))

    def list_commits(self, request: Request) -> Answer:
        """GET …/commits[/{revision}], newest first; without a revision the main branch's; 404 in an empty one."""
        repository = self.repository(request)
        revision = request.variables.get("revision") or repository.main_branch or ""
        head = repository.git.resolve(revision)
        if head is None and (revision or "revision" in request.variables):
            raise Refused(404, f"Commit not found: {revision}")
        log = repository.git.log(head.hash) if head else []
        return self.page(request, [self.world.write.commit(repository, commit) for commit in log])


def _has(role: Role | None, least: str | None) -> bool:
    if role is None:
        return False
    return least is None or ROLES.index(role) >= ROLES.index(least)
