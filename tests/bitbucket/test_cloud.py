"""Reading Bitbucket Cloud: right paths, whole lists, and never an absence where there was an error."""

from __future__ import annotations

from typing import Any

import pytest

from bitbucket_port.bitbucket.cloud import CloudBitbucket
from bitbucket_port.bitbucket.connect import connect
from bitbucket_port.errors import (
    BitbucketPortError,
    CredentialsRefusedError,
    ForbiddenError,
    NotFoundError,
    PermanentError,
    SettingsError,
    TransientError,
)
from bitbucket_port.http import Deadline, HttpClient
from bitbucket_port.mapping.model import Wants
from bitbucket_port.mapping.scope import Question
from bitbucket_port.objects import Address
from tests.bitbucket.answering import Answer, AnsweringServer, Clock

WORKSPACE_UUID = "{11111111-aaaa-4aaa-8aaa-111111111111}"
UUID = "{22222222-bbbb-4bbb-8bbb-222222222222}"
QUOTED = "%7B22222222-bbbb-4bbb-8bbb-222222222222%7D"
ROOT = f"/2.0/repositories/orchard/{QUOTED}"
COMMIT = "c0ffee" * 6 + "c0ff"
NOTHING = Wants()
FILES = Wants(included_files=("README.md", "/docs/how to/CODE OWNERS"))
PRESS = Address("FRUIT", UUID)


def repository(**fields: Any) -> dict[str, Any]:
    workspace = {"slug": "orchard", "uuid": WORKSPACE_UUID}
    branch = {"type": "branch", "name": "main"}
    return {"uuid": UUID, "full_name": "orchard/press", "workspace": workspace, "mainbranch": branch, **fields}


@pytest.fixture
def cloud(server: AnsweringServer, clock: Clock) -> CloudBitbucket:
    http = HttpClient(
        server.url + "/2.0",
        headers=lambda: {"Authorization": "Bearer plum"},
        deadline=Deadline.after(60, clock),
        name="Bitbucket Cloud",
        sleep=clock.sleep,
        now=clock,
    )
    return CloudBitbucket(http, "orchard", now=clock)


# --- single objects


def test_the_source_is_the_workspaces_uuid_asked_for_once(server: AnsweringServer, cloud: CloudBitbucket) -> None:
    server.give_json("/2.0/workspaces/orchard", {"uuid": WORKSPACE_UUID, "slug": "orchard"})
    assert cloud.source() == cloud.source() == WORKSPACE_UUID
    assert cloud.requests == 1


@pytest.mark.parametrize("uuid", [None, "", 7])
def test_a_workspace_without_uuid_gives_no_source(server: AnsweringServer, cloud: CloudBitbucket, uuid: Any) -> None:
    server.give_json("/2.0/workspaces/orchard", {"uuid": uuid})
    with pytest.raises(TransientError):
        cloud.source()


@pytest.mark.parametrize("status", [401, 403, 404, 500])
def test_a_workspace_that_does_not_answer_us_is_told(
    server: AnsweringServer, cloud: CloudBitbucket, status: int
) -> None:
    server.give("/2.0/workspaces/orchard", Answer(200, {"uuid": WORKSPACE_UUID}), Answer(status))
    cloud.check_source()
    with pytest.raises(BitbucketPortError):
        cloud.check_source()


def test_a_project_is_read_by_its_key(server: AnsweringServer, cloud: CloudBitbucket) -> None:
    server.give_json("/2.0/workspaces/orchard/projects/FRUIT", {"uuid": "{p}", "key": "FRUIT"})
    assert cloud.read_project(Address("FRUIT"), expected_id="{p}")["key"] == "FRUIT"


def test_a_project_whose_key_passed_to_another_one_is_not_found(server: AnsweringServer, cloud: CloudBitbucket) -> None:
    server.give_json("/2.0/workspaces/orchard/projects/FRUIT", {"uuid": "{q}", "key": "FRUIT"})
    with pytest.raises(NotFoundError):
        cloud.read_project(Address("FRUIT"), expected_id="{p}")


def test_a_repository_is_read_by_its_uuid_with_one_request(server: AnsweringServer, cloud: CloudBitbucket) -> None:
    server.give_json(ROOT, repository())
    assert cloud.read_repository(PRESS, NOTHING, expected_id=UUID) == repository()
    assert server.paths == [ROOT]
    assert server.asked[0].authorization == "Bearer plum"
    assert cloud.requests == 1


