"""The right Authorization header, turns between tokens, and refusals that name the setting but never the secret."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from bitbucket_port.bitbucket.budget import UNKNOWN_PAUSE, Budget, Budgets, MemoryBudgetStore
from bitbucket_port.bitbucket.credentials import Credentials
from bitbucket_port.errors import SettingsError, TransientError
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


def test_every_request_is_taken_from_the_budget_of_the_token_it_is_sent_with(clock: Clock) -> None:
    budgets = Budgets(MemoryBudgetStore(), "cloud", now=clock)
    credentials = Credentials(
        lambda: "ATCTa,ATCTb", product="cloud", budgets=budgets.of, reserve=lambda: True, now=clock
    )
    sent = [header(credentials) for _ in range(1800)]
    assert sent == ["Bearer ATCTa"] * 900 + ["Bearer ATCTb"] * 900
    with pytest.raises(TransientError) as refused:
        credentials.headers()
    assert refused.value.retry_after is not None
    assert 3600 <= refused.value.retry_after <= 3720


def test_a_throttled_token_rests_for_all_who_use_it(clock: Clock) -> None:
    budgets = [Budgets(store, "cloud", now=clock) for store in [MemoryBudgetStore()] for _ in range(2)]
    first, second = (Credentials(lambda: "ATCTa,ATCTb", product="cloud", budgets=one.of, now=clock) for one in budgets)
    assert header(first) == "Bearer ATCTa"
    first.answered({"retry-after": "600"}, 429)
    assert first.throttled(600) == 0
    assert header(first) == header(second) == "Bearer ATCTb"
    clock.now += 600
    first.answered({"retry-after": "600"}, 429)
    assert first.throttled(600) == 0
    assert header(first) == "Bearer ATCTa"


def test_a_single_token_throttled_for_an_unknown_time_has_a_slot_as_well(clock: Clock) -> None:
    budgets = Budgets(MemoryBudgetStore(), "cloud", now=clock)
    credentials = Credentials(lambda: "ATCTa", product="cloud", budgets=budgets.of, now=clock)
    credentials.headers()
    credentials.answered({}, 429)
    assert credentials.throttled(None) == UNKNOWN_PAUSE
    with pytest.raises(TransientError) as refused:
        credentials.headers()
    assert refused.value.retry_after == UNKNOWN_PAUSE


def test_no_credential_can_be_read_from_the_name_of_its_budget(clock: Clock) -> None:
    names: list[str] = []
    budgets = Budgets(MemoryBudgetStore(), "cloud", now=clock)

    def of(name: str) -> Budget:
        names.append(name)
        return budgets.of(name)

    header(Credentials(lambda: "ATCTplum", product="cloud", budgets=of, now=clock))
    header(Credentials(lambda: "plum", product="server", username="grower", budgets=of, now=clock))
    header(Credentials(lambda: "pear", product="server", username="grower", budgets=of, now=clock))
    assert not any(secret in name for name in names for secret in ("plum", "pear", "grower"))
    assert names[0] != names[1] == names[2]
