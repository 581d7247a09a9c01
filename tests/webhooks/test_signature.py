"""Only the exact signature of exactly these bytes is accepted."""

from __future__ import annotations

import hashlib
import hmac

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bitbucket_port.webhooks.signature import sign, verify

BODY = b'{"test": true}'


def test_a_signature_is_the_documented_hmac_of_the_raw_bytes() -> None:
    expected = hmac.new("clé".encode(), BODY, hashlib.sha256).hexdigest()
    assert sign(BODY, "clé") == f"sha256={expected}"


@given(body=st.binary(max_size=200), secret=st.text(min_size=1, max_size=128).filter(lambda text: text.isprintable()))
def test_what_was_signed_verifies(body: bytes, secret: str) -> None:
    assert verify(body, sign(body, secret), [secret])


@given(body=st.binary(min_size=1, max_size=200), position=st.integers(min_value=0), bit=st.integers(0, 7))
def test_a_body_changed_by_one_bit_is_refused(body: bytes, position: int, bit: int) -> None:
    changed = bytearray(body)
    changed[position % len(body)] ^= 1 << bit
    assert not verify(bytes(changed), sign(body, "secret"), ["secret"])


RIGHT = sign(BODY, "secret")


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        "sha256=",
        RIGHT[:-1],
        RIGHT + "0",
        RIGHT.upper(),
        "sha256=" + RIGHT.removeprefix("sha256=").upper(),
        RIGHT.removeprefix("sha256="),
        RIGHT.replace("sha256", "sha1"),
        f" {RIGHT}",
        f"{RIGHT}\n",
        f"{RIGHT},{RIGHT}",
        "sha256=" + "é" * 64,
        "sha256=" + "٣" * 64,
    ],
)
def test_anything_but_the_exact_form_is_refused(header: str | None) -> None:
    assert not verify(BODY, header, ["secret"])


def test_any_of_several_secrets_will_do() -> None:
    assert verify(BODY, RIGHT, ["another", "secret"])


def test_without_a_secret_nothing_verifies() -> None:
    assert not verify(BODY, RIGHT, [])


def test_an_empty_secret_verifies_nothing() -> None:
    assert not verify(BODY, sign(BODY, ""), [""])