def test_a_slug_that_passed_to_another_repository_is_not_found(server: AnsweringServer, cloud: CloudBitbucket) -> None:
    server.give_json("/2.0/repositories/orchard/press", repository(uuid="{other}"))
    with pytest.raises(NotFoundError):
        cloud.read_repository(Address(repository="press"), NOTHING, expected_id=UUID)
    with pytest.raises(NotFoundError):
        cloud.read_repository(Address(repository="press"), NOTHING, expected_id="full_name:orchard/mill")
    assert cloud.read_repository(Address(repository="press"), NOTHING, expected_id="full_name:orchard/press")


def test_a_repository_that_moved_to_another_workspace_is_not_found_even_if_we_may_see_it(
    server: AnsweringServer, cloud: CloudBitbucket
) -> None:
    server.give_json("/2.0/workspaces/orchard", {"uuid": WORKSPACE_UUID})
    server.give_json(ROOT, repository(full_name="elsewhere/press", workspace={"slug": "elsewhere", "uuid": "{else}"}))
    with pytest.raises(NotFoundError, match="another workspace"):
        cloud.read_repository(PRESS, NOTHING)


def test_a_repository_of_our_renamed_workspace_is_still_ours(server: AnsweringServer, cloud: CloudBitbucket) -> None:
    server.give_json("/2.0/workspaces/orchard", {"uuid": WORKSPACE_UUID})
    renamed = repository(full_name="garden/press", workspace={"slug": "garden", "uuid": WORKSPACE_UUID})
    server.give_json(ROOT, renamed)
    assert cloud.read_repository(PRESS, NOTHING) == renamed


def test_a_pull_request_is_read_in_its_repository(server: AnsweringServer, cloud: CloudBitbucket) -> None:
    pull_request = {"id": 5, "destination": {"repository": {"uuid": UUID}}}
    server.give_json(f"{ROOT}/pullrequests/5", pull_request)
    assert cloud.read_pull_request(Address("FRUIT", UUID, 5), expected_repository=UUID) == pull_request
    with pytest.raises(NotFoundError):
        cloud.read_pull_request(Address("FRUIT", UUID, 5), expected_repository="{other}")


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (Answer(404, b"<html>", {"Content-Type": "text/html"}), NotFoundError),
        (Answer(410), NotFoundError),
        (Answer(401), CredentialsRefusedError),
        (Answer(403), ForbiddenError),
        (Answer(429, headers={"Retry-After": "1800"}), TransientError),
        (Answer(500), TransientError),
        (Answer(200, b"<html>Bitbucket is down for maintenance</html>"), TransientError),
        (Answer(200, []), TransientError),
    ],
)
def test_only_404_and_410_mean_that_something_is_not_there(
    server: AnsweringServer, cloud: CloudBitbucket, answer: Answer, error: type[Exception]
) -> None:
    server.give(f"{ROOT}/pullrequests/5", answer)
    with pytest.raises(error) as raised:
        cloud.read_pull_request(Address("FRUIT", UUID, 5))
    assert type(raised.value) is error


@pytest.mark.parametrize("address", [Address(), Address(repository=""), Address(repository="..", number=1)])
def test_an_address_that_leads_nowhere_is_refused_before_anything_is_sent(
    cloud: CloudBitbucket, address: Address
) -> None:
    with pytest.raises(PermanentError):
        cloud.read_pull_request(address)
    assert cloud.requests == 0


# --- included files


def test_included_files_are_read_at_the_newest_commit_of_the_main_branch_under_the_names_configured(
    server: AnsweringServer, cloud: CloudBitbucket
) -> None:
    server.give_json(ROOT, repository(mainbranch={"name": "release/1.0 beta"}))
    server.give_json(f"{ROOT}/refs/branches/release/1.0%20beta", {"target": {"hash": COMMIT}})
    server.give(f"{ROOT}/src/{COMMIT}/README.md", Answer(200, b"# Press\n", {"Content-Type": "text/plain"}))
    server.give(f"{ROOT}/src/{COMMIT}/docs/how%20to/CODE%20OWNERS", Answer(200, b"", {"Content-Type": "text/plain"}))
    read = cloud.read_repository(PRESS, FILES)
    assert read["__includedFiles"] == {"README.md": "# Press\n", "/docs/how to/CODE OWNERS": ""}
    assert cloud.requests == 4


