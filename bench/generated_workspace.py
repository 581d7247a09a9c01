"""A Bitbucket Cloud workspace of any size, made up while it is asked for, and a Port that keeps what it is sent.

Port is the strict stand-in of the tests. Of Bitbucket the two lists that grow with the workspace are generated page by
page, in the shapes of the stand-in: every pull request is open, and what is asked for must be what gives all of them.
Every answer takes at least the latency. ``python -m bench.generated_workspace REPOSITORIES PULL_REQUESTS LATENCY``
serves both until its input ends: it prints where and with which credentials, and for every line it reads what was asked
since the last one.
"""

from __future__ import annotations

import json
import sys
import time
from collections import Counter
from collections.abc import Callable
from ssl import SSLContext
from typing import Any
from urllib.parse import urlencode

from local.machine import port_stand_in
from local.standins.bitbucket_cloud import BitbucketCloudStandIn
from local.standins.http import Answer, Exchange, Refused, Request, StandIn, Tap
from local.standins.port import PortStandIn
from local.standins.port_routes import TOKEN_PATH
from local.standins.serving import Peer

WORKSPACE = "northwind"
PROJECTS = 10
PEOPLE = 20
_PULL_REQUEST_PAGELEN = 50
_PEOPLE = "+values.participants,+values.reviewers"
_NUMBER = 987_654_321
"""Stands for a pull request's number in the text that all of them are made from."""


class GeneratedWorkspace(BitbucketCloudStandIn):
    """A workspace whose repositories and pull requests are only counted, not kept."""

    def __init__(self, repositories: int, pull_requests: int) -> None:
        """``pull_requests`` in each of the repositories."""
        super().__init__(WORKSPACE, seed=1)
        self._repositories = repositories
        self._pull_requests = pull_requests
        people = [self.world.create_user(f"Person {number}") for number in range(PEOPLE)]
        projects = [self.world.create_project(f"PROJ{number}").subject for number in range(PROJECTS)]
        self._model = self.world.create_repository(projects[0], "The repository", readme="# Hello\n").subject
        pull = self.world.open_pull_request(
            self._model,
            "topic",
            title="Deepen the channel",
            description="Because the boats grew. " * 10,
            author=people[0],
            reviewers=people[1:4],
        ).subject
        self.world.approve(pull, people[1])
        pull.id = _NUMBER
        self._pull = pull
        self._repository_texts: list[str] = []
        self._pull_text = ""

    def start(self, port: int = 0, *, tls: SSLContext | None = None, name: str = "") -> str:
        """See StandIn."""
        url = super().start(port, tls=tls, name=name)
        pull, write = self._pull, self.world.write
        for project in self.world.projects:
            self._model.project = project
            self._repository_texts.append(json.dumps(write.repository(self._model)))
        self._pull_text = json.dumps({**write.pull_request_in_list(pull), **write.people(pull)})
        return url

    def list_repositories(self, request: Request) -> Answer:
        """GET /repositories/{workspace}, oldest first."""
        self.check_workspace(request)
        if request.value("q") or request.value("role") or request.value("sort") != "created_on":
            raise Refused(400, "this workspace lists all of its repositories, oldest first")
        return self._page(request, self._repositories, 100, self._repository_at)

    def list_pull_requests(self, request: Request) -> Answer:
        """GET …/pullrequests: all of them are open, so any query that selects open ones gives them all."""
        self.check_workspace(request)
        number = self._number_of(request.variables["repository"])
        if not (request.value("q") or "").replace("(", "").startswith('state="OPEN"'):
            raise Refused(400, "this workspace lists open pull requests")
        if request.value("fields") != _PEOPLE or request.value("sort") != "created_on":
            raise Refused(400, "this workspace lists pull requests with their people, oldest first")
        return self._page(request, self._pull_requests, _PULL_REQUEST_PAGELEN, lambda at: self._pull_at(number, at))

    def _page(self, request: Request, count: int, largest: int, text: Callable[[int], str]) -> Answer:
        pagelen, page = (int(request.value(name, default) or 0) for name, default in (("pagelen", "10"), ("page", "1")))
        if not 1 <= pagelen <= largest or page < 1:
            raise Refused(400, "Invalid pagelen")
        start = (page - 1) * pagelen
        values = ",".join(text(at) for at in range(start, min(start + pagelen, count)))
        link = f"{self.url}{request.path}?{_query(request, page + 1)}"
        following = f'"next": {json.dumps(link)}, ' if start + pagelen < count else ""
        body = f'{{"pagelen": {pagelen}, "size": {count}, "page": {page}, {following}"values": [{values}]}}'
        return Answer(200, body.encode(), {"Content-Type": "application/json; charset=utf-8"})

    def _repository_at(self, number: int) -> str:
        return self._named(self._repository_texts[number % PROJECTS], number)

    def _pull_at(self, repository: int, at: int) -> str:
        return self._named(self._pull_text, repository).replace(str(_NUMBER), str(at + 1))

    def _named(self, text: str, repository: int) -> str:
        return text.replace(self._model.uuid, _uuid(repository)).replace(self._model.slug, f"repository-{repository}")

    def _number_of(self, uuid: str) -> int:
        number = int(uuid[1:9], 16)
        if uuid != _uuid(number) or number >= self._repositories:
            raise Refused(404, f"Repository {uuid} not found")
        return number


