"""What versions of Bitbucket Data Center have and lack, as far as integrations notice.

Webhooks of a project, and with them ``project:modified``, are in Atlassian's pages from 8.9 on and not in those of 8.7;
that 8.8 has them is what Port's own integration goes by. Archived repositories came with 8.0, secret scanning with 8.3,
draft pull requests with 8.18, times as text in webhooks with 10.0.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from local.standins.server.serialise import Style

_ALWAYS = (
    "mirror:repo_synchronized",
    "pr:comment:added",
    "pr:comment:deleted",
    "pr:comment:edited",
    "pr:declined",
    "pr:deleted",
    "pr:from_ref_updated",
    "pr:merged",
    "pr:modified",
    "pr:opened",
    "pr:reviewer:approved",
    "pr:reviewer:needs_work",
    "pr:reviewer:unapproved",
    "pr:reviewer:updated",
    "repo:comment:added",
    "repo:comment:deleted",
    "repo:comment:edited",
    "repo:forked",
    "repo:modified",
    "repo:refs_changed",
)
"""With the two below what a running 10.x server accepts; one unknown key fails the whole request."""


def numbers(version: str) -> tuple[int, ...]:
    """``8.19.3`` as at least three numbers; what is behind them (``-rc1``) is left out. ValueError without any."""
    found = re.match(r"\d+(\.\d+)*", version)
    if found is None:
        raise ValueError(f"{version!r} is no version")
    release = tuple(int(part) for part in found[0].split("."))
    return release + (0,) * (3 - len(release))


@dataclass(frozen=True, slots=True)
class Features:
    """What one version has."""

    project_hooks: bool
    archiving: bool
    drafts: bool
    iso_times: bool
    events: tuple[str, ...]

    @classmethod
    def of(cls, version: str) -> Features:
        """What a version such as ``8.7`` or ``10.2.0`` has."""
        release = numbers(version)
        project_hooks = release >= (8, 8)
        events = list(_ALWAYS)
        if project_hooks:
            events.append("project:modified")
        if release >= (8, 3):
            events.append("repo:secret_detected")
        return cls(project_hooks, release >= (8, 0), release >= (8, 18), release >= (10, 0), tuple(events))

    def apply_to(self, style: Style) -> None:
        """Have objects and webhooks written as this version writes them."""
        style.archiving, style.drafts, style.iso_times = self.archiving, self.drafts, self.iso_times
