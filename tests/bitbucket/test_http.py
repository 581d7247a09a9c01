"""One careful HTTP client: it keeps its deadline, never shows a credential to another host, and classifies errors."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from email.utils import formatdate
from pathlib import Path
from typing import Any

import pytest

import bitbucket_port
from bitbucket_port.errors import (
    BitbucketPortError,
    CredentialsRefusedError,
    ForbiddenError,
    NotFoundError,
    PermanentError,
    SettingsError,
    TransientError,
)
from bitbucket_port.http import (
    ATTEMPTS,
    LARGEST_ANSWER,
    LONGEST_WAIT,
    SHORT_WAIT,
    Deadline,
    HttpClient,
    RedirectedElsewhereError,
    RefusedError,
    path_of,
)
from tests.bitbucket.answering import Answer, AnsweringServer, Clock

TOKEN = "Bearer wild-strawberry"
DATA_CENTER_FOREVER = "9223372036854775807"
MakeClient = Callable[..., HttpClient]


@pytest.fixture
def make(server: AnsweringServer, clock: Clock) -> MakeClient:
    def client(base_url: str | None = None, *, seconds: float = 60, **options: Any) -> HttpClient:
        return HttpClient(
            base_url or server.url,
            headers=options.pop("headers", lambda: {"Authorization": TOKEN}),
            deadline=Deadline.after(seconds, clock),
            name="Orchard",
            sleep=clock.sleep,
            now=clock,
            **options,
        )

    return client


# --- what is sent


def test_a_request_carries_our_headers_parameters_and_body(server: AnsweringServer, make: MakeClient) -> None:
    server.give_json("/api/trees", {"ok": True})
    client = make(server.url + "/api/")
    response = client.request("POST", "/trees", params={"fields": "+values.x", "state": ["A", "B"]}, json={"a": "ä"})
    assert (response.status, response.json()) == (200, {"ok": True})
    (asked,) = server.asked
    assert (asked.method, asked.path) == ("POST", "/api/trees")
    assert asked.query == {"fields": ["+values.x"], "state": ["A", "B"]}
    assert asked.authorization == TOKEN
    assert asked.headers["user-agent"].startswith("bitbucket-port/")
    assert b"a" in asked.body


def test_headers_are_asked_for_anew_before_every_attempt(
    server: AnsweringServer, make: MakeClient, clock: Clock
) -> None:
    server.give("/x", Answer(503), Answer(200, {}))
    tokens = iter(["Bearer old", "Bearer new"])
    make(headers=lambda: {"Authorization": next(tokens)}).request("GET", "/x")
    assert [asked.authorization for asked in server.asked] == ["Bearer old", "Bearer new"]


def test_a_netrc_file_of_whoever_runs_us_does_not_replace_our_credential(
    server: AnsweringServer, make: MakeClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login grower password apple\n")
    monkeypatch.setenv("NETRC", str(netrc))
    server.give_json("/x", {})
    make().request("GET", "/x")
    assert server.asked[0].authorization == TOKEN


def test_a_session_cookie_of_the_server_is_not_sent_back(server: AnsweringServer, make: MakeClient) -> None:
    server.give("/x", Answer(200, {}, {"Set-Cookie": "SESSION=1; Path=/"}))
    client = make()
    client.request("GET", "/x")
    client.request("GET", "/x")
    assert [asked.headers.get("cookie") for asked in server.asked] == [None, None]


def test_path_segments_are_encoded_completely() -> None:
    assert path_of("repositories", "orchard", "{a-b}", 7) == "/repositories/orchard/%7Ba-b%7D/7"
    assert path_of("projects", "~grower", "a/b?c#d") == "/projects/~grower/a%2Fb%3Fc%23d"


@pytest.mark.parametrize("segment", ["", ".", ".."])
def test_a_path_segment_that_would_climb_is_refused(segment: str) -> None:
    with pytest.raises(PermanentError):
        path_of("projects", segment, "repos")


@pytest.mark.parametrize(
    "address", ["", "code.example.com", "ftp://code.example.com", "https://u:p@code.example.com", "https://h/?a=b"]
)
def test_an_address_that_cannot_work_is_a_setting_to_mend_and_is_not_repeated(make: MakeClient, address: str) -> None:
    with pytest.raises(SettingsError) as refused:
        HttpClient(address, headers=None, deadline=Deadline.after(1), name="Orchard")
    assert "u:p" not in str(refused.value)


# --- errors, classified once


@pytest.mark.parametrize(
    ("status", "error", "requests"),
    [
        (400, RefusedError, 1),
        (401, CredentialsRefusedError, 1),
        (403, ForbiddenError, 1),
        (404, NotFoundError, 1),
        (409, RefusedError, 1),
        (410, NotFoundError, 1),
        (413, RefusedError, 1),
        (422, RefusedError, 1),
        (429, TransientError, 1),
        (408, TransientError, ATTEMPTS),
        (500, TransientError, ATTEMPTS),
        (502, TransientError, ATTEMPTS),
        (503, TransientError, ATTEMPTS),
        (504, TransientError, ATTEMPTS),
        (555, TransientError, ATTEMPTS),
        (202, TransientError, 1),
    ],
)
def test_each_status_has_one_class_and_only_what_may_pass_is_tried_again(
    server: AnsweringServer, make: MakeClient, status: int, error: type[BitbucketPortError], requests: int
) -> None:
    server.give("/x", Answer(status, {"message": "no"}))
    client = make()
    with pytest.raises(error) as raised:
        client.request("GET", "/x")
    assert type(raised.value) is error
    assert client.sent == len(server.asked) == requests
    assert f"Orchard answered {status} to GET /x" in str(raised.value)


def test_a_refusal_tells_its_status(server: AnsweringServer, make: MakeClient) -> None:
    server.give("/x", Answer(422, {"ok": False, "error": "invalid_request", "message": "No such property"}))
    with pytest.raises(RefusedError, match=r"invalid_request: No such property") as raised:
        make().request("GET", "/x")
    assert raised.value.status == 422


@pytest.mark.parametrize("status", [401, 404, 422, 429, 503])
def test_a_status_that_the_caller_wants_is_an_answer_not_an_error(
    server: AnsweringServer, make: MakeClient, status: int
) -> None:
    server.give("/x", Answer(status, {"details": [1]}))
    response = make().request("GET", "/x", ok=(200, status))
    assert (response.status, response.json()) == (status, {"details": [1]})
    assert len(server.asked) == 1


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"type": "error", "error": {"message": "Repository gone"}}, "Repository gone"),
        ({"errors": [{"context": None, "message": "Project does not exist."}]}, "Project does not exist."),
        ({"error": "not_found", "message": "It is\nnot here"}, "not_found: It is not here"),
    ],
)
def test_the_error_text_holds_what_a_json_answer_says_in_one_line(
    server: AnsweringServer, make: MakeClient, body: dict[str, Any], said: str
) -> None:
    server.give("/x", Answer(404, body))
    with pytest.raises(NotFoundError) as raised:
        make().request("GET", "/x")
    assert str(raised.value).endswith(f"({said})")


@pytest.mark.parametrize(
    "answer",
    [
        Answer(404, b"<html>profile of a private person</html>", {"Content-Type": "text/html"}),
        Answer(404, b"<html>profile of a private person</html>"),
        Answer(404, {"message": "private"}, {"Content-Type": "text/html"}),
        Answer(404, ["private"]),
        Answer(404, {"secret": "private", "errors": ["private", {}], "error": {"detail": "private"}}),
    ],
)
def test_a_body_of_any_other_sort_never_gets_into_an_error_text(
    server: AnsweringServer, make: MakeClient, answer: Answer
) -> None:
    server.give("/x", answer)
    with pytest.raises(NotFoundError) as raised:
        make().request("GET", "/x")
    assert str(raised.value) == "Orchard answered 404 to GET /x"


def test_error_texts_show_neither_credential_nor_query(server: AnsweringServer, make: MakeClient) -> None:
    server.give("/x", Answer(500))
    with pytest.raises(TransientError) as raised:
        make().request("GET", "/x", params={"q": "user.email"})
    assert "strawberry" not in str(raised.value)
    assert "email" not in str(raised.value)


@pytest.mark.parametrize("body", [b"<html>Log in</html>", b"", b"{"])
def test_a_good_status_without_json_is_something_in_between_and_not_an_empty_answer(
    server: AnsweringServer, make: MakeClient, body: bytes
) -> None:
    server.give("/x", Answer(200, body))
    response = make().request("GET", "/x")
    with pytest.raises(TransientError, match="not JSON") as raised:
        response.json()
    assert "Log in" not in str(raised.value)


def test_text_that_is_not_utf_8_is_still_text(server: AnsweringServer, make: MakeClient) -> None:
    server.give("/x", Answer(200, b"caf\xe9"), Answer(200, b"\xef\xbb\xbfcaf\xc3\xa9"))
    client = make()
    assert client.request("GET", "/x").text == "caf�"
    assert client.request("GET", "/x").text == "café"


# --- trying again


def test_what_may_pass_is_tried_again_after_growing_pauses(
    server: AnsweringServer, make: MakeClient, clock: Clock
) -> None:
    server.give("/x", Answer(hang_up=True), Answer(502), Answer(200, {"ok": 1}))
    assert make().request("GET", "/x").json() == {"ok": 1}
    first, second = clock.slept
    assert 0 < first <= 0.5 < second <= 1


def test_an_answer_cut_off_in_the_middle_is_asked_for_again(server: AnsweringServer, make: MakeClient) -> None:
    server.give("/x", Answer(200, {"half": True}, cut=True), Answer(200, {"half": False}))
    assert make().request("GET", "/x").json() == {"half": False}


@pytest.mark.parametrize("answer", [Answer(503), Answer(hang_up=True), Answer(429, headers={"Retry-After": "1"})])
def test_what_must_not_be_sent_twice_is_sent_once(server: AnsweringServer, make: MakeClient, answer: Answer) -> None:
    server.give("/x", answer)
    client = make()
    with pytest.raises(TransientError):
        client.request("POST", "/x", json={}, retry=False)
    assert client.sent == len(server.asked) == 1


def test_a_server_that_is_not_there_is_transient(server: AnsweringServer, make: MakeClient, clock: Clock) -> None:
    client = make("http://127.0.0.1:1")
    with pytest.raises(TransientError, match="Orchard cannot be reached"):
        client.request("GET", "/x")
    assert client.sent == ATTEMPTS
    assert len(clock.slept) == ATTEMPTS - 1


def test_a_broken_proxy_is_named_without_its_password(make: MakeClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://user:hunter2@127.0.0.1:1")
    monkeypatch.setenv("no_proxy", "")
    with pytest.raises(TransientError, match="proxy") as raised:
        make("http://code.example.com").request("GET", "/x")
    assert "hunter2" not in str(raised.value)
    assert raised.value.__cause__ is None
    assert raised.value.__suppress_context__


def test_a_pause_that_does_not_fit_into_the_deadline_is_left_to_the_caller(
    server: AnsweringServer, make: MakeClient, clock: Clock
) -> None:
    server.give("/x", Answer(503, headers={"Retry-After": "4"}))
    with pytest.raises(TransientError) as raised:
        make(seconds=3).request("GET", "/x")
    assert raised.value.retry_after == 4
    assert (clock.slept, len(server.asked)) == ([], 1)


def test_nothing_is_sent_when_no_time_is_left(server: AnsweringServer, make: MakeClient, clock: Clock) -> None:
    client = make(seconds=30)
    clock.now += 29.9
    with pytest.raises(TransientError, match="no time left"):
        client.request("GET", "/x")
    assert (client.sent, server.asked) == (0, [])
    client.deadline = Deadline.after(30, clock)
    server.give_json("/x", {})
    assert client.request("GET", "/x").status == 200


def test_an_answer_that_drips_past_the_deadline_is_given_up(
    server: AnsweringServer, make: MakeClient, clock: Clock
) -> None:
    server.give_json("/x", {"long": "answer"})
    client = make(seconds=30, headers=lambda: clock.sleep(31) or {})  # type: ignore[func-returns-value]
    with pytest.raises(TransientError, match="no time left for the rest"):
        client.request("GET", "/x")


def test_an_answer_without_end_is_given_up(
    server: AnsweringServer, make: MakeClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bitbucket_port.http.LARGEST_ANSWER", 1000)
    server.give_json("/x", "y" * 2000)
    with pytest.raises(PermanentError, match="more than 1000 bytes"):
        make().request("GET", "/x")
    assert LARGEST_ANSWER > 10_000_000


# --- throttling


def test_a_short_wait_is_slept_a_long_one_is_left_to_the_caller(
    server: AnsweringServer, make: MakeClient, clock: Clock
) -> None:
    server.give("/x", Answer(429, headers={"Retry-After": "2"}), Answer(200, {}))
    assert make().request("GET", "/x").status == 200
    assert clock.slept == [2]
    server.give("/y", Answer(429, headers={"Retry-After": str(int(SHORT_WAIT) + 1)}))
    with pytest.raises(TransientError) as raised:
        make().request("GET", "/y")
    assert raised.value.retry_after == SHORT_WAIT + 1
    assert server.paths.count("/y") == 1


@pytest.mark.parametrize(
    ("headers", "wait"),
    [
        ({"Retry-After": "1800"}, 1800),
        ({"Retry-After": DATA_CENTER_FOREVER}, LONGEST_WAIT),
        ({"Retry-After": "99999999999999999999999999"}, LONGEST_WAIT),
        ({"Retry-After": "inf"}, LONGEST_WAIT),
        ({"Retry-After": "nan"}, None),
        ({"Retry-After": "soon"}, None),
        ({"Retry-After": formatdate(1_790_000_000 + 900, usegmt=True)}, 900),
        ({"X-RateLimit-Reset": "600"}, 600),  # Bitbucket Cloud: seconds left
        ({"X-RateLimit-Reset": str(1_790_000_000 + 120)}, 120),  # Port: a point in time
        ({"Retry-After": "30", "X-RateLimit-Reset": "600"}, 30),
        ({}, None),
    ],
)
def test_the_wait_is_understood_in_every_notation_and_never_longer_than_a_message_can_sleep(
    server: AnsweringServer, make: MakeClient, headers: dict[str, str], wait: float | None
) -> None:
    server.give("/x", Answer(429, headers=headers))
    with pytest.raises(TransientError) as raised:
        make().request("GET", "/x")
    assert raised.value.retry_after == wait
    assert len(server.asked) == 1


def test_a_reset_header_on_an_ordinary_failure_is_no_wait(
    server: AnsweringServer, make: MakeClient, clock: Clock
) -> None:
    server.give("/x", Answer(503, headers={"X-RateLimit-Reset": "3000"}), Answer(200, {}))
    assert make().request("GET", "/x").status == 200
    assert max(clock.slept) <= 1


def test_a_throttled_request_goes_on_at_once_when_another_credential_takes_over(
    server: AnsweringServer, make: MakeClient, clock: Clock
) -> None:
    throttling = [Answer(429, headers={"Retry-After": "3000"})] * (ATTEMPTS + 1)
    server.give("/x", *throttling, Answer(200, {}))
    waits: list[float | None] = []
    client = make(throttled=lambda wait: waits.append(wait) or 0)  # type: ignore[func-returns-value]
    assert client.request("GET", "/x").status == 200
    assert waits == [3000.0] * (ATTEMPTS + 1)
    assert clock.slept == []


def test_a_change_of_credential_uses_up_no_attempt(server: AnsweringServer, make: MakeClient) -> None:
    server.give("/x", *[Answer(429)] * 2, *[Answer(503)] * (ATTEMPTS - 1), Answer(200, {}))
    assert make(throttled=lambda wait: 0).request("GET", "/x").status == 200


# --- only our own server


def test_a_link_inside_our_server_is_followed_with_the_credential(server: AnsweringServer, make: MakeClient) -> None:
    server.give_json("/api/x", {})
    make(server.url + "/api").request("GET", server.url + "/api/x?page=2")
    assert (server.asked[0].query, server.asked[0].authorization) == ({"page": ["2"]}, TOKEN)


def test_a_link_to_another_server_is_never_asked(
    server: AnsweringServer, other_server: AnsweringServer, make: MakeClient
) -> None:
    other_server.give_json("/x", {})
    with pytest.raises(RedirectedElsewhereError):
        make().request("GET", other_server.url + "/x")
    assert other_server.asked == []


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_to_another_server_is_never_followed(
    server: AnsweringServer, other_server: AnsweringServer, make: MakeClient, status: int
) -> None:
    other_server.give_json("/x", {"stolen": True})
    server.give("/x", Answer(status, headers={"Location": other_server.url + "/x"}))
    with pytest.raises(RedirectedElsewhereError) as raised:
        make().request("GET", "/x")
    assert other_server.asked == []
    assert other_server.url in str(raised.value)


@pytest.mark.parametrize(
    "trick",
    [
        "https://{host}/x",
        "http://{host}:1/x",
        "http://{host}@evil.example/x",
        "http://evil.example\\@{host}/x",
        "http://evil.example/@{host}",
        "http://user@{host}:{port}/x",
        "http://[{host}/x",
        "http://{host}:port/x",
        "http://{host}:{port}@evil.example/x",
        "//evil.example/x",
    ],
)
def test_no_spelling_of_a_link_leads_the_credential_astray(
    server: AnsweringServer, make: MakeClient, trick: str
) -> None:
    host, port = server.url.removeprefix("http://").split(":")
    server.give("/x", Answer(302, headers={"Location": trick.format(host=host, port=port)}))
    with pytest.raises(PermanentError):
        make().request("GET", "/x")
    assert server.paths == ["/x"]


@pytest.mark.parametrize("location", ["/y", "y", "{url}/y"])
def test_a_redirect_inside_our_server_is_followed(server: AnsweringServer, make: MakeClient, location: str) -> None:
    server.give("/x", Answer(301, headers={"Location": location.format(url=server.url)}))
    server.give_json("/y", {"moved": True})
    client = make()
    assert client.request("GET", "/x", params={"a": "b"}).json() == {"moved": True}
    assert server.asked[1].authorization == TOKEN
    assert client.sent == 2


def test_redirects_in_a_circle_end(server: AnsweringServer, make: MakeClient) -> None:
    server.give("/x", Answer(302, headers={"Location": "/x"}))
    with pytest.raises(PermanentError, match="without end"):
        make().request("GET", "/x")
    assert len(server.asked) == 4


def test_a_writing_request_is_never_redirected(server: AnsweringServer, make: MakeClient) -> None:
    server.give("/x", Answer(307, headers={"Location": "/y"}))
    with pytest.raises(PermanentError, match="redirects a POST"):
        make().request("POST", "/x", json={})
    assert server.paths == ["/x"]


# --- what it costs to import


def test_it_loads_no_library_but_requests_and_what_that_needs() -> None:
    layer = Path(bitbucket_port.__file__).parents[1]
    script = (
        "import sys; import requests; before = set(sys.modules)\n"
        "import bitbucket_port.http\n"
        "print(*{name.partition('.')[0] for name in set(sys.modules) - before} - set(sys.stdlib_module_names))"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=layer, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["bitbucket_port"]
