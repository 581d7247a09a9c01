"""Whether the stack still wants to be set up: calls come twice and late, also after the stack was told to go.

CloudFormation calls asynchronously, and Lambda repeats a call that failed after one and after two minutes. Such a
repetition of a creation that was given up must not bring back what the deletion after it removed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bitbucket_port.reading import Notes

_NOTE = "set-up life"


class Life:
    """Kept in the ledger. Every method raises TransientError when that cannot be reached."""

    def __init__(self, notes: Notes) -> None:
        self._notes = notes

    def goes_on(self, request: str) -> bool:
        """Set about a creation or update; False when this very request was begun before the stack was removed."""
        noted = self._notes.noted(_NOTE)
        if noted.get("removed") and noted.get("request") == request:
            return False
        if noted.get("removed") or noted.get("request") != request:
            self._notes.note(_NOTE, {"request": request, "removed": ""})
        return True

    def end(self) -> None:
        """The stack goes: nothing is set up any more until another request comes."""
        self._notes.note(_NOTE, {"request": self._notes.noted(_NOTE).get("request", ""), "removed": "yes"})

    def is_over(self) -> bool:
        """Whether the stack was told to go."""
        return bool(self._notes.noted(_NOTE).get("removed"))
