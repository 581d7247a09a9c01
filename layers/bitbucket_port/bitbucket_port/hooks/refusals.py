"""Event keys that a server does not know: one of them fails the whole request, so it is found and left out."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence

from bitbucket_port.hooks.model import Hook
from bitbucket_port.http import RefusedError

Offered = Callable[[], frozenset[str] | None]
"""Asks which events there are; None where the server does not tell."""
Write = Callable[[Sequence[str]], Hook]
"""Makes the webhook, or changes the one it made before, to be for these events."""


class EventRefusals:
    """What a server's refusals taught. ``refused``: key → what the server said, from before; grows.

    A refusal that names one of our keys is believed, once. After one that names none the server is asked which events
    there are; where it does not tell, the refusal is only taken for being about events when the same webhook with
    fewer keys is accepted: that is tried once in the life of this object.
    """

    def __init__(self, refused: Mapping[str, str] | None = None) -> None:
        self.refused: dict[str, str] = dict(refused or {})
        self._may_probe = True

    def taken(self, keys: Sequence[str]) -> tuple[str, ...]:
        """Those of the keys that were not refused."""
        return tuple(key for key in keys if key not in self.refused)

    def write(self, keys: Sequence[str], write: Write, offered: Offered = lambda: None) -> Hook | None:
        """The webhook for all keys that the server takes; None when it takes none. Raises RefusedError otherwise."""
        before = ""
        while kept := self.taken(keys):
            try:
                return write(kept)
            except RefusedError as error:
                named = named_key(str(error), kept)
                if error.status not in {400, 409, 422}:
                    raise
                if named is not None and str(error) != before:
                    self.refused[named] = str(error)
                elif not self._is_told(kept, offered, error):
                    return self._found_out(keys, write, error)
                before = str(error)
        return None

    def _is_told(self, keys: Sequence[str], offered: Offered, error: RefusedError) -> bool:
        """Whether the server's list of events leaves out any of these; raises ``error`` when it lists them all."""
        there_are = offered()
        if there_are is None:
            return False
        missing = [key for key in keys if key not in there_are]
        if not missing:
            raise error
        self.refused |= dict.fromkeys(missing, "not among the events that the server lists")
        return True

    def _found_out(self, keys: Sequence[str], write: Write, error: RefusedError) -> Hook:
        """Add key by key to what is accepted; raises ``error`` when not even one is, for then it is about the rest."""
        if not self._may_probe:
            raise error
        self._may_probe = False
        for key in keys:
            self.refused.pop(key, None)
        accepted: list[str] = []
        hook: Hook | None = None
        refused: dict[str, str] = {}
        for key in keys:
            try:
                hook = write([*accepted, key])
            except RefusedError as refusal:
                refused[key] = str(refusal)
            else:
                accepted.append(key)
        if hook is None:
            raise error
        self.refused |= refused
        return hook


def named_key(text: str, keys: Sequence[str]) -> str | None:
    """The first of the keys that a text names, as a word of its own."""
    places = ((re.search(rf"(?<![\w:]){re.escape(key)}(?!\w|:\w)", text), key) for key in keys)
    found = [(place.start(), key) for place, key in places if place]
    return min(found)[1] if found else None
