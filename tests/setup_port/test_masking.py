"""What is shown to others holds no token and no local part of an e-mail address, wherever it stands in an object."""

from __future__ import annotations

import base64
import json
import random
import string
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bitbucket_port.setup.masking import LONGEST_LIST, LONGEST_TEXT, REDACTED, mask

ALPHANUMERIC = string.ascii_letters + string.digits
PIECE = 10
"""No piece of a token that is as long as this may be seen."""


def pick(chance: random.Random, letters: str, length: int) -> str:
    return "".join(chance.choice(letters) for _ in range(length))


def encoded(chance: random.Random, length: int) -> str:
    return base64.b64encode(chance.randbytes(length)).decode()


def web_token(chance: random.Random) -> str:
    parts = [{"alg": "HS256", "typ": "JWT"}, {"sub": pick(chance, string.digits, 10), "name": "Jane"}]
    heads = [base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in parts]
    return ".".join([*heads, base64.urlsafe_b64encode(chance.randbytes(32)).decode().rstrip("=")])


TOKENS: dict[str, Callable[[random.Random], str]] = {
    "Bitbucket access token": lambda chance: "ATCTT3xFfGF0" + pick(chance, ALPHANUMERIC + "_-", 150),
    "Atlassian API token": lambda chance: "ATATT3xFfGF0" + pick(chance, ALPHANUMERIC + "_-=", 170),
    "Bitbucket app password": lambda chance: "ATBB" + pick(chance, ALPHANUMERIC, 32),
    "Data Center access token": lambda chance: "BBDC-" + encoded(chance, 30),
    "GitHub token": lambda chance: "ghp_" + pick(chance, ALPHANUMERIC, 36),
    "GitLab token": lambda chance: "glpat-" + pick(chance, ALPHANUMERIC + "-_", 20),
    "AWS access key": lambda chance: "AKIA" + pick(chance, string.ascii_uppercase + string.digits, 16),
    "AWS secret key": lambda chance: encoded(chance, 30),
    "web token": web_token,
    "32 bytes in hexadecimal": lambda chance: chance.randbytes(32).hex(),
    "20 bytes in hexadecimal": lambda chance: chance.randbytes(20).hex(),
    "letters and digits": lambda chance: pick(chance, ALPHANUMERIC, 32),
    "capitals and digits": lambda chance: pick(chance, string.ascii_uppercase + string.digits, 24),
    "small letters and digits": lambda chance: pick(chance, string.ascii_lowercase + string.digits, 24),
    "token for an address": lambda chance: base64.urlsafe_b64encode(chance.randbytes(24)).decode(),
}
PLACES = [
    "{}",
    "Please use {} for that.",
    "see {}, and then\nsomething else",
    '"{}"',
    "({})",
    "key={};",
    "export KEY='{}'",
    "a: {}\nb: other",
    "https://ci.example.com/hooks/{}",
    "https://ci.example.com/hooks?key={}&more=1",
    "https://example.com/#{}",
    "https://jane:{}@example.com/x.git",
    "https://x-token-auth:{}@bitbucket.org/orchard/apples.git",
    "curl -H 'Authorization: Bearer {}' https://example.com",
    "Authorization: Basic {}",
    "![image](https://example.com/{}.png)",
    "{}\u00a0and more",
    "\u65e5\u672c\u8a9e{}\u65e5\u672c\u8a9e",
]
tokens = st.builds(
    lambda name, seed: TOKENS[name](random.Random(seed)), st.sampled_from(sorted(TOKENS)), st.integers(0, 2**32)
)
places = st.sampled_from(PLACES)
field_names = st.sampled_from(["description", "title", "name", "raw", "html", "href", "content", "branch", "x-y", ""])


