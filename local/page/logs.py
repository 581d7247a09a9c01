"""The functions' log files, read as they grow."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from local.page.watched import Json

_TIMESTAMP = "%Y-%m-%d %H:%M:%S,%f%z"
"""As the Logger of Powertools for AWS Lambda (Python) writes it by default ("Standard structured keys")."""


@dataclass(frozen=True, slots=True)
class LogLine:
    """One structured line: which function wrote it, when (epoch seconds, simulated), and its fields."""

    function: str
    at: float
    fields: Json


class LogFiles:
    """The ``*.log`` files of a folder; each line is told once."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._read: dict[Path, int] = {}

    def new_lines(self) -> list[LogLine]:
        """The structured lines that came since the last call, in the order of their times."""
        found = [line for path in sorted(self._folder.glob("*.log")) for line in self._of(path)]
        return sorted(found, key=lambda line: line.at)

    def _of(self, path: Path) -> list[LogLine]:
        offset = self._read.get(path, 0)
        try:
            size = path.stat().st_size
            if size == offset:
                return []
            with path.open("rb") as file:
                file.seek(offset if offset < size else 0)  # Shorter than it was: it began anew.
                text = file.read()
                start = file.tell() - len(text)
        except FileNotFoundError:
            return []  # The stack is just being removed.
        complete = text.rpartition(b"\n")[0]
        self._read[path] = start + len(complete) + (1 if complete else 0)
        lines = (_parsed(path.stem, line) for line in complete.split(b"\n"))
        return [line for line in lines if line is not None]


def _parsed(function: str, line: bytes) -> LogLine | None:
    """None for what is not a line of the logger: metrics, and what Lambda itself writes."""
    try:
        fields = json.loads(line)
        if not isinstance(fields, dict) or "message" not in fields:
            return None
        at = datetime.strptime(str(fields["timestamp"]), _TIMESTAMP).timestamp()
    except (ValueError, KeyError):
        return None
    return LogLine(function, at, fields)
