"""As much of Groovy as a declarative Jenkinsfile consists of: blocks, and lines in them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

_TOKEN = re.compile(
    r"""(?P<comment>//[^\n]*)|(?P<text>'(?:\\.|[^'\\\n])*'|"(?:\\.|[^"\\\n])*")|(?P<open>\{)|(?P<close>\})"""
    r"""|(?P<line>\n)|(?P<rest>[^'"{}\n/]+|/)""",
)
_CALL = re.compile(r"(\w+)[ (]\s*'([^']*)'\)?")


@dataclass(frozen=True)
class Call:
    """``sh 'text'`` or ``cron('text')``."""

    name: str
    text: str


@dataclass
class Block:
    """``name { lines and blocks }``; the file itself has no name."""

    name: str = ""
    lines: list[str] = field(default_factory=list)
    blocks: list[Block] = field(default_factory=list)

    def block(self, name: str) -> Block:
        """The block of that name right below; KeyError when there is none."""
        for one in self.blocks:
            if one.name == name:
                return one
        raise KeyError(name)

    def calls(self, name: str) -> Iterator[Call]:
        """Calls of a step with one text, here and below."""
        for line in self.lines:
            found = _CALL.fullmatch(line)
            if found and found[1] == name:
                yield Call(name, found[2])
        for one in self.blocks:
            yield from one.calls(name)


def read(text: str) -> Block:
    """The blocks of a file; raises ValueError with the line for brackets or quotes that do not match."""
    whole = Block()
    open_blocks, line, position, pending = [whole], 1, 0, ""
    while position < len(text):
        token = _TOKEN.match(text, position)
        if token is None:
            raise ValueError(f"line {line}: a quote that is not closed")
        position = token.end()
        if token.lastgroup == "open":
            block = Block(pending.strip())
            open_blocks[-1].blocks.append(block)
            open_blocks.append(block)
            pending = ""
        elif token.lastgroup in ("close", "line"):
            if pending.strip():
                open_blocks[-1].lines.append(pending.strip())
            pending = ""
            if token.lastgroup == "close":
                if len(open_blocks) == 1:
                    raise ValueError(f"line {line}: a bracket that was never opened")
                open_blocks.pop()
            line += token.lastgroup == "line"
        elif token.lastgroup != "comment":
            pending += token.group()
    if len(open_blocks) > 1:
        raise ValueError(f"line {line}: {open_blocks[-1].name} is not closed")
    return whole