def test_a_file_that_does_not_exist_is_null(server: AnsweringServer, cloud: CloudBitbucket) -> None:
    server.give_json(ROOT, repository())
    server.give_json(f"{ROOT}/refs/branches/main", {"target": {"hash": COMMIT}})
    assert cloud.read_repository(PRESS, FILES)["__includedFiles"] == dict.fromkeys(FILES.included_files)


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (Answer(403), ForbiddenError),
        (Answer(401), CredentialsRefusedError),
        (Answer(429, headers={"Retry-After": "900"}), TransientError),
        (Answer(500), TransientError),
        (Answer(555), TransientError),
    ],
)
def test_a_file_that_could_not_be_read_is_an_error_and_not_null(
    server: AnsweringServer, cloud: CloudBitbucket, answer: Answer, error: type[Exception]
) -> None:
    server.give_json(ROOT, repository())
    server.give_json(f"{ROOT}/refs/branches/main", {"target": {"hash": COMMIT}})
    server.give(f"{ROOT}/src/{COMMIT}/README.md", answer)
    with pytest.raises(error):
        cloud.read_repository(PRESS, FILES)


@pytest.mark.parametrize("branch", [None, {}, {"name": None}])
def test_an_empty_repository_has_no_files_and_costs_no_further_request(
    server: AnsweringServer, cloud: CloudBitbucket, branch: Any
) -> None:
    server.give_json(ROOT, repository(mainbranch=branch))
    assert cloud.read_repository(PRESS, FILES)["__includedFiles"] == dict.fromkeys(FILES.included_files)
    assert cloud.requests == 1


def test_a_main_branch_without_a_commit_has_no_files(server: AnsweringServer, cloud: CloudBitbucket) -> None:
    server.give_json(ROOT, repository())
    assert cloud.read_repository(PRESS, FILES)["__includedFiles"] == dict.fromkeys(FILES.included_files)
    assert server.paths == [ROOT, f"{ROOT}/refs/branches/main"]


@pytest.mark.parametrize("answer", [Answer(500), Answer(200, {}), Answer(200, {"target": None})])
def test_a_main_branch_that_could_not_be_read_is_an_error(
    server: AnsweringServer, cloud: CloudBitbucket, answer: Answer
) -> None:
    server.give_json(ROOT, repository())
    server.give(f"{ROOT}/refs/branches/main", answer)
    with pytest.raises(TransientError):
        cloud.read_repository(PRESS, FILES)


def test_a_json_file_is_text_and_a_folder_is_no_file(server: AnsweringServer, cloud: CloudBitbucket) -> None:
    listing = {"pagelen": 10, "values": [{"type": "commit_file", "path": "docs/a"}], "page": 1}
    server.give_json(ROOT, repository())
    server.give_json(f"{ROOT}/refs/branches/main", {"target": {"hash": COMMIT}})
    server.give(f"{ROOT}/src/{COMMIT}/package.json", Answer(200, b'{"name": "press"}'))
    server.give_json(f"{ROOT}/src/{COMMIT}/docs", listing)
    read = cloud.read_repository(PRESS, Wants(included_files=("package.json", "docs", "../secret", "")))
    assert read["__includedFiles"] == {"package.json": '{"name": "press"}', "docs": None, "../secret": None, "": None}


def test_a_file_in_large_file_storage_is_null_and_its_other_host_never_asked(
    server: AnsweringServer, other_server: AnsweringServer, cloud: CloudBitbucket
) -> None:
    server.give_json(ROOT, repository())
    server.give_json(f"{ROOT}/refs/branches/main", {"target": {"hash": COMMIT}})
    server.give(f"{ROOT}/src/{COMMIT}/README.md", Answer(301, headers={"Location": other_server.url + "/media"}))
    read = cloud.read_repository(PRESS, Wants(included_files=("README.md",)))
    assert read["__includedFiles"] == {"README.md": None}
    assert other_server.asked == []


# --- lists


