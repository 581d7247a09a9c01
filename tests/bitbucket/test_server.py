"""Reading Bitbucket Data Center: renamed paths, default branches, READMEs, and lists read to their end."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from bitbucket_port.bitbucket.connect import connect
from bitbucket_port.bitbucket.server import ServerBitbucket
from bitbucket_port.errors import (
    BitbucketPortError,
    CredentialsRefusedError,
    ForbiddenError,
    NotFoundError,
    PermanentError,
    TransientError,
)
from bitbucket_port.http import LONGEST_WAIT, Deadline, HttpClient
from bitbucket_port.mapping.model import Wants
from bitbucket_port.mapping.scope import Question
from bitbucket_port.objects import Address
from tests.bitbucket.answering import Answer, AnsweringServer, Clock

API = "/code/rest/api/latest"
ROOT = f"{API}/projects/FRUIT/repos/press"
PRESS = Address("FRUIT", "press")
COMMIT = {"id": "c0ffee" * 6 + "c0ff", "author": {"name": "grower", "emailAddress": "grower@example.com"}}
MAIN = {"id": "refs/heads/release/1.0", "displayId": "release/1.0"}
EVERYTHING = Wants(readme=True, latest_commit=True)
NOTHING = Wants()


def repository(**fields: Any) -> dict[str, Any]:
    return {"id": 41, "slug": "press", "project": {"key": "FRUIT", "id": 7}, **fields}


@pytest.fixture
def data_center(server: AnsweringServer, clock: Clock) -> ServerBitbucket:
    http = HttpClient(
        server.url + API,
        headers=lambda: {"Authorization": "Bearer plum"},
        deadline=Deadline.after(60, clock),
        name="Bitbucket Data Center",
        sleep=clock.sleep,
        now=clock,
    )
    return ServerBitbucket(http, now=clock)


def give_main_branch(server: AnsweringServer) -> None:
    server.give_json(ROOT, repository())
    server.give_json(f"{ROOT}/default-branch", MAIN)
    server.give_json(f"{ROOT}/commits", {"values": [COMMIT], "isLastPage": False, "nextPageStart": 1})


# --- single objects


@pytest.mark.parametrize("url", ["https://Code.Example.com/ctx/", "https://code.example.com/ctx/rest/api/latest"])
def test_the_source_is_the_base_url_in_one_spelling(url: str) -> None:
    made = connect("server", url, lambda: "plum", deadline=Deadline.after(1))
    assert made.source() == "https://code.example.com/ctx"


@pytest.mark.parametrize("answer", [Answer(401), Answer(403), Answer(404), Answer(200, {}), Answer(200, b"<html>")])
def test_an_instance_that_does_not_answer_us_is_told(
    server: AnsweringServer, data_center: ServerBitbucket, answer: Answer
) -> None:
    server.give(f"{API}/projects", Answer(200, {"values": [{"key": "PRESS"}], "isLastPage": True}), answer)
    data_center.check_source()
    with pytest.raises(BitbucketPortError):
        data_center.check_source()


def test_an_account_that_sees_nothing_at_all_lost_its_permissions(
    server: AnsweringServer, data_center: ServerBitbucket
) -> None:
    empty = Answer(200, {"values": [], "isLastPage": True})
    server.give(f"{API}/projects", empty, empty)
    server.give(f"{API}/repos", Answer(200, {"values": [repository()], "isLastPage": True}), empty)
    data_center.check_source()
    with pytest.raises(ForbiddenError):
        data_center.check_source()


def test_a_personal_project_and_its_repository_are_asked_for_by_their_tilde(
    server: AnsweringServer, data_center: ServerBitbucket
) -> None:
    server.give_json(f"{API}/projects/~grower", {"id": 8, "key": "~grower"})
    server.give_json(f"{API}/projects/~grower/repos/press", repository())
    assert data_center.read_project(Address("~grower"), expected_id="8")["id"] == 8
    assert data_center.read_repository(Address("~grower", "press"), NOTHING, expected_id="41")["id"] == 41


def test_a_renamed_repository_answering_at_its_old_path_is_still_itself(
    server: AnsweringServer, data_center: ServerBitbucket
) -> None:
    server.give_json(ROOT, repository(slug="cider-press"))
    assert data_center.read_repository(PRESS, NOTHING, expected_id="41")["slug"] == "cider-press"


def test_a_path_that_passed_to_another_object_is_not_found(
    server: AnsweringServer, data_center: ServerBitbucket
) -> None:
    server.give_json(ROOT, repository(id=99))
    server.give_json(f"{API}/projects/FRUIT", {"id": 70, "key": "FRUIT"})
    server.give_json(f"{ROOT}/pull-requests/3", {"id": 3, "toRef": {"repository": repository(id=99)}})
    with pytest.raises(NotFoundError):
        data_center.read_repository(PRESS, EVERYTHING, expected_id="41")
    with pytest.raises(NotFoundError):
        data_center.read_project(Address("FRUIT"), expected_id="7")
    with pytest.raises(NotFoundError):
        data_center.read_pull_request(Address("FRUIT", "press", 3), expected_repository="41")
    assert data_center.requests == 3


def test_a_project_known_only_by_its_key_is_compared_by_it(
    server: AnsweringServer, data_center: ServerBitbucket
) -> None:
    server.give_json(f"{API}/projects/OLD", {"id": 7, "key": "FRUIT"})
    assert data_center.read_project(Address("OLD"), expected_id="key:FRUIT")
    with pytest.raises(NotFoundError):
        data_center.read_project(Address("OLD"), expected_id="key:OLD")


def test_a_pull_request_is_read_in_its_repository(server: AnsweringServer, data_center: ServerBitbucket) -> None:
    pull_request = {"id": 3, "toRef": {"repository": repository()}}
    server.give_json(f"{ROOT}/pull-requests/3", pull_request)
    assert data_center.read_pull_request(Address("FRUIT", "press", 3), expected_repository="41") == pull_request
    assert data_center.requests == 1


def test_an_answer_that_says_wait_forever_waits_as_long_as_a_message_can(
    server: AnsweringServer, data_center: ServerBitbucket
) -> None:
    server.give(ROOT, Answer(429, headers={"Retry-After": "9223372036854775807"}))
    with pytest.raises(TransientError) as raised:
        data_center.read_repository(PRESS, NOTHING)
    assert raised.value.retry_after == LONGEST_WAIT
    assert data_center.requests == 1


def test_a_refused_password_is_sent_once_so_that_no_account_gets_locked(server: AnsweringServer) -> None:
    server.give(ROOT, Answer(401, {"errors": [{"message": "Authentication failed."}]}))
    made = connect("server", server.url + "/code", lambda: "plum", deadline=Deadline.after(60), username="grower")
    with pytest.raises(CredentialsRefusedError):
        made.read_repository(PRESS, NOTHING)
    pair = base64.b64encode(b"grower:plum").decode()
    assert [asked.authorization for asked in server.asked] == [f"Basic {pair}"]


def test_a_login_page_in_the_place_of_an_answer_is_an_error(
    server: AnsweringServer, data_center: ServerBitbucket
) -> None:
    server.give(ROOT, Answer(302, headers={"Location": "/login?next=x"}))
    server.give("/login", Answer(200, b"<html>Log in</html>", {"Content-Type": "text/html"}))
    with pytest.raises(TransientError, match="not JSON"):
        data_center.read_repository(PRESS, NOTHING)


@pytest.mark.parametrize("address", [Address(), Address("FRUIT"), Address(None, "press"), Address("..", "press")])
def test_an_incomplete_address_is_refused_before_anything_is_sent(
    data_center: ServerBitbucket, address: Address
) -> None:
    with pytest.raises(PermanentError):
        data_center.read_repository(address, NOTHING)
    assert data_center.requests == 0


def test_the_data_center_is_never_asked_for_a_query(data_center: ServerBitbucket) -> None:
    with pytest.raises(PermanentError):
        data_center.matches(Question("repository", slug="press", q="name~press"))


# --- README and latest commit


def test_readme_and_latest_commit_come_from_the_same_commit_of_the_default_branch(
    server: AnsweringServer, data_center: ServerBitbucket
) -> None:
    give_main_branch(server)
    server.give(f"{ROOT}/raw/README.md", Answer(200, b"# Press\n", {"Content-Type": "text/plain"}))
    read = data_center.read_repository(PRESS, EVERYTHING)
    assert read == repository(__defaultBranch="release/1.0", __readme="# Press\n", __latestCommit=COMMIT)
    assert server.asked[2].query == {"until": ["refs/heads/release/1.0"], "limit": ["1"]}
    assert server.asked[3].query == {"at": [COMMIT["id"]]}
    assert data_center.requests == 4


@pytest.mark.parametrize(
    ("wants", "fields", "requests"),
    [
        (NOTHING, set(), 1),
        (Wants(latest_commit=True), {"__defaultBranch", "__latestCommit"}, 3),
        (Wants(readme=True), {"__defaultBranch", "__readme"}, 4),
    ],
)
def test_only_what_the_mapping_wants_is_fetched(
    server: AnsweringServer, data_center: ServerBitbucket, wants: Wants, fields: set[str], requests: int
) -> None:
    give_main_branch(server)
    server.give(f"{ROOT}/raw/README.md", Answer(200, b"# Press\n"))
    assert set(data_center.read_repository(PRESS, wants)) - set(repository()) == fields
    assert data_center.requests == requests


def test_the_first_readme_that_exists_is_taken(server: AnsweringServer, data_center: ServerBitbucket) -> None:
    give_main_branch(server)
    server.give(f"{ROOT}/raw/readme.md", Answer(200, b"small\n"))
    server.give(f"{ROOT}/raw/README", Answer(200, b"never reached\n"))
    assert data_center.read_repository(PRESS, Wants(readme=True))["__readme"] == "small\n"


def test_an_empty_readme_is_empty_and_a_missing_one_is_null(
    server: AnsweringServer, data_center: ServerBitbucket
) -> None:
    give_main_branch(server)
    read = data_center.read_repository(PRESS, EVERYTHING)
    assert (read["__readme"], read["__latestCommit"]) == (None, COMMIT)
    server.give(f"{ROOT}/raw/README.md", Answer(200, b""))
    assert data_center.read_repository(PRESS, EVERYTHING)["__readme"] == ""


@pytest.mark.parametrize("no_branch", [Answer(404), Answer(204)])
def test_a_repository_without_a_default_branch_has_neither(
    server: AnsweringServer, data_center: ServerBitbucket, no_branch: Answer
) -> None:
    server.give_json(ROOT, repository())
    server.give(f"{ROOT}/default-branch", no_branch)
    assert data_center.read_repository(PRESS, EVERYTHING) == repository(__readme=None, __latestCommit=None)
    assert data_center.requests == 2


@pytest.mark.parametrize("no_commit", [Answer(404), Answer(200, {"values": [], "isLastPage": True})])
def test_a_configured_default_branch_that_does_not_exist_yet_has_neither(
    server: AnsweringServer, data_center: ServerBitbucket, no_commit: Answer
) -> None:
    server.give_json(ROOT, repository())
    server.give_json(f"{ROOT}/default-branch", MAIN)
    server.give(f"{ROOT}/commits", no_commit)
    read = data_center.read_repository(PRESS, EVERYTHING)
    assert read == repository(__defaultBranch="release/1.0", __readme=None, __latestCommit=None)


@pytest.mark.parametrize("path", ["/default-branch", "/commits", "/raw/README.md"])
@pytest.mark.parametrize(("status", "error"), [(403, ForbiddenError), (500, TransientError)])
def test_what_could_not_be_read_is_an_error_and_not_null(
    server: AnsweringServer, data_center: ServerBitbucket, path: str, status: int, error: type[Exception]
) -> None:
    answers = {
        "/default-branch": Answer(200, MAIN),
        "/commits": Answer(200, {"values": [COMMIT], "isLastPage": True}),
        "/raw/README.md": Answer(200, b"# Press\n"),
    }
    server.give_json(ROOT, repository())
    for place, answer in (answers | {path: Answer(status)}).items():
        server.give(ROOT + place, answer)
    with pytest.raises(error):
        data_center.read_repository(PRESS, EVERYTHING)


@pytest.mark.parametrize(
    ("branch", "page"),
    [({}, None), ([], None), (MAIN, {}), (MAIN, {"values": None}), (MAIN, {"values": [{"id": ""}]})],
)
def test_an_answer_that_is_not_what_the_api_promises_is_an_error(
    server: AnsweringServer, data_center: ServerBitbucket, branch: Any, page: Any
) -> None:
    server.give_json(ROOT, repository())
    server.give_json(f"{ROOT}/default-branch", branch)
    server.give_json(f"{ROOT}/commits", page)
    with pytest.raises(TransientError):
        data_center.read_repository(PRESS, EVERYTHING)


# --- lists


def test_a_list_is_read_to_its_end_by_the_servers_own_page_starts(
    server: AnsweringServer, data_center: ServerBitbucket, clock: Clock
) -> None:
    server.give_json(
        f"{ROOT}/pull-requests",
        {"values": [{"id": 1}], "isLastPage": False, "nextPageStart": 25},
        {"values": [], "isLastPage": False, "nextPageStart": 61},
        {"values": [{"id": 2}], "isLastPage": True, "nextPageStart": None},
    )
    pages = []
    for page in data_center.open_pull_requests(PRESS):
        pages.append((page.values, page.asked_at))
        clock.now += 10
    started = clock.now - 30
    assert pages == [(({"id": 1},), started), ((), started + 10), (({"id": 2},), started + 20)]
    assert [asked.query["start"] for asked in server.asked] == [["0"], ["25"], ["61"]]
    assert {asked.query["limit"][0] for asked in server.asked} == {"1000"}
    assert {asked.query["state"][0] for asked in server.asked} == {"OPEN"}


@pytest.mark.parametrize(
    "second",
    [
        {"values": [], "isLastPage": False},
        {"values": [], "isLastPage": False, "nextPageStart": None},
        {"values": [], "isLastPage": False, "nextPageStart": 25},
        {"values": [], "isLastPage": False, "nextPageStart": 0},
        {"values": [], "isLastPage": False, "nextPageStart": "50"},
        {"isLastPage": True},
        {"errors": []},
    ],
)
def test_a_list_without_a_proper_end_is_an_error(
    server: AnsweringServer, data_center: ServerBitbucket, second: Any
) -> None:
    first = {"values": [{"id": 1}], "isLastPage": False, "nextPageStart": 25}
    server.give_json(f"{ROOT}/pull-requests", first, second)
    pages = data_center.open_pull_requests(PRESS)
    assert next(pages).values == ({"id": 1},)
    with pytest.raises(TransientError):
        list(pages)
    assert data_center.requests == 2


def test_the_list_of_what_does_not_exist_is_not_an_empty_list(data_center: ServerBitbucket) -> None:
    with pytest.raises(NotFoundError):
        list(data_center.open_pull_requests(PRESS))


def test_archived_repositories_belong_to_a_project_and_those_of_other_projects_do_not(
    server: AnsweringServer, data_center: ServerBitbucket
) -> None:
    ours = [repository(), repository(id=42, slug="mill", archived=True)]
    foreign = [repository(id=50, project={"key": "FRUITS"}), {"id": 51}]
    server.give_json(f"{API}/repos", {"values": ours + foreign, "isLastPage": True})
    (page,) = data_center.repositories_of(Address("fruit"))
    assert list(page.values) == ours
    assert server.asked[0].query == {
        "projectkey": ["fruit"],
        "archived": ["ALL"],
        "limit": ["1000"],
        "start": ["0"],
    }
