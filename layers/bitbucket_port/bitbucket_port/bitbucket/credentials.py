"""The credential sent to Bitbucket: Bearer, Basic, or several access tokens that take turns.

Prefixes of Atlassian's tokens, as its staff confirmed in the community in August 2025: access tokens ``ATCT``, API
tokens ``ATAT``, app passwords ``ATBB``.
"""

from __future__ import annotations

import base64
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from bitbucket_port.bitbucket.budget import UNKNOWN_PAUSE, Budget
from bitbucket_port.errors import SettingsError, TransientError
from bitbucket_port.objects import Product, digest

APP_PASSWORDS_REMOVED = "2026-07-28"


@dataclass(slots=True)
class _Token:
    """One Authorization header and the time (epoch seconds) before which it is not worth sending."""

    authorization: str
    budget: Budget | None = None
    rests_until: float = 0.0


class Credentials:
    """Gives the headers of a request to Bitbucket and changes to the next token when one is throttled.

    ``token`` is asked before every request, so a secret that was rotated is used as soon as its reader notices; caching
    is the reader's business. Without ``username`` the token is sent as Bearer and may be several, separated by commas:
    each has its own allowance. With ``username`` it is a password or API token, sent as Basic, in which a comma is a
    comma. Raises SettingsError when the token cannot work; no text ever shows any part of it.

    ``budgets`` gives the budget of a credential by its name: every request is taken from one first, from that of the
    next token where the first has nothing left. ``reserve``, asked with each: whether to leave some to live events.
    """

    def __init__(
        self,
        token: Callable[[], str],
        *,
        product: Product,
        username: str = "",
        budgets: Callable[[str], Budget] | None = None,
        reserve: Callable[[], bool] | None = None,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._read = token
        self._product = product
        self._username = username.strip()
        self._budgets = budgets
        self._reserve = reserve
        self._now = now
        self._text: str | None = None
        self._tokens: list[_Token] = []
        self._current = 0

    def headers(self) -> dict[str, str]:
        """The Authorization header of the token whose turn it is, for one request.

        Raises TransientError with the time of the first slot when no token may send one now.
        """
        text = self._read().strip()
        if text != self._text:
            self._tokens = [_Token(value, self._budget_of(value)) for value in self._authorizations(text)]
            self._text = text
            self._current = 0
        self._take()
        return {"Authorization": self._tokens[self._current].authorization}

    def budget_names(self) -> list[str]:
        """The names of the budgets of the tokens there are now, as ``budgets`` is asked for them."""
        return [self._budget_name(value) for value in self._authorizations(self._read().strip())]

    def _budget_of(self, authorization: str) -> Budget | None:
        return None if self._budgets is None else self._budgets(self._budget_name(authorization))

    def _budget_name(self, authorization: str) -> str:
        """Bitbucket counts by user or access token. A password is short enough to be guessed from its digest."""
        return digest(self._username or authorization)

    def _take(self) -> None:
        """Turn to the first token that may send a request now, beginning with the one whose turn it is."""
        soonest: TransientError | None = None
        for position in self._in_turn(0):
            token = self._tokens[position]
            if token.rests_until > self._now() and position != self._current:
                continue
            try:
                if token.budget:
                    token.budget.take(reserve=self._reserve is not None and self._reserve())
            except TransientError as error:
                if error.retry_after is None:
                    raise
                if soonest is None or error.retry_after < (soonest.retry_after or 0):
                    soonest = error
            else:
                self._current = position
                return
        if soonest:
            raise soonest

    def _in_turn(self, first: int) -> list[int]:
        return [(self._current + step) % len(self._tokens) for step in range(first, first + len(self._tokens))]

    def answered(self, headers: Mapping[str, str], status: int) -> None:
        """Let the current token's budget learn from an answer."""
        budget = self._tokens[self._current].budget
        if budget:
            budget.learned(headers, status)

    def throttled(self, wait: float | None) -> float | None:
        """Bitbucket refused the current token for ``wait`` seconds (None: it did not say).

        Returns 0 when another token is in place now, else the seconds until the first of them may be used again.
        """
        if len(self._tokens) < 2:
            return UNKNOWN_PAUSE if wait is None and self._budgets else wait
        now = self._now()
        self._tokens[self._current].rests_until = now + (UNKNOWN_PAUSE if wait is None else wait)
        self._current = min(self._in_turn(1), key=lambda position: max(self._tokens[position].rests_until - now, 0.0))
        return max(self._tokens[self._current].rests_until - now, 0.0)

    def _authorizations(self, text: str) -> list[str]:
        tokens = [text] if self._username else [part.strip() for part in text.split(",") if part.strip()]
        if not tokens or not tokens[0]:
            raise SettingsError("BitbucketToken is empty: give an access token, or a user name and its API token")
        for token in tokens:
            self._check(token)
        if not self._username:
            return [f"Bearer {token}" for token in tokens]
        pair = base64.b64encode(f"{self._username}:{tokens[0]}".encode()).decode()
        return [f"Basic {pair}"]

    def _check(self, token: str) -> None:
        if self._product == "cloud" and self._looks_like_app_password(token):
            raise SettingsError(
                f"BitbucketToken looks like an app password; Atlassian removed those on {APP_PASSWORDS_REMOVED}. Use a "
                "workspace access token, or an API token with BitbucketUsername set to the account's e-mail address"
            )
        if ":" in self._username:
            raise SettingsError("BitbucketUsername contains a colon, which no user name can")
        if not self._username and not (token.isascii() and token.isprintable() and " " not in token):
            raise SettingsError("BitbucketToken contains characters that no token has: it was probably pasted wrongly")

    def _looks_like_app_password(self, token: str) -> bool:
        """By its prefix; or, for those made before there was one, 20 letters and digits next to a plain user name."""
        old_style = len(token) == 20 and token.isascii() and token.isalnum()
        return token.startswith("ATBB") or (old_style and bool(self._username) and "@" not in self._username)
