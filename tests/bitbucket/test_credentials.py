"""The right Authorization header, turns between tokens, and refusals that name the setting but never the secret."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from bitbucket_port.bitbucket.credentials import UNKNOWN_PAUSE, Credentials
from bitbucket_port.errors import SettingsError
from tests.bitbucket.answering import Clock


def header(credentials: Credentials) -> str:
    return credentials.headers()["Authorization"]


def basic(pair: str) -> str:
    return "Basic " + base64.b64encode(pair.encode()).decode()


def test_a_token_alone_is_sent_as_bearer_without_the_blanks_it_was_pasted_with() -> None:
    assert header(Credentials(lambda: " \tATCTplum\n", product="cloud")) == "Bearer ATCTplum"


def test_a_user_name_makes_it_basic() -> None:
    credentials = Credentials(lambda: " ATATplum\n", product="cloud", username=" grower@example.com ")
    assert header(credentials) == basic("grower@example.com:ATATplum")


def test_a_password_on_the_data_center_may_hold_anything() -> None:
    credentials = Credentials(lambda: "plüm, pear: and ATBB", product="server", username="grower")
    assert header(credentials) == basic("grower:plüm, pear: and ATBB")


def test_a_rotated_secret_is_used_from_the_next_request_on() -> None:
    secrets = iter(["ATCTold", "ATCTnew"])
    credentials = Credentials(lambda: next(secrets), product="cloud")
    assert [header(credentials), header(credentials)] == ["Bearer ATCTold", "Bearer ATCTnew"]


def test_tokens_take_turns_when_one_is_throttled_and_the_soonest_free_is_named(clock: Clock) -> None:
    credentials = Credentials(lambda: "ATCTa, ATCTb ,,ATCTc", product="cloud", now=clock)
    assert header(credentials) == "Bearer ATCTa"
    assert credentials.throttled(3600) == 0
    assert header(credentials) == "Bearer ATCTb"
    assert credentials.throttled(1800) == 0
    assert header(credentials) == "Bearer ATCTc"
    assert credentials.throttled(2700) == 1800
    assert header(credentials) == "Bearer ATCTb"
    clock.now += 1800
    assert credentials.throttled(3600) == 900


def test_a_token_throttled_for_an_unknown_time_rests_for_a_minute(clock: Clock) -> None:
    credentials = Credentials(lambda: "ATCTa,ATCTb", product="cloud", now=clock)
    credentials.headers()
    assert credentials.throttled(None) == 0
    assert credentials.throttled(None) == UNKNOWN_PAUSE


@pytest.mark.parametrize("wait", [None, 1800.0])
def test_with_one_token_the_wait_stays_what_it_was(wait: float | None) -> None:
    credentials = Credentials(lambda: "ATCTa", product="cloud")
    credentials.headers()
    assert credentials.throttled(wait) == wait


@pytest.mark.parametrize(
    ("token", "username"),
    [
        ("ATBBplumplum", ""),
        ("ATBBplumplum", "grower"),
        ("ATBBplumplum", "grower@example.com"),
        ("ATCTgood,ATBBplumplum", ""),
        ("abcdefghij0123456789", "grower"),
    ],
)
def test_an_app_password_of_cloud_is_refused_with_the_day_they_were_removed(token: str, username: str) -> None:
    with pytest.raises(SettingsError, match="2026-07-28") as refused:
        Credentials(lambda: token, product="cloud", username=username).headers()
    assert token not in str(refused.value)


@pytest.mark.parametrize(
    ("product", "token", "username"),
    [
        ("server", "ATBBplumplum", "grower"),
        ("cloud", "abcdefghij0123456789", "grower@example.com"),
        ("cloud", "abcdefghij0123456789", ""),
    ],
)
def test_what_only_resembles_an_app_password_is_accepted(product: Any, token: str, username: str) -> None:
    assert header(Credentials(lambda: token, product=product, username=username))


@pytest.mark.parametrize("token", ["", "  \n", ",", " , "])
def test_an_empty_token_is_a_setting_to_mend(token: str) -> None:
    with pytest.raises(SettingsError, match="BitbucketToken is empty"):
        Credentials(lambda: token, product="cloud").headers()


@pytest.mark.parametrize("token", ["two words", "line\r\nX-Injected: 1", "plüm", "tab\tbed"])
def test_a_token_that_cannot_stand_in_a_header_is_refused_without_showing_it(token: str) -> None:
    with pytest.raises(SettingsError, match="pasted wrongly") as refused:
        Credentials(lambda: token, product="server").headers()
    assert token not in str(refused.value)


def test_a_user_name_with_a_colon_is_refused() -> None:
    with pytest.raises(SettingsError, match="colon"):
        Credentials(lambda: "secret", product="server", username="gro:wer").headers()
