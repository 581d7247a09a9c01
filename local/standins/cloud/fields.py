"""Bitbucket Cloud's ``fields`` parameter: which parts of an answer are sent (developer.atlassian.com, Partial
responses).

``a,b.c`` sends only those, ``-a`` sends the default without it, ``+a`` adds what is not sent by default. A raw ``+``
in a URL is a space; such a parameter means nothing to Bitbucket, and the stand-in refuses it.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any

from local.standins.http import Refused

Path = tuple[str, ...]
_ITEM = re.compile(r"[+-]?[A-Za-z_*][A-Za-z0-9_]*(\.[A-Za-z_*][A-Za-z0-9_]*)*")


def select(document: Any, expression: str | None, hidden: Collection[str] = ()) -> Any:
    """The part of the document that is sent; ``hidden`` are the dotted paths sent only when asked for by name."""
    selection = _Selection([tuple(path.split(".")) for path in hidden])
    for item in expression.split(",") if expression else ():
        if not _ITEM.fullmatch(item):
            raise Refused(400, f"fields: {item!r} is not a field (is a + encoded as %2B?)")
        target = {"+": selection.added, "-": selection.removed}.get(item[0], selection.only)
        target.append(tuple(item.lstrip("+-").split(".")))
    return selection.prune(document, ())


@dataclass
class _Selection:
    hidden: list[Path]
    only: list[Path] = field(default_factory=list)
    added: list[Path] = field(default_factory=list)
    removed: list[Path] = field(default_factory=list)
    sent: dict[Path, bool] = field(default_factory=dict)

    def prune(self, node: Any, path: Path) -> Any:
        """The part of a node that is sent."""
        if isinstance(node, list):
            return [self.prune(item, path) for item in node]
        if not isinstance(node, dict):
            return node
        return {name: self.prune(value, (*path, name)) for name, value in node.items() if self._sends((*path, name))}

    def _sends(self, path: Path) -> bool:
        if path not in self.sent:  # All items of a list have the same paths.
            self.sent[path] = self._is_sent(path)
        return self.sent[path]

    def _is_sent(self, path: Path) -> bool:
        if any(_begins(path, gone) for gone in self.removed):
            return False
        asked = [wanted for wanted in (*self.only, *self.added) if _begins(path, wanted) or _begins(wanted, path)]
        secret = next((secret for secret in self.hidden if _begins(path, secret)), None)
        if secret is not None:
            return any(len(wanted) >= len(secret) for wanted in asked)
        return bool(asked) if self.only else True


def _begins(path: Path, start: Path) -> bool:
    return len(start) <= len(path) and all(
        step in ("*", name) or name == "*" for step, name in zip(start, path, strict=False)
    )
