"""Just enough of git for the Bitbucket stand-ins: commits with whole snapshots, branches, tags, merges."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Generic, TypeVar

UserT = TypeVar("UserT")
NO_COMMIT = "0" * 40
"""How Data Center writes "this ref did not exist"."""


@dataclass(frozen=True)
class Commit(Generic[UserT]):
    """A commit; ``files`` is the whole tree, path to text."""

    hash: str
    message: str
    author: UserT
    date: datetime
    parents: tuple[str, ...]
    files: Mapping[str, str]


@dataclass(frozen=True)
class RefChange:
    """A ref that moved: ``old`` is None when it was made, ``new`` is None when it was removed."""

    name: str
    kind: str  # "branch" or "tag"
    old: str | None
    new: str | None


@dataclass
class Git(Generic[UserT]):
    """One repository's history."""

    commits: dict[str, Commit[UserT]] = field(default_factory=dict)
    branches: dict[str, str] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)

    def commit(
        self,
        branch: str,
        changes: Mapping[str, str | None],
        *,
        author: UserT,
        message: str,
        when: datetime,
        start: str | None = None,
    ) -> RefChange:
        """Commit on a branch, made from commit ``start`` where it does not exist; a text of None removes the file."""
        old = self.branches.get(branch)
        parent = old or start
        files = dict(self.commits[parent].files) if parent else {}
        for path, text in changes.items():
            if text is None:
                files.pop(path, None)
            else:
                files[path] = text
        made = self._add(message, author, when, (parent,) if parent else (), files)
        self.branches[branch] = made.hash
        return RefChange(branch, "branch", old, made.hash)

    def merge(self, source: str, into: str, *, author: UserT, message: str, when: datetime) -> RefChange:
        """Merge commit ``source`` into a branch; on a conflict the source wins."""
        old = self.branches[into]
        files = {**self.commits[old].files, **self.commits[source].files}
        made = self._add(message, author, when, (old, source), files)
        self.branches[into] = made.hash
        return RefChange(into, "branch", old, made.hash)

    def resolve(self, revision: str) -> Commit[UserT] | None:
        """The commit a branch, tag, ``refs/…`` name, hash or prefix of at least seven digits stands for."""
        name = revision.removeprefix("refs/heads/").removeprefix("refs/tags/")
        known = self.branches.get(name) or self.tags.get(name)
        if known is not None:
            return self.commits[known]
        if len(revision) >= 7:
            return next((commit for digits, commit in self.commits.items() if digits.startswith(revision)), None)
        return None

    def log(self, head: str, since: str | None = None) -> list[Commit[UserT]]:
        """The commit and its ancestors, newest first, without commit ``since`` and its ancestors."""
        wanted = self._reachable(head) - (self._reachable(since) if since else set())
        return [commit for digits, commit in reversed(self.commits.items()) if digits in wanted]

    def _reachable(self, head: str) -> set[str]:
        seen: set[str] = set()
        waiting = [head]
        while waiting:
            digits = waiting.pop()
            if digits not in seen:
                seen.add(digits)
                waiting.extend(self.commits[digits].parents)
        return seen

    def copy(self) -> Git[UserT]:
        """A fork's own copy."""
        return Git(dict(self.commits), dict(self.branches), dict(self.tags))

    def _add(
        self, message: str, author: UserT, when: datetime, parents: tuple[str, ...], files: Mapping[str, str]
    ) -> Commit[UserT]:
        text = json.dumps([message, when.isoformat(), parents, sorted(files.items()), len(self.commits)])
        digits = hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()
        made = Commit(digits, message, author, when, parents, files)
        self.commits[digits] = made
        return made
