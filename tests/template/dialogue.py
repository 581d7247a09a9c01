"""A program on a terminal of its own, and somebody who answers its questions."""

from __future__ import annotations

import os
import pty
import re
import select
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

# A question is the rest of a line that ends in a colon and a blank; what Enter would take stands in brackets.
_QUESTION = re.compile(r"(?:^|\n)\s*(?P<text>[^\n]+?)(?: \[(?P<offered>[^\]\n]*)\])?: $")
_COLOURS = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
# The terminal has to be the program's own: passwords are asked for on it, whatever standard input may be.
_ON_TERMINAL = "import os, sys; os.login_tty(int(sys.argv[1])); os.execv(sys.argv[2], sys.argv[2:])"
_QUIET = 0.02
_PATIENCE = 120.0
# Beyond this the program asks the same again and again.
_MOST_QUESTIONS = 100


@dataclass(frozen=True)
class Question:
    """What was asked, what Enter would answer (None: nothing), and whether the answer cannot be seen."""

    text: str
    offered: str | None
    hidden: bool


@dataclass(frozen=True)
class Dialogue:
    """All that was asked and all that could be seen, and how the program ended."""

    questions: tuple[Question, ...]
    screen: str
    status: int


def hold(
    command: Sequence[str], answer: Callable[[Question], str], *, folder: Path, environment: Mapping[str, str]
) -> Dialogue:
    """Runs the command (an absolute path and its arguments), answering each question with a line.

    Raises TimeoutError, with what was on the screen, for a program that neither asks nor ends, or asks on and on.
    """
    ours, theirs = pty.openpty()
    program = subprocess.Popen(
        [sys.executable, "-c", _ON_TERMINAL, str(theirs), *command],
        cwd=folder,
        env=dict(environment),
        pass_fds=[theirs],
        stdin=subprocess.DEVNULL,
    )
    os.close(theirs)
    try:
        questions, screen = _converse(ours, answer)
        return Dialogue(tuple(questions), screen, program.wait(_PATIENCE))
    finally:
        program.kill()
        program.wait()
        os.close(ours)


def _converse(terminal: int, answer: Callable[[Question], str]) -> tuple[list[Question], str]:
    questions: list[Question] = []
    seen = b""
    answered = 0
    deadline = time.monotonic() + _PATIENCE
    while True:
        ready = select.select([terminal], [], [], _QUIET)[0]
        if ready:
            chunk = _read(terminal)
            if not chunk:
                return questions, _plain(seen)
            seen += chunk
            deadline = time.monotonic() + _PATIENCE
        elif match := _QUESTION.search(_plain(seen[answered:])):
            # Nothing more comes and the line is open: the program waits.
            hidden = not termios.tcgetattr(terminal)[3] & termios.ECHO
            questions.append(Question(match["text"], match["offered"], hidden))
            if len(questions) > _MOST_QUESTIONS:
                raise TimeoutError(f"it asks on and on: {_plain(seen)}")
            answered = len(seen)
            os.write(terminal, (answer(questions[-1]) + "\n").encode())
        elif time.monotonic() > deadline:
            raise TimeoutError(f"it does nothing: {_plain(seen)}")


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 65536)
    except OSError:
        # Linux says so when the program has closed its side; elsewhere the read is empty.
        return b""


def _plain(output: bytes) -> str:
    return _COLOURS.sub("", output.decode(errors="replace").replace("\r", ""))
