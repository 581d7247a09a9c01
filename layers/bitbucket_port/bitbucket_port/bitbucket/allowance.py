"""How many requests a credential may send, and when: arithmetic alone.

Bitbucket Cloud counts requests in a rolling hour ("API request limits", support.atlassian.com); the Data Center fills a
bucket at a steady rate ("Improving instance stability with rate limiting"). At most ``requests`` in any ``seconds`` is
right for both: a bucket of that size that is full again after that time never runs dry under it.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from bitbucket_port.objects import JsonObject

RESERVE = 0.1
"""The share of a limit that a resync leaves to live events."""
NEAR_LIMIT = 0.2
"""``X-RateLimit-NearLimit`` is true when less than this share is left."""
_HOUR = 3600.0
_STEPS = 60


@dataclass(frozen=True, slots=True)
class Limit:
    """At most ``requests`` in any ``seconds``."""

    requests: int
    seconds: float

    @property
    def hold(self) -> float:
        """Seconds for which requests may be taken in advance; they count that much longer."""
        return self.seconds / _STEPS

    def open_to(self, *, reserve: bool) -> int:
        """How many of the requests are there for who has to leave a reserve, or for who has not; at least one."""
        return max(1, self.requests - math.ceil(self.requests * RESERVE)) if reserve else self.requests


CLOUD = Limit(1000, _HOUR)
"""What Bitbucket Cloud documents for one user; access tokens may have more, which answers tell."""


@dataclass(frozen=True, slots=True)
class Told:
    """What an answer says about limits: ``limit`` for requests of that ``resource``, and how much of it is left."""

    resource: str
    limit: Limit
    left: int | None = None

    @classmethod
    def by(cls, headers: Mapping[str, str]) -> Told | None:
        """From an answer's headers; None when they name no limit.

        Cloud: ``X-RateLimit-Limit`` (``1000`` or ``60, 60;w=3600``), ``-Resource``, ``-NearLimit``; Data Center:
        ``X-RateLimit-Limit``, ``-Remaining``, ``-FillRate``, ``-Interval-Seconds``.
        """
        lower = {name.lower(): value for name, value in headers.items()}
        requests = _number(lower.get("x-ratelimit-limit"))
        if not requests:
            return None
        fill, interval = _number(lower.get("x-ratelimit-fillrate")), _number(lower.get("x-ratelimit-interval-seconds"))
        window = re.search(r";\s*w=(\d{1,9})", lower.get("x-ratelimit-limit", ""))
        seconds = requests * interval / fill if fill and interval else float(window[1]) if window else _HOUR
        left = _number(lower.get("x-ratelimit-remaining"))
        if left is None and lower.get("x-ratelimit-nearlimit", "").lower() == "true":
            left = int(requests * NEAR_LIMIT)
        return cls(lower.get("x-ratelimit-resource", "")[:100], Limit(requests, max(seconds, 1.0)), left)


@dataclass(frozen=True, slots=True)
class Allowance:
    """What is known of one credential. Times are epoch seconds.

    ``limits``: what answers told, by resource; the strictest counts. ``spent``: requests by the moment from which they
    count no more. ``blocked``: Bitbucket wants to hear nothing before. ``line``: the last slot that was given out.
    """

    limits: Mapping[str, Limit] = field(default_factory=dict)
    spent: Mapping[float, int] = field(default_factory=dict)
    blocked: float = 0.0
    line: float = 0.0

    def limit(self, start: Limit | None) -> Limit | None:
        """The limit that counts; ``start`` until one was told. None: there is none."""
        return min(self.limits.values(), key=lambda limit: limit.requests / limit.seconds, default=start)

    def spent_at(self, now: float) -> int:
        """How many requests count at ``now``."""
        return sum(count for until, count in self.spent.items() if until > now)

    def spend(self, count: int, limit: Limit, now: float) -> Allowance:
        """Have ``count`` more requests, to be sent within ``limit.hold``."""
        until = math.ceil(((now // limit.hold + 2) * limit.hold + limit.seconds) * 1000) / 1000
        still = {end: number for end, number in self.spent.items() if end > now}
        return replace(self, spent={**still, until: still.get(until, 0) + count})

    def corrected(self, left: int, limit: Limit, now: float) -> Allowance:
        """Somebody else uses the credential as well: Bitbucket says that only ``left`` requests are left."""
        foreign = limit.requests - self.spent_at(now) - left
        return self.spend(foreign, limit, now) if foreign > 0 else self

    def free_from(self, count: int, room: int, now: float) -> float:
        """The first moment from ``now`` on at which ``count`` more requests leave it at ``room`` at most."""
        spent = self.spent_at(now)
        moment = now
        for until, number in sorted(self.spent.items()):
            if spent + count <= room:
                break
            if until > now:
                spent, moment = spent - number, until
        return max(moment, self.blocked)

    def queue(self, count: int, limit: Limit, room: int, now: float) -> Allowance:
        """Stand in line: ``line`` is the slot. One after the other at the limit's pace, one window long.

        Those that come after the window's end are spread over it again: somebody in the line may have given up.
        """
        first = self.free_from(count, room, now)
        slot = max(first, self.line + count * limit.seconds / room)
        return replace(self, line=slot if slot < first + limit.seconds else first)

    def to_json(self) -> JsonObject:
        """As kept in a database."""
        return {
            "limits": {name: [limit.requests, limit.seconds] for name, limit in self.limits.items()},
            "spent": [[until, count] for until, count in self.spent.items()],
            "blocked": self.blocked,
            "line": self.line,
        }

    @classmethod
    def from_json(cls, value: JsonObject) -> Allowance:
        """The inverse of ``to_json``."""
        return cls(
            {name: Limit(int(requests), float(seconds)) for name, (requests, seconds) in value["limits"].items()},
            {float(until): int(count) for until, count in value["spent"]},
            float(value["blocked"]),
            float(value["line"]),
        )


def _number(text: str | None) -> int | None:
    found = re.match(r"\s*(\d{1,9})\b", text or "")
    return int(found[1]) if found else None
