"""The stand-in for Bitbucket Data Center's API is as strict as the real one."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import requests

from local.standins.bitbucket_server import BitbucketServerStandIn
from tests.standins.asking import ask, read

API = "/rest/api/latest"
LEDGER = f"{API}/projects/PAY/repos/ledger"


@pytest.fixture(scope="module")
def bitbucket() -> Iterator[BitbucketServerStandIn]:
    stand_in = BitbucketServerStandIn(seed=7)
    stand_in.start()
    world = stand_in.world
    world.create_project("PAY", "Payments", description="Money")
    world.create_project("OPS", "Operations")
    world.create_repository("PAY", "Ledger", readme="# Ledger\n", description="Books")
    world.create_repository("PAY", "Sealed", readme="x", permission=None)
    world.create_repository("PAY", "Old", readme="x", archived=True)
    world.create_repository("OPS", "Bare", is_public=True, permission="REPO_READ")
    world.push("PAY/ledger", None, {"docs/a/deep.md": "deep\nlines\n"})
    for number in range(5):
        world.open_pull_request("PAY/ledger", f"topic/{number}", title=f"Change {number}", draft=number == 4)
    world.merge(world.pull_request("PAY/ledger", 1))
    yield stand_in
    stand_in.stop()


def slugs(page: dict[str, Any]) -> list[str]:
    return [item["slug"] for item in page["values"]]


@pytest.mark.parametrize(
    ("method", "path", "parameters", "status"),
    [
        ("GET", f"{LEDGER}/pull-requests", {"state": "open"}, 400),
        ("GET", f"{LEDGER}/pull-requests", {"order": "UPDATED"}, 400),
        ("GET", f"{LEDGER}/pull-requests", {"q": 'state="OPEN"'}, 400),
        ("GET", f"{LEDGER}/pull-requests", {"limit": "0"}, 400),
        ("GET", f"{LEDGER}/pull-requests", {"start": "-1"}, 400),
        ("GET", f"{LEDGER}/pull-requests", {"pagelen": "10"}, 400),
        ("GET", f"{LEDGER}/pull-requests/1", {"state": "ALL"}, 400),
        ("GET", f"{LEDGER}/pull-requests/99", {}, 404),
        ("GET", f"{API}/repos", {"archived": "YES"}, 400),
        ("GET", f"{API}/repos", {"permission": "REPO_OWN"}, 400),
        ("GET", f"{API}/projects/PAY/repos", {"archived": "ALL"}, 400),
        ("GET", f"{API}/projects/PAY/repos/sealed", {}, 403),
        ("GET", f"{API}/projects/PAY/repos/none", {}, 404),
        ("GET", f"{API}/projects/NONE", {}, 404),
        ("GET", f"{LEDGER}/raw/none.md", {}, 404),
        ("GET", f"{LEDGER}/raw/README.md", {"at": "none"}, 404),
        ("GET", f"{API}/projects/OPS/repos/bare/commits", {}, 404),
        ("GET", "/rest/search/latest/search", {}, 404),
        ("GET", "/rest/api/2.0/projects", {}, 404),
        ("PATCH", LEDGER, {}, 405),
    ],
)
def test_what_bitbucket_refuses_is_refused(
    bitbucket: BitbucketServerStandIn, method: str, path: str, parameters: dict[str, str], status: int
) -> None:
    answer = ask(bitbucket, path, method=method, params=parameters)
    assert answer.status_code == status
    assert answer.json()["errors"][0]["message"]


def test_only_the_configured_credentials_are_good_and_the_version_needs_none(bitbucket: BitbucketServerStandIn) -> None:
    properties, projects = f"{bitbucket.url}{API}/application-properties", f"{bitbucket.url}{API}/projects"
    assert requests.get(properties, timeout=5).json()["version"] == bitbucket.version
    assert requests.get(projects, timeout=5).status_code == 401
    assert requests.get(properties, headers={"Authorization": "Bearer wrong"}, timeout=5).status_code == 401
    bitbucket.username = "robot"
    try:
        assert requests.get(projects, auth=("robot", bitbucket.token), timeout=5).status_code == 200
        assert ask(bitbucket, f"{API}/projects").status_code == 401
    finally:
        bitbucket.username = None


def test_missing_permission_can_be_a_401_that_names_the_user(bitbucket: BitbucketServerStandIn) -> None:
    bitbucket.forbidden_status = 401
    try:
        hidden = ask(bitbucket, f"{API}/projects/PAY/repos/sealed")
    finally:
        bitbucket.forbidden_status = 403
    wrong = ask(bitbucket, f"{API}/projects", token="wrong")
    assert (hidden.status_code, hidden.headers["x-ausername"]) == (401, "admin")
    assert (wrong.status_code, "x-ausername" in wrong.headers) == (401, False)


def test_pages_have_holes_where_something_is_hidden_and_only_next_page_start_is_right(
    bitbucket: BitbucketServerStandIn,
) -> None:
    first = read(bitbucket, f"{API}/repos", archived="ALL", limit=2)
    assert (slugs(first), first["size"], first["isLastPage"], first["nextPageStart"]) == (["ledger"], 1, False, 2)
    second = read(bitbucket, f"{API}/repos", archived="ALL", limit=2, start=first["nextPageStart"])
    assert (slugs(second), second["isLastPage"], second["nextPageStart"]) == (["old", "bare"], True, None)


def test_a_limit_above_the_administrators_maximum_is_cut_in_silence(bitbucket: BitbucketServerStandIn) -> None:
    bitbucket.page_limit = 3
    try:
        page = read(bitbucket, f"{LEDGER}/pull-requests", state="ALL", limit=1000)
    finally:
        bitbucket.page_limit = 1000
    assert (page["limit"], page["size"], page["nextPageStart"]) == (3, 3, 3)


def test_repositories_by_their_filters(bitbucket: BitbucketServerStandIn) -> None:
    assert slugs(read(bitbucket, f"{API}/repos")) == ["ledger", "bare"]
    assert slugs(read(bitbucket, f"{API}/repos", archived="ARCHIVED")) == ["old"]
    assert slugs(read(bitbucket, f"{API}/repos", projectkey="ops")) == ["bare"]
    assert slugs(read(bitbucket, f"{API}/repos", visibility="public")) == ["bare"]
    assert slugs(read(bitbucket, f"{API}/repos", permission="REPO_WRITE")) == ["ledger"]
    assert slugs(read(bitbucket, f"{API}/projects/PAY/repos")) == ["ledger", "old"]


def test_pull_requests_by_state_order_and_branch(bitbucket: BitbucketServerStandIn) -> None:
    def ids(**parameters: object) -> list[int]:
        return [item["id"] for item in read(bitbucket, f"{LEDGER}/pull-requests", **parameters)["values"]]

    assert ids() == [5, 4, 3, 2]
    assert ids(order="OLDEST", limit=2) == [2, 3]
    assert ids(state="MERGED") == [1]
    assert ids(state="ALL") == [5, 4, 3, 2, 1]
    assert ids(direction="OUTGOING", at="refs/heads/topic/2") == [3]
    assert ids(draft="true") == [5]
    assert ids(filterText="change 3") == [4]


def test_absent_fields_are_absent(bitbucket: BitbucketServerStandIn) -> None:
    described, bare = read(bitbucket, LEDGER), read(bitbucket, f"{API}/projects/OPS/repos/bare")
    assert described["description"] == "Books"
    assert not {"description", "origin", "defaultBranch"} & set(bare)
    assert bare["archived"] is False
    assert read(bitbucket, f"{API}/projects/PAY")["description"] == "Money"
    assert "description" not in read(bitbucket, f"{API}/projects/OPS")


def test_the_default_branch_is_told_even_where_it_does_not_exist(bitbucket: BitbucketServerStandIn) -> None:
    assert read(bitbucket, f"{API}/projects/OPS/repos/bare/default-branch")["displayId"] == "main"
    assert read(bitbucket, f"{API}/projects/OPS/repos/bare/branches")["values"] == []


def test_files_commits_and_branches(bitbucket: BitbucketServerStandIn) -> None:
    assert ask(bitbucket, f"{LEDGER}/raw/README.md", params={"at": "refs/heads/main"}).text == "# Ledger\n"
    (newest,) = read(bitbucket, f"{LEDGER}/commits", until="main", limit=1)["values"]
    assert newest["message"] == "Merge pull request #1"
    assert "docs/a/deep.md" in read(bitbucket, f"{LEDGER}/files")["values"]
    assert read(bitbucket, f"{LEDGER}/files/docs")["values"] == ["a/deep.md"]
    root = read(bitbucket, f"{LEDGER}/browse")["children"]["values"]
    assert [(entry["path"]["toString"], entry["type"]) for entry in root if entry["type"] == "DIRECTORY"] == [
        ("docs", "DIRECTORY")
    ]
    assert read(bitbucket, f"{LEDGER}/browse/docs/a/deep.md")["lines"] == [{"text": "deep"}, {"text": "lines"}]
    (main,) = read(bitbucket, f"{LEDGER}/branches", filterText="main")["values"]
    assert (main["latestCommit"], main["isDefault"]) == (newest["id"], True)
    assert read(bitbucket, f"/rest/api/1.0/projects/PAY/repos/ledger/commits/{newest['id']}") == newest


def test_users_by_a_part_of_their_name(bitbucket: BitbucketServerStandIn) -> None:
    bitbucket.world.create_user("robin", "Robin Reviewer")
    (found,) = read(bitbucket, f"{API}/users", filter="review")["values"]
    assert read(bitbucket, f"{API}/users/robin") == found
    assert found["emailAddress"] == "robin@example.com"


def test_webhooks_of_a_project_know_only_real_events(bitbucket: BitbucketServerStandIn) -> None:
    hooks = f"{API}/projects/PAY/webhooks"
    body = {"name": "catalog", "url": "https://hooks.example.com/x", "events": ["pr:opened"]}
    made = ask(bitbucket, hooks, method="POST", json=body | {"configuration": {"secret": "quiet"}})
    assert made.status_code == 201
    assert made.json()["configuration"] == {"secret": "quiet"}
    assert [hook["id"] for hook in read(bitbucket, hooks, event="pr:opened")["values"]] == [made.json()["id"]]
    for unknown in ("pr:to_ref_updated", "pr:reviewer:changes_requested", "repo:created"):
        assert ask(bitbucket, hooks, method="POST", json=body | {"events": [unknown]}).status_code == 400
    changed = ask(bitbucket, f"{hooks}/{made.json()['id']}", method="PUT", json=body | {"active": False})
    assert changed.json()["active"] is False
    assert ask(bitbucket, f"{hooks}/{made.json()['id']}", method="DELETE").status_code == 204
