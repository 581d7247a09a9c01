"""Which objects a resource is about: one predicate for live events and resyncs."""

from __future__ import annotations

from dataclasses import dataclass

from bitbucket_port.objects import Kind


@dataclass(frozen=True, slots=True)
class Question:
    """What only Bitbucket Cloud can answer about one object.

    ``kind`` is ``repository``: is the repository in ``GET /repositories/{workspace}?role=<role>&q=(<q>) AND uuid=…``;
    or ``pull-request``: is the pull request in its repository's list with ``q=(<q>) AND id=<number>``.
    ``repository`` is the ``{uuid}`` where the object tells it, ``slug`` the last part of its full name.
    """

    kind: Kind
    repository: str | None = None
    slug: str | None = None
    project: str | None = None
    number: int | None = None
    role: str | None = None
    q: str | None = None

    @property
    def params(self) -> dict[str, str]:
        """The query parameters ``role`` and ``q``, as far as they are part of the question."""
        pairs = {"role": self.role, "q": self.q}
        return {name: value for name, value in pairs.items() if value is not None}