def _uuid(number: int) -> str:
    return f"{{{number:08x}-1111-4222-8333-444444444444}}"


def _query(request: Request, page: int) -> str:
    return urlencode({**request.query, "page": [str(page)]}, doseq=True)


def delayed(seconds: float) -> Tap:
    """A tap that lets no answer go earlier than that after its request."""

    def tap(exchange: Exchange) -> Answer:
        began = time.monotonic()
        answer = exchange.carry_out()
        time.sleep(max(0.0, began + seconds - time.monotonic()))
        return answer

    return tap


def asked(stand_in: StandIn) -> dict[str, Any]:
    """How many requests there were, and which of them were refused."""
    requests = stand_in.requests
    refused = Counter(f"{one.status} {one.method} {one.path}" for one in requests if one.status >= 400)
    return {"requests": len(requests), "refused": dict(refused.most_common(5))}


def held(port: PortStandIn) -> dict[str, int]:
    """How many entities Port has of each blueprint, asked as anybody would."""
    credentials = {"clientId": port.client_id, "clientSecret": port.client_secret}
    token = port.answer("POST", TOKEN_PATH, {}, json.dumps(credentials).encode(), Peer(0)).body["accessToken"]
    names = [blueprint["identifier"] for blueprint in port.blueprints()]
    headers = {"authorization": f"Bearer {token}"}
    counts = {
        name: port.answer("GET", f"/v1/blueprints/{name}/entities-count", headers, b"", Peer(0)).body for name in names
    }
    return {name: int(body["count"]) for name, body in counts.items()}


def serve(repositories: int, pull_requests: int, latency: float) -> None:
    """Serve until the input ends."""
    bitbucket, port = GeneratedWorkspace(repositories, pull_requests), port_stand_in("cloud/default")
    port.put_integration("bench")
    for stand_in in (bitbucket, port):
        stand_in.tap = delayed(latency)
        stand_in.start()
    settings = {
        "BITBUCKET_WORKSPACE": WORKSPACE,
        "BITBUCKET_URL": bitbucket.api_url,
        "BITBUCKET_TOKEN": bitbucket.token,
        "PORT_CLIENT_ID": port.client_id,
        "PORT_CLIENT_SECRET": port.client_secret,
        "PORT_BASE_URL": port.url,
        "INTEGRATION_IDENTIFIER": "bench",
    }
    print(json.dumps(settings), flush=True)
    for _ in sys.stdin:
        told = {"bitbucket": asked(bitbucket), "port": asked(port), "entities": held(port)}
        bitbucket.forget_requests()
        port.forget_requests()
        print(json.dumps(told), flush=True)


if __name__ == "__main__":
    serve(int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]))
