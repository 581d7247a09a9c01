"""The stand-in for Bitbucket Cloud's API is as strict as the real one."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import requests

from local.standins.bitbucket_cloud import BitbucketCloudStandIn
from tests.standins.asking import ask, read

LEDGER = "/repositories/northwind/ledger"


@pytest.fixture(scope="module")
def bitbucket() -> Iterator[BitbucketCloudStandIn]:
    stand_in = BitbucketCloudStandIn(seed=7)
    stand_in.start()
    world = stand_in.world
    world.create_project("PAY", "Payments")
    world.create_project("OPS", "Operations")
    world.create_repository("PAY", "Ledger", readme="# Ledger\n", language="python")
    world.create_repository("OPS", "Runner", readme="# Runner\n", role="member")
    world.create_repository("OPS", "Sealed", readme="# Sealed\n", role=None)
    world.push("ledger", "main", {"docs/a/deep.md": "deep\n", "docs/top.md": "top\n"})
    ann = world.create_user("Ann Example", email="ann@example.com")
    for number in range(12):
        world.open_pull_request("ledger", f"topic/{number}", title=f"Change {number}", author=ann if number else None)
    world.merge(world.pull_request("ledger", 1))
    world.decline(world.pull_request("ledger", 2))
    yield stand_in
    stand_in.stop()


@pytest.mark.parametrize(
    ("method", "path", "parameters", "status"),
    [
        ("GET", f"{LEDGER}/pullrequests", {"pagelen": "51"}, 400),
        ("GET", "/repositories/northwind", {"pagelen": "101"}, 400),
        ("GET", "/repositories/northwind", {"pagelen": "0"}, 400),
        ("GET", "/repositories/northwind", {"page": "x"}, 400),
        ("GET", "/repositories/northwind", {"limit": "10"}, 400),
        ("GET", "/repositories/northwind", {"role": "boss"}, 400),
        ("GET", "/repositories/northwind", {"q": 'colour="red"'}, 400),
        ("GET", "/repositories/northwind", {"q": 'name="a" AND'}, 400),
        ("GET", "/repositories/northwind", {"q": "name=5"}, 400),
        ("GET", "/repositories/northwind", {"q": 'name>"a"'}, 400),
        ("GET", "/repositories/northwind", {"sort": "colour"}, 400),
        ("GET", "/repositories/northwind", {"fields": " values.name"}, 400),
        ("GET", f"{LEDGER}/pullrequests", {"state": "open"}, 400),
        ("GET", f"{LEDGER}/pullrequests", {"q": "participants.approved=true"}, 400),
        ("GET", f"{LEDGER}/pullrequests/99", {}, 404),
        ("GET", f"{LEDGER}/pullrequests/1", {"q": "id=1"}, 400),
        ("GET", f"{LEDGER}/src/main", {}, 404),
        ("GET", f"{LEDGER}/src/main/none.md", {}, 404),
        ("GET", f"{LEDGER}/refs/branches/none", {}, 404),
        ("GET", f"{LEDGER}/commits/none", {}, 404),
        ("GET", "/repositories/northwind/none", {}, 404),
        ("GET", "/repositories/northwind/sealed", {}, 403),
        ("GET", "/repositories/elsewhere", {}, 404),
        ("GET", "/workspaces/northwind/projects/NONE", {}, 404),
        ("GET", "/workspaces", {}, 404),
        ("GET", "/workspaces/northwind/search/code", {"search_query": "x"}, 404),
        ("DELETE", LEDGER, {}, 405),
        ("POST", f"{LEDGER}/pullrequests", {}, 405),
    ],
)
def test_what_bitbucket_refuses_is_refused(
    bitbucket: BitbucketCloudStandIn, method: str, path: str, parameters: dict[str, str], status: int
) -> None:
    answer = ask(bitbucket, path, method=method, params=parameters)
    assert answer.status_code == status
    assert answer.json()["type"] == "error"


def test_only_the_configured_credentials_are_good(bitbucket: BitbucketCloudStandIn) -> None:
    url = f"{bitbucket.api_url}/workspaces/northwind"
    assert requests.get(url, timeout=5).status_code == 401
    assert requests.get(url, headers={"Authorization": "Bearer wrong"}, timeout=5).status_code == 401
    assert requests.get(url, auth=("me@example.com", bitbucket.token), timeout=5).status_code == 401
    bitbucket.username = "me@example.com"
    try:
        assert requests.get(url, auth=("me@example.com", bitbucket.token), timeout=5).status_code == 200
        assert ask(bitbucket, "/workspaces/northwind").status_code == 401
    finally:
        bitbucket.username = None


def test_pages_are_followed_by_next_to_the_end(bitbucket: BitbucketCloudStandIn) -> None:
    page = read(bitbucket, f"{LEDGER}/pullrequests", pagelen=4, fields="+values.reviewers")
    seen = [item["id"] for item in page["values"]]
    while "next" in page:
        headers = {"Authorization": f"Bearer {bitbucket.token}"}
        page = requests.get(page["next"], headers=headers, timeout=5).json()
        assert all("reviewers" in item for item in page["values"])
        seen += [item["id"] for item in page["values"]]
    assert seen == list(range(12, 2, -1))


def test_a_selection_without_next_has_no_next(bitbucket: BitbucketCloudStandIn) -> None:
    page = read(bitbucket, f"{LEDGER}/pullrequests", pagelen=2, fields="values.id,values.author.uuid")
    assert [sorted(item) for item in page["values"]] == [["author", "id"]] * 2
    assert set(page) == {"values"}
    assert "values" not in read(bitbucket, f"{LEDGER}/pullrequests", fields="-values")


def test_states_default_to_open_and_are_forgotten_when_there_is_a_query(bitbucket: BitbucketCloudStandIn) -> None:
    def states(**parameters: object) -> list[str]:
        return [item["state"] for item in read(bitbucket, f"{LEDGER}/pullrequests", pagelen=50, **parameters)["values"]]

    assert set(states()) == {"OPEN"}
    assert set(states(state=["MERGED", "DECLINED"])) == {"MERGED", "DECLINED"}
    assert set(states(state="OPEN", q="id<3")) == {"MERGED", "DECLINED"}


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ('state="OPEN" AND id<=4', {3, 4}),
        ('title ~ "CHANGE 1" AND id>2', {11, 12}),
        ('(id=3 OR id=5) AND source.branch.name != "topic/2"', {5}),
        ("id IN (1, 7)", {1, 7}),
        ("id NOT IN (1, 2, 3, 4, 5, 6, 7, 8, 9, 10)", {11, 12}),
        ("merge_commit.hash != null", {1}),
        ('author.display_name = "Ann Example" AND id < 4', {2, 3}),
        ('state="MERGED" AND updated_on > 2020-01-01T00:00:00+00:00', {1}),
        ('updated_on < "2020-01-01"', set()),
        ("draft = true", set()),
        ('id = 1 OR id = 2 AND state = "OPEN"', {1}),
    ],
)
def test_the_query_language(bitbucket: BitbucketCloudStandIn, query: str, found: set[int]) -> None:
    page = read(bitbucket, f"{LEDGER}/pullrequests", q=query, pagelen=50)
    assert {item["id"] for item in page["values"]} == found


def test_repositories_are_those_of_the_role_and_sorted(bitbucket: BitbucketCloudStandIn) -> None:
    def names(**parameters: object) -> list[str]:
        return [item["slug"] for item in read(bitbucket, "/repositories/northwind", **parameters)["values"]]

    assert names() == ["ledger", "runner"]
    assert names(role="admin") == ["ledger"]
    assert names(role="member", sort="-name") == ["runner", "ledger"]
    assert names(q='project.key="OPS"') == ["runner"]
    assert names(q='parent = null AND language = "python"') == ["ledger"]


def test_files_directories_and_branches_with_slashes(bitbucket: BitbucketCloudStandIn) -> None:
    redirect = ask(bitbucket, f"{LEDGER}/src")
    head = read(bitbucket, f"{LEDGER}/refs/branches/main")["target"]["hash"]
    assert redirect.status_code == 302
    assert redirect.headers["location"].endswith(f"/src/{head}/")
    assert ask(bitbucket, f"{LEDGER}/src/{head}/README.md").text == "# Ledger\n"
    root = read(bitbucket, f"{LEDGER}/src/{head}/")
    assert "README.md" in [entry["path"] for entry in root["values"]]
    deep = read(bitbucket, f"{LEDGER}/src/{head}/docs/", max_depth=2, q='path ~ ".md"')
    assert [entry["path"] for entry in deep["values"]] == ["docs/top.md", "docs/a/deep.md"]
    assert read(bitbucket, f"{LEDGER}/refs/branches/topic/3")["name"] == "topic/3"
    assert read(bitbucket, f"{LEDGER}/commits/main")["values"][0]["hash"] == head


def test_e_mail_addresses_are_told_only_when_asked_for_and_allowed(bitbucket: BitbucketCloudStandIn) -> None:
    members = "/workspaces/northwind/members"
    wanted = {"q": 'user.email IN ("ann@example.com", "nobody@example.com")', "fields": "+values.user.email"}
    assert all("email" not in item["user"] for item in read(bitbucket, members)["values"])
    (found,) = read(bitbucket, members, **wanted)["values"]
    assert (found["user"]["display_name"], found["user"]["email"]) == ("Ann Example", "ann@example.com")
    too_many = ", ".join(f'"{number}@example.com"' for number in range(91))
    assert ask(bitbucket, members, params={"q": f"user.email IN ({too_many})"}).status_code == 400
    bitbucket.email_allowed = False
    try:
        assert ask(bitbucket, members, params=wanted).status_code == 403
    finally:
        bitbucket.email_allowed = True


def test_hooks_keep_their_secret_to_themselves(bitbucket: BitbucketCloudStandIn) -> None:
    hooks = "/workspaces/northwind/hooks"
    body = {"url": "https://hooks.example.com/x", "events": ["repo:push"], "secret": "s" * 128, "description": "mine"}
    made = ask(bitbucket, hooks, method="POST", json=body)
    assert (made.status_code, made.json()["secret_set"]) == (201, True)
    assert "secret" not in made.json()
    changed = ask(bitbucket, f"{hooks}/{made.json()['uuid']}", method="PUT", json={"active": False}).json()
    assert (changed["active"], changed["events"], changed["secret_set"]) == (False, ["repo:push"], True)
    wrongs: list[dict[str, Any]] = [
        {"secret": "s" * 129},
        {"events": ["repository:push"]},
        {"events": []},
        {"colour": 1},
    ]
    for wrong in wrongs:
        assert ask(bitbucket, hooks, method="POST", json=body | wrong).status_code == 400
    assert ask(bitbucket, f"{hooks}/{made.json()['uuid']}", method="DELETE").status_code == 204
    assert read(bitbucket, hooks)["values"] == []


def test_paths_can_be_forbidden_and_failures_planned(bitbucket: BitbucketCloudStandIn) -> None:
    bitbucket.forbidden.add("/repositories/northwind/runner")
    bitbucket.fail_next(1, 503, "/pullrequests")
    try:
        assert ask(bitbucket, "/repositories/northwind/runner/commits").status_code == 403
        assert ask(bitbucket, f"{LEDGER}/pullrequests").status_code == 503
        assert ask(bitbucket, f"{LEDGER}/pullrequests").status_code == 200
    finally:
        bitbucket.forbidden.clear()


def test_addresses_are_told_only_of_members_asked_for_by_theirs(bitbucket: BitbucketCloudStandIn) -> None:
    members = "/workspaces/northwind/members"
    assert all("email" not in one["user"] for one in read(bitbucket, members, fields="+values.user.email")["values"])
    ann = bitbucket.world.users[1]
    found = read(bitbucket, f"{members}/{ann.uuid}", fields="+user.email")
    assert found["user"]["uuid"] == ann.uuid
    assert "email" not in found["user"]
    assert ask(bitbucket, f"{members}/{{nobody}}").status_code == 404
