"""When a schedule of EventBridge Scheduler fires: ``rate(5 minutes)``, ``cron(0 6 ? * MON-FRI *)``, ``at(...)``.

Facts: EventBridge Scheduler User Guide, "Schedule types". A rate without a start date fires at once and then at its
interval; of cron's day of month and day of week one is ``?``.
"""

from __future__ import annotations

import calendar
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

Next = Callable[[float], float | None]
"""The first moment at or after this one (epoch seconds); None when there is none any more."""

_UNITS = {"minute": 60, "hour": 3600, "day": 86400}
_MONTHS = {name.upper(): number for number, name in enumerate(calendar.month_abbr) if name}
_DAYS = {name.upper(): (number + 1) % 7 + 1 for number, name in enumerate(calendar.day_abbr)}  # Sunday is 1.
_YEARS_AHEAD = 5


def schedule(expression: str, *, timezone: str, start: float) -> Next:
    """What an expression means for a schedule that starts at this moment.

    Raises ValueError for what AWS refuses and NotImplementedError for ``L``, ``W`` and ``#`` in cron.
    """
    match = re.fullmatch(r"(rate|cron|at)\((.*)\)", expression)
    if match is None:
        raise ValueError(f"{expression!r} is no schedule expression")
    kind, argument = match.groups()
    zone = ZoneInfo(timezone)
    if kind == "rate":
        return _rate(argument, start)
    if kind == "at":
        moment = datetime.strptime(argument, "%Y-%m-%dT%H:%M:%S").replace(tzinfo=zone).timestamp()
        return lambda now: moment if now <= moment else None
    return _cron(argument, zone)


def _rate(argument: str, start: float) -> Next:
    match = re.fullmatch(r"([1-9]\d*) (minute|hour|day)s?", argument)
    if match is None:
        raise ValueError(f"rate({argument}) is no rate: it wants a positive number of minutes, hours or days")
    interval = int(match.group(1)) * _UNITS[match.group(2)]

    def following(now: float) -> float:
        passed = max(0, -int((start - now) // interval)) if now > start else 0
        return start + passed * interval

    return following


def _cron(argument: str, zone: ZoneInfo) -> Next:
    fields = argument.split()
    if len(fields) != 6:
        raise ValueError(f"cron({argument}) has {len(fields)} fields instead of six")
    if (fields[2] == "?") == (fields[4] == "?"):
        raise ValueError(f"cron({argument}): one of day of month and day of week is ?, the other is not")
    minutes, hours = _field(fields[0], 0, 59, {}), _field(fields[1], 0, 23, {})
    days, months = _field(fields[2], 1, 31, {}), _field(fields[3], 1, 12, _MONTHS)
    weekdays, years = _field(fields[4], 1, 7, _DAYS), _field(fields[5], 1970, 2199, {})

    def following(now: float) -> float | None:
        day = datetime.fromtimestamp(now, zone).replace(hour=0, minute=0, second=0, microsecond=0, tzinfo=None)
        for _ in range(366 * _YEARS_AHEAD):
            weekday = day.isoweekday() % 7 + 1  # Sunday is 1.
            if day.year in years and day.month in months and day.day in days and weekday in weekdays:
                for hour in sorted(hours):
                    for minute in sorted(minutes):
                        moment = day.replace(hour=hour, minute=minute, tzinfo=zone)
                        # An hour that the change to summer time leaves out does not exist.
                        exists = moment.astimezone(UTC).astimezone(zone).hour == hour
                        if exists and moment.timestamp() >= now:
                            return moment.timestamp()
            day += timedelta(days=1)
        return None

    return following


def _field(text: str, least: int, most: int, names: dict[str, int]) -> frozenset[int]:
    """The numbers that one field of a cron expression stands for."""
    if re.search(r"[LW#]", re.sub(r"[A-Z]{3}", "", text)):
        raise NotImplementedError(f"the local stack does not know {text} in a cron expression")
    found: set[int] = set()
    for part in text.split(","):
        span, _, step = part.partition("/")
        first, _, last = span.partition("-")
        if span in ("*", "?"):
            low, high = least, most
        else:
            low = names.get(first) or int(first)
            high = (names.get(last) or int(last)) if last else (most if step else low)
        if not (least <= low <= high <= most) or (step and int(step) < 1):
            raise ValueError(f"{text!r} is not between {least} and {most}")
        found.update(range(low, high + 1, int(step or 1)))
    return frozenset(found)