@st.composite
def hidden(draw: st.DrawFn, text: st.SearchStrategy[str]) -> Any:
    """A JSON value with a text somewhere in it, as a value or in a key."""
    value: Any = draw(text)
    for _ in range(draw(st.integers(0, 4))):
        wraps = draw(st.integers(0, 2))
        if wraps == 0:
            value = {draw(field_names): value, "other": draw(st.none() | st.booleans() | st.integers())}
        elif wraps == 1:
            value = [draw(st.sampled_from(["a", 1, None])), value]
        elif isinstance(value, str):
            value = {value: 1}
    return value


def shown(value: Any, secrets: tuple[str, ...] = ()) -> str:
    return json.dumps(mask(value, secrets=secrets), ensure_ascii=False)


@given(st.data(), tokens, places)
def test_no_token_is_let_through_wherever_it_stands(data: st.DataObject, token: str, place: str) -> None:
    # Escaped where an address would want it: a slash begins another part there.
    in_place = place.format(token.replace("/", "%2F") if "://" in place else token)

    said = shown(data.draw(hidden(st.just(in_place))))

    pieces = {token[at : at + PIECE] for at in range(len(token) - PIECE + 1)}
    assert not [piece for piece in pieces if piece in said]


@given(st.data(), st.text(min_size=4, max_size=60), places)
def test_no_secret_of_ours_is_let_through_whatever_it_looks_like(data: st.DataObject, secret: str, place: str) -> None:
    found = mask(data.draw(hidden(st.just(place.format(secret)))), secrets=(secret,))

    assert secret not in _texts(found, without=REDACTED)


local_parts = st.text(
    string.ascii_letters + string.digits + "!#$%&'*+-/=?^_`{|}~.\u00e9\u65e5", min_size=3, max_size=30
)


@given(st.data(), local_parts, st.sampled_from(["{}@example.org", "Jane <{}@example.org>", "mailto:{}@example.org x"]))
def test_no_local_part_of_an_address_is_let_through(data: st.DataObject, local: str, place: str) -> None:
    found = mask(data.draw(hidden(st.just(place.format(local)))))

    assert f"{local}@" not in _texts(found, without="")
    assert f"{REDACTED}@example.org" in _texts(found, without="")


@pytest.mark.parametrize(
    ("address", "left"),
    [
        ('"jane doe"@example.org', f"{REDACTED}@example.org"),
        ("https://example.org/?u=jane%40example.org", f"https://example.org/?u={REDACTED}"),
        ("jane%40example.org", f"{REDACTED}%40example.org"),
        ("git@bitbucket.org:orchard/apples.git", f"{REDACTED}@bitbucket.org:orchard/apples.git"),
        ("jane@[192.0.2.1]", f"{REDACTED}@[192.0.2.1]"),
    ],
)
def test_odd_addresses_lose_their_local_part_too(address: str, left: str) -> None:
    assert mask(address) == left


json_values = st.recursive(
    st.none() | st.booleans() | st.floats(allow_nan=False) | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@given(json_values)
def test_masking_again_changes_nothing_and_takes_any_value(value: Any) -> None:
    once = mask(value)

    assert mask(once) == once


@pytest.mark.parametrize(
    "name", ["token", "accessToken", "client_secret", "PASSWORD", "api-key", "privateKey", "sshKey", "X-Authorization"]
)
@pytest.mark.parametrize("value", ["short", 1234, ["a", "b"], {"inner": "c"}])
def test_what_stands_behind_a_telling_name_is_masked_whole(name: str, value: Any) -> None:
    assert mask({name: value, "hasIt": True}) == {name: REDACTED, "hasIt": True}


def test_a_telling_name_may_be_a_value_beside_it() -> None:
    assert mask([{"key": "DB_PASSWORD", "value": "apple"}]) == [{"key": "DB_PASSWORD", "value": REDACTED}]
    assert mask({"secret": True, "token": None}) == {"secret": True, "token": None}


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("password: hunter2", f"password: {REDACTED}"),
        ("the password is swordfish.", f"the password is {REDACTED}"),
        ('{"token": "abc"}', f'{{"token": {REDACTED}}}'),
        ("DB_PASSWORD='two words' next", f"DB_PASSWORD={REDACTED} next"),
        ("--api-key abc1 --verbose", f"--api-key {REDACTED} --verbose"),
        ("Authorization: Basic dXNlcjpwYXNz", f"Authorization: {REDACTED}"),
        ("as Basic dXNlcjpwYXNz says", f"as Basic {REDACTED} says"),
        ("glpat-abcdefgh", REDACTED),
        ("https://jane:pw@example.org/x", f"https://{REDACTED}@example.org/x"),
        ("-----BEGIN RSA PRIVATE KEY-----\nMIIE\nabcd\n-----END RSA PRIVATE KEY-----\nend", f"{REDACTED}\nend"),
        ("-----BEGIN OPENSSH PRIVATE KEY-----\nb3Bl\n", REDACTED),
    ],
)
def test_secrets_that_a_text_names_are_masked(text: str, left: str) -> None:
    assert mask(text) == left