def test_open_pull_requests_come_in_pages_of_50_with_their_people(
    server: AnsweringServer, cloud: CloudBitbucket, clock: Clock
) -> None:
    path = f"{ROOT}/pullrequests"
    server.give_json(
        path,
        {"values": [{"id": 1}], "next": f"{server.url}{path}?page=2"},
        {"values": [], "next": f"{server.url}{path}?page=3"},
        {"values": [{"id": 3}]},
    )
    pages = []
    for page in cloud.open_pull_requests(PRESS):
        pages.append((page.values, page.asked_at))
        clock.now += 10
    started = clock.now - 30
    assert pages == [(({"id": 1},), started), ((), started + 10), (({"id": 3},), started + 20)]
    assert server.asked[0].query == {
        "q": ['state="OPEN"'],
        "sort": ["created_on"],
        "pagelen": ["50"],
        "fields": ["+values.participants,+values.reviewers"],
    }
    assert [asked.query for asked in server.asked[1:]] == [{"page": ["2"]}, {"page": ["3"]}]
    assert {asked.authorization for asked in server.asked} == {"Bearer plum"}
    assert cloud.requests == 3


def test_a_next_page_on_another_host_is_never_asked(
    server: AnsweringServer, other_server: AnsweringServer, cloud: CloudBitbucket
) -> None:
    other_server.give_json("/x", {"values": []})
    server.give_json(f"{ROOT}/pullrequests", {"values": [{"id": 1}], "next": other_server.url + "/x"})
    pages = cloud.open_pull_requests(PRESS)
    assert next(pages).values == ({"id": 1},)
    with pytest.raises(PermanentError):
        next(pages)
    assert other_server.asked == []


def test_a_list_that_leads_in_circles_is_an_error(server: AnsweringServer, cloud: CloudBitbucket) -> None:
    path = f"{ROOT}/pullrequests"
    server.give_json(path, {"values": [], "next": f"{server.url}{path}?page=2"})
    with pytest.raises(TransientError, match="circles"):
        list(cloud.open_pull_requests(PRESS))
    assert cloud.requests == 2


@pytest.mark.parametrize("page", [{}, {"values": None}, {"values": {}}, {"values": [1]}, {"values": [], "next": 7}])
def test_what_is_no_page_is_an_error_and_not_an_empty_list(
    server: AnsweringServer, cloud: CloudBitbucket, page: Any
) -> None:
    server.give_json(f"{ROOT}/pullrequests", page)
    with pytest.raises(TransientError):
        list(cloud.open_pull_requests(PRESS))


def test_the_list_of_what_does_not_exist_is_not_an_empty_list(cloud: CloudBitbucket) -> None:
    with pytest.raises(NotFoundError):
        list(cloud.open_pull_requests(PRESS))


def test_an_error_in_mid_list_is_raised_after_the_pages_before_it(
    server: AnsweringServer, cloud: CloudBitbucket
) -> None:
    path = f"{ROOT}/pullrequests"
    server.give(
        path, Answer(200, {"values": [{"id": 1}], "next": f"{server.url}{path}?page=2"}), Answer(429, headers={})
    )
    pages = cloud.open_pull_requests(PRESS)
    assert next(pages).values == ({"id": 1},)
    with pytest.raises(TransientError):
        next(pages)


def test_the_repositories_of_a_project_are_asked_for_by_its_key(server: AnsweringServer, cloud: CloudBitbucket) -> None:
    server.give_json("/2.0/repositories/orchard", {"values": [{"uuid": UUID}]})
    (page,) = cloud.repositories_of(Address('FR"UIT'))
    assert page.values == ({"uuid": UUID},)
    assert server.asked[0].query == {"q": ['project.key="FR\\"UIT"'], "sort": ["created_on"], "pagelen": ["100"]}


# --- questions of scope


def test_a_repository_is_asked_for_in_its_own_list(server: AnsweringServer, cloud: CloudBitbucket) -> None:
    server.give_json("/2.0/repositories/orchard", {"values": [{"uuid": UUID}]}, {"values": []}, {})
    question = Question("repository", repository=UUID, role="admin", q='name~"press" OR language="go"')
    assert cloud.matches(question) is True
    assert cloud.matches(question) is False
    assert cloud.matches(question) is False
    assert server.asked[0].query == {
        "q": [f'(name~"press" OR language="go") AND uuid="{UUID}"'],
        "role": ["admin"],
        "pagelen": ["1"],
        "fields": ["values.uuid"],
    }


