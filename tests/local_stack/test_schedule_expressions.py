"""When schedules fire."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import islice

import pytest

from local.schedule_expressions import Next, schedule


def moment(text: str) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


def moments(following: Next, start: float, count: int) -> list[str]:
    """The first moments from this one on, as text."""

    def each() -> list[float]:
        found: list[float] = []
        now = start
        while len(found) < count and (next_one := following(now)) is not None:
            found.append(next_one)
            now = next_one + 1
        return found

    return [datetime.fromtimestamp(one, UTC).strftime("%Y-%m-%d %H:%M") for one in islice(each(), count)]


START = moment("2026-02-27T10:20:00")


@pytest.mark.parametrize(
    ("expression", "wanted"),
    [
        ("rate(1 minute)", ["2026-02-27 10:20", "2026-02-27 10:21", "2026-02-27 10:22"]),
        ("rate(36 hours)", ["2026-02-27 10:20", "2026-02-28 22:20", "2026-03-02 10:20"]),
        ("rate(2 days)", ["2026-02-27 10:20", "2026-03-01 10:20", "2026-03-03 10:20"]),
        ("cron(0 6 * * ? *)", ["2026-02-28 06:00", "2026-03-01 06:00", "2026-03-02 06:00"]),
        ("cron(15,45 8-9 ? * MON-FRI *)", ["2026-03-02 08:15", "2026-03-02 08:45", "2026-03-02 09:15"]),
        ("cron(0/20 10 * * ? *)", ["2026-02-27 10:20", "2026-02-27 10:40", "2026-02-28 10:00"]),
        ("cron(0 0 29 FEB ? *)", ["2028-02-29 00:00"]),
        ("cron(0 12 ? * 1 2026)", ["2026-03-01 12:00", "2026-03-08 12:00", "2026-03-15 12:00"]),
        ("at(2026-03-01T09:30:00)", ["2026-03-01 09:30"]),
        ("at(2026-01-01T09:30:00)", []),
    ],
)
def test_an_expression_means_these_moments(expression: str, wanted: list[str]) -> None:
    following = schedule(expression, timezone="UTC", start=START)
    assert moments(following, START, len(wanted) or 1) == wanted


def test_a_rate_keeps_its_step_however_late_one_looks() -> None:
    following = schedule("rate(10 minutes)", timezone="UTC", start=START)
    assert following(START + 601) == START + 1200
    assert following(START + 600) == START + 600
    assert following(START - 5000) == START


def test_the_time_of_day_is_that_of_the_time_zone_in_summer_and_winter() -> None:
    following = schedule("cron(30 2 * * ? *)", timezone="Europe/Berlin", start=START)
    assert moments(following, moment("2026-03-28T00:00:00"), 3) == [
        "2026-03-28 01:30",
        # On the 29th the clocks go from two to three: there is no half past two.
        "2026-03-30 00:30",
        "2026-03-31 00:30",
    ]


@pytest.mark.parametrize(
    "expression",
    [
        "rate(0 minutes)",
        "rate(-1 hours)",
        "rate(5 seconds)",
        "every hour",
        "cron(0 6 * * *)",
        "cron(0 6 * * * *)",
        "cron(0 6 ? * ? *)",
        "cron(60 6 * * ? *)",
        "cron(0 6 * 13 ? *)",
        "at(tomorrow)",
    ],
)
def test_what_aws_refuses_is_refused(expression: str) -> None:
    with pytest.raises(ValueError):
        schedule(expression, timezone="UTC", start=START)


@pytest.mark.parametrize("field", ["L", "15W"])
def test_what_is_not_understood_is_said(field: str) -> None:
    with pytest.raises(NotImplementedError, match=field):
        schedule(f"cron(0 6 {field} * ? *)", timezone="UTC", start=START)
