"""The HTTP API of a made-up Bitbucket Data Center instance: projects, repositories, pull requests, people."""

from __future__ import annotations

import base64
import hmac
import ssl
from collections.abc import Mapping
from typing import Any

from local.standins.http import Answer, Refused, Request, Route, StandIn
from local.standins.server.model import PERMISSIONS, STATES, Project, PullRequest, Repository
from local.standins.server.pages import page_of
from local.standins.server.pull_requests import ServerWorld
from local.standins.server.routes import ROUTES
from local.standins.server.versions import Features, numbers

NO_PERMISSION = "AuthorisationException"
_PACKAGE = "com.atlassian.bitbucket."


class ServerApi(StandIn):
    """Reads; history and webhooks are in their own classes.

    Credentials: ``token`` as Bearer, or as Basic with ``username`` when that is set. ``page_limit`` is the
    administrator's maximum. What the credential may not see is answered with ``forbidden_status``: 403, or 401 as
    Atlassian's API descriptions say for most reads (with ``X-AUSERNAME``, which a refused login does not have).
    Setting ``version`` (``9.4.2``) makes the instance have and lack what that version has and lacks.
    """

    ROUTES = ROUTES

    def __init__(self, world: ServerWorld) -> None:
        super().__init__()
        self.lock = world.lock
        self.world = world
        self.token = "server-demo-token"
        self.username: str | None = None
        self.more_tokens: list[str] = []
        self.version = "9.4.2"
        self.page_limit = 1000
        self.forbidden_status = 403
        self.extra_headers: dict[str, str] = {}

    def start(self, port: int = 0, *, tls: ssl.SSLContext | None = None, name: str = "") -> str:
        """Serve; from now on all links point here. Returns the base URL, without ``/rest/api``."""
        url = super().start(port, tls=tls, name=name)
        self.world.style.base_url = url
        return url

    @property
    def version(self) -> str:
        """The version told by ``/application-properties``."""
        return self._version

    @version.setter
    def version(self, version: str) -> None:
        self._version = version
        self.has = Features.of(version)
        self.has.apply_to(self.world.style)

    @property
    def api_url(self) -> str:
        """What a client is configured with."""
        return self.url

    # What every request meets first.

    def refusal(self, status: int, message: str, code: str | None) -> Answer:
        error = {"context": None, "message": message, "exceptionName": f"{_PACKAGE}{code}" if code else None}
        headers = {"X-AUSERNAME": self.world.administrator.name} if code == NO_PERMISSION else {}
        return Answer(status, {"errors": [error]}, headers)

    def common_headers(self) -> Mapping[str, str]:
        return self.extra_headers

    def authorise(self, request: Request, route: Route) -> str:
        given = request.headers.get("authorization", "")
        if not given and route.handler == "get_properties":
            return "anonymous"
        for number, token in enumerate([self.token, *self.more_tokens], start=1):
            if hmac.compare_digest(given.encode(), self._authorization(token).encode()):
                return f"token {number}"
        message = "Authentication failed. Please check your credentials and try again."
        raise Refused(401, message, code="auth.IncorrectPasswordAuthenticationException")

    def _authorization(self, token: str) -> str:
        if self.username is None:
            return f"Bearer {token}"
        return "Basic " + base64.b64encode(f"{self.username}:{token}".encode()).decode()

    # Helps for the operations.

    def hidden(self) -> Refused:
        """The answer for something the credential may not see."""
        return Refused(self.forbidden_status, "You are not permitted to access this resource", code=NO_PERMISSION)

    def project(self, request: Request) -> Project:
        """The project of the path, under its key of today or an old one."""
        key = request.variables["project"]
        try:
            found = self.world.project(key)
        except KeyError:
            raise Refused(404, f"Project {key} does not exist.", code="project.NoSuchProjectException") from None
        if not found.readable:
            raise self.hidden()
        return found

    def repository(self, request: Request) -> Repository:
        """The repository of the path, under its path of today or an old one."""
        path = f"{request.variables['project']}/{request.variables['repository']}"
        try:
            found = self.world.repository(path)
        except KeyError:
            code = "repository.NoSuchRepositoryException"
            raise Refused(404, f"Repository {path} does not exist.", code=code) from None
        if not _can_see(found):
            raise self.hidden()
        return found

    # Operations.

    def get_properties(self, request: Request) -> Answer:  # noqa: ARG002 - there is nothing to ask
        """GET /application-properties; needs no login."""
        build = "".join(f"{part:02}" for part in numbers(self.version))
        return Answer(
            200, {"version": self.version, "buildNumber": build, "buildDate": "0", "displayName": "Bitbucket"}
        )

    def list_users(self, request: Request) -> Answer:
        """GET /users; ``filter`` is contained in name, display name or e-mail address."""
        part = (request.value("filter") or "").lower()
        users = [
            user
            for user in self.world.users
            if part in user.name.lower() or part in user.display_name.lower() or part in (user.email or "").lower()
        ]
        return Answer(200, page_of(users, request, self.world.write.user, largest=self.page_limit))

    def get_user(self, request: Request) -> Answer:
        """GET /users/{slug}."""
        found = next((user for user in self.world.users if user.slug == request.variables["user"]), None)
        if found is None:
            raise Refused(404, "No such user", code="user.NoSuchUserException")
        return Answer(200, self.world.write.user(found))

    def list_projects(self, request: Request) -> Answer:
        """GET /projects, personal ones included."""
        part = (request.value("name") or "").lower()
        projects = [project for project in self.world.projects if part in project.name.lower()]
        page = page_of(
            projects,
            request,
            self.world.write.project,
            largest=self.page_limit,
            visible=lambda project: project.readable,
        )
        return Answer(200, page)

    def get_project(self, request: Request) -> Answer:
        """GET /projects/{key}."""
        return Answer(200, self.world.write.project(self.project(request)))

    def list_repositories(self, request: Request) -> Answer:
        """GET /projects/{key}/repos, archived ones included."""
        project = self.project(request)
        return self._repository_page(request, [one for one in self.world.repositories if one.project is project])

    def list_all_repositories(self, request: Request) -> Answer:
        """GET /repos; archived ones only when asked for."""
        archived = (request.value("archived") or "ACTIVE").upper()
        visibility = request.value("visibility") or ""
        permission = request.value("permission") or PERMISSIONS[0]
        state = request.value("state") or "AVAILABLE"
        _one_of("archived", archived, ("ACTIVE", "ARCHIVED", "ALL"))
        _one_of("visibility", visibility, ("", "public", "private"))
        _one_of("permission", permission, PERMISSIONS)
        _one_of("state", state, ("AVAILABLE", "INITIALISING", "INITIALISATION_FAILED"))
        texts = {name: (request.value(name) or "").strip().lower() for name in ("name", "projectname", "projectkey")}

        def wanted(one: Repository) -> bool:
            return (
                archived in ("ALL", "ARCHIVED" if one.archived else "ACTIVE")
                and visibility in ("", "public" if one.is_public else "private")
                and (one.permission is None or PERMISSIONS.index(one.permission) >= PERMISSIONS.index(permission))
                and state == "AVAILABLE"
                and texts["name"] in one.name.lower()
                and texts["projectname"] in one.project.name.lower()
                and texts["projectkey"] in ("", one.project.key.lower())
            )

        return self._repository_page(request, [one for one in self.world.repositories if wanted(one)])

    def _repository_page(self, request: Request, repositories: list[Repository]) -> Answer:
        write = self.world.write.repository
        return Answer(200, page_of(repositories, request, write, largest=self.page_limit, visible=_can_see))

    def get_repository(self, request: Request) -> Answer:
        """GET /projects/{key}/repos/{slug}."""
        return Answer(200, self.world.write.repository(self.repository(request)))

    def list_pull_requests(self, request: Request) -> Answer:
        """GET …/pull-requests: the open ones into this repository, newest first, unless asked otherwise."""
        repository = self.repository(request)
        state, order = request.value("state") or "OPEN", request.value("order") or "NEWEST"
        direction = request.value("direction") or "INCOMING"
        _one_of("state", state, (*STATES, "ALL"))
        _one_of("order", order, ("NEWEST", "OLDEST"))
        _one_of("direction", direction, ("INCOMING", "OUTGOING"))
        outgoing = direction == "OUTGOING"
        branch, part, draft = request.value("at"), request.value("filterText"), request.value("draft")
        pulls = [
            pull
            for target in (self.world.repositories if outgoing else [repository])
            for pull in target.pull_requests.values()
            if (pull.source if outgoing else target) is repository
            and state in ("ALL", pull.state)
            and branch in (None, f"refs/heads/{pull.source_branch if outgoing else pull.target_branch}")
            and (part is None or part.lower() in pull.title.lower())
            and draft in (None, str(pull.draft).lower())
        ]
        pulls.sort(key=lambda pull: (pull.created, pull.id), reverse=order == "NEWEST")
        properties = request.value("withProperties") != "false"

        def write(pull: PullRequest) -> dict[str, Any]:
            return self.world.write.pull_request_in_list(pull, properties=properties)

        return Answer(200, page_of(pulls, request, write, largest=self.page_limit))

    def get_pull_request(self, request: Request) -> Answer:
        """GET …/pull-requests/{id}."""
        repository, number = self.repository(request), request.variables["number"]
        if not number.isdigit():
            raise Refused(404, f"{number} is not a number")
        found = repository.pull_requests.get(int(number))
        if found is None:
            message = f"Pull request {number} does not exist in {repository.full_name}."
            raise Refused(404, message, code="pull.NoSuchPullRequestException")
        return Answer(200, self.world.write.pull_request(found))


def _can_see(repository: Repository) -> bool:
    return repository.permission is not None and repository.project.readable


def _one_of(name: str, value: str, allowed: tuple[str, ...]) -> None:
    if value not in allowed:
        raise Refused(400, f"{name}: {value!r} is none of {', '.join(one for one in allowed if one)}")