def test_a_repository_without_known_uuid_is_asked_for_by_its_full_name(
    server: AnsweringServer, cloud: CloudBitbucket
) -> None:
    server.give_json("/2.0/repositories/orchard", {"values": [{"uuid": "{any}"}]})
    assert cloud.matches(Question("repository", slug="press", role="member")) is True
    assert server.asked[0].query["q"] == ['full_name="orchard/press"']


def test_an_answer_about_another_repository_is_no_match(server: AnsweringServer, cloud: CloudBitbucket) -> None:
    server.give_json("/2.0/repositories/orchard", {"values": [{"uuid": "{another}"}]})
    assert cloud.matches(Question("repository", repository=UUID, role="member")) is False


def test_a_pull_request_is_asked_for_in_its_repositorys_list(server: AnsweringServer, cloud: CloudBitbucket) -> None:
    server.give_json(f"{ROOT}/pullrequests", {"values": [{"id": 5}]}, {"values": []}, {"values": [{"id": 6}]})
    question = Question("pull-request", repository=UUID, number=5, q='state="OPEN" OR draft=true')
    assert cloud.matches(question) is True
    assert cloud.matches(question) is False
    assert cloud.matches(question) is False
    assert server.asked[0].query == {
        "q": ['(state="OPEN" OR draft=true) AND id=5'],
        "pagelen": ["1"],
        "fields": ["values.id"],
    }


@pytest.mark.parametrize("status", [400, 403, 500])
def test_an_unanswered_question_is_an_error_and_not_a_no(
    server: AnsweringServer, cloud: CloudBitbucket, status: int
) -> None:
    server.give("/2.0/repositories/orchard", Answer(status))
    with pytest.raises((PermanentError, TransientError)):
        cloud.matches(Question("repository", repository=UUID, q="colour=red"))


# --- put together


def test_several_tokens_take_turns_when_bitbucket_throttles_one(server: AnsweringServer) -> None:
    server.give(ROOT, Answer(429, headers={"Retry-After": "1800"}), Answer(200, repository()))
    cloud = connect("cloud", server.url + "/2.0", lambda: "one,two", deadline=Deadline.after(60), workspace="orchard")
    assert cloud.read_repository(PRESS, NOTHING) == repository()
    assert [asked.authorization for asked in server.asked] == ["Bearer one", "Bearer two"]
    assert cloud.requests == 2


def test_when_all_tokens_are_throttled_the_shortest_wait_is_told(server: AnsweringServer) -> None:
    server.give(ROOT, Answer(429, headers={"Retry-After": "600"}), Answer(429, headers={"Retry-After": "1800"}))
    cloud = connect("cloud", server.url + "/2.0", lambda: "one,two", deadline=Deadline.after(60), workspace="orchard")
    with pytest.raises(TransientError) as raised:
        cloud.read_repository(PRESS, NOTHING)
    assert raised.value.retry_after is not None
    assert 590 < raised.value.retry_after <= 600
    assert cloud.requests == 2


def test_refused_credentials_are_sent_once(server: AnsweringServer) -> None:
    server.give(ROOT, Answer(401))
    cloud = connect("cloud", server.url + "/2.0", lambda: "one,two", deadline=Deadline.after(60), workspace="orchard")
    with pytest.raises(CredentialsRefusedError):
        cloud.read_repository(PRESS, NOTHING)
    assert len(server.asked) == 1


def test_cloud_needs_a_workspace() -> None:
    with pytest.raises(SettingsError, match="BitbucketWorkspace"):
        connect("cloud", "https://api.bitbucket.org/2.0", lambda: "one", deadline=Deadline.after(60))


def test_a_deadline_can_be_given_anew(server: AnsweringServer, cloud: CloudBitbucket, clock: Clock) -> None:
    server.give_json(ROOT, repository())
    cloud.deadline = Deadline.after(0, clock)
    with pytest.raises(TransientError, match="no time left"):
        cloud.read_repository(PRESS, NOTHING)
    cloud.deadline = Deadline.after(30, clock)
    assert cloud.deadline.left() == 30
    assert cloud.read_repository(PRESS, NOTHING)