@pytest.mark.parametrize(
    "text",
    [
        "The token expired when the session ended; secrets rotate daily.",
        "Add authorization Middleware",
        "feature/PROJ-123-add-the-new-thing-for-k8s",
        "src/main/java/com/example/OrchardService.java",
        "2026-01-02T03:04:05.123456+00:00",
        "{6f2f6a0e-7b6a-4f0e-9c0b-1f2e3d4c5b6a}",
        "https://bitbucket.org/orchard/payments-service/pull-requests/12",
        "https://api.bitbucket.org/2.0/repositories/%7B6f2f6a0e-7b6a-4f0e-9c0b-1f2e3d4c5b6a%7D/x?topic=true&page=2",
        "https://api.bitbucket.org/2.0/repositories/o/p/commit/0123456789abcdef0123456789abcdef01234567",
        "https://bitbucket.example.com:7990/projects/ORCH/repos/apples/browse",
        "\u00c4pfel und Birnen \u2013 \u65e5\u672c\u8a9e",
    ],
)
def test_what_people_need_to_see_stays(text: str) -> None:
    assert mask(text) == text


def test_what_identifies_something_stays_where_bitbucket_puts_it() -> None:
    commit = "0123456789abcdef0123456789abcdef01234567"
    kept = {
        "hash": commit,
        "latestCommit": commit,
        "displayId": "0123456789a",
        "account_id": "557058:6f2f6a0e-7b6a-4f0e-9c0b-1f2e3d4c5b6a",
        "uuid": "{6f2f6a0e-7b6a-4f0e-9c0b-1f2e3d4c5b6a}",
        "id": 17,
        "size": 1.5,
        "is_private": True,
        "parent": None,
    }

    assert mask(kept) == kept
    assert mask({"summary": commit}) == {"summary": REDACTED}


def test_long_texts_and_lists_are_cut_without_cutting_a_token() -> None:
    token = pick(random.Random(7), ALPHANUMERIC, 40)
    text = "word " * (LONGEST_TEXT // 5 - 4) + f"at the edge {token}"

    said = mask({"readme": text, "all": list(range(100))})

    assert len(said["readme"]) <= LONGEST_TEXT
    assert said["readme"].endswith("…")
    assert not any(token[at : at + 5] in said["readme"] for at in range(35))
    assert said["all"] == list(range(LONGEST_LIST))


def test_the_object_itself_is_left_as_it_is() -> None:
    given = {"token": "abc", "list": [{"raw": "jane@example.org"}]}
    before = json.loads(json.dumps(given))

    mask(given)

    assert given == before


def _texts(value: Any, *, without: str) -> str:
    """All texts and keys in a value, apart from our own word."""
    if isinstance(value, dict):
        parts = [_texts(part, without=without) for pair in value.items() for part in pair]
    elif isinstance(value, list):
        parts = [_texts(one, without=without) for one in value]
    else:
        parts = (
            [value.replace(without, "\n") if without and isinstance(value, str) else value]
            if isinstance(value, str)
            else []
        )
    return "\n".join(parts)
