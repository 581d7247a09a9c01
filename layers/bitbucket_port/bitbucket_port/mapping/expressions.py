"""Checks that expressions are jq, and mends the single quotes YAML authors like to write."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

import jq

from bitbucket_port.mapping.program import all_together, standing_alone


@dataclass(frozen=True, slots=True)
class Checked:
    """An expression as it will run, or the reason why it cannot."""

    expression: str
    fault: str | None = None


def check(expressions: Iterable[str]) -> dict[str, Checked]:
    """Every given expression with the form in which it compiles, or jq's own words about why it does not.

    Compiling costs 1.5 ms each time, hardly more for many expressions at once, and mappings are nearly always right:
    so all are tried together first, and one by one only when that fails.
    """
    distinct = list(dict.fromkeys(expressions))
    together = [expression for expression in distinct if _plainly_balanced(expression)]
    if together and compile_fault(all_together(together)) is None:
        known = {expression: Checked(expression) for expression in together}
    else:
        known = {}
    return {expression: known.get(expression) or _check_alone(expression) for expression in distinct}


def compile_fault(program: str) -> str | None:
    """What jq says against ``program``, without the place (a place in our own text); None when it compiles."""
    try:
        jq.compile(program)
    except ValueError as error:
        first_line = str(error).strip().splitlines()[0] if str(error).strip() else "it does not compile"
        reason = re.sub(r"\s+at <[^>]*>.*$", "", first_line.removeprefix("jq: error: "))
        return re.sub(r"\s*\((?:Unix|Windows).*$", "", reason).rstrip(".:")
    return None


def rewrite_single_quotes(expression: str) -> str:
    """The expression with every ``'text'`` outside double quotes and comments written as ``"text"``.

    Ocean documents single-quoted strings, which jq does not have. Call it only for what does not compile: in a valid
    program every single quote stands inside a string or a comment and means itself.
    """
    pattern = r'"(?:[^"\\]|\\.)*"|#[^\n]*|' + r"'((?:[^'\\]|\\.)*)'"
    return re.sub(pattern, _double_quoted, expression, flags=re.DOTALL)


def _double_quoted(match: re.Match[str]) -> str:
    content = match[1]
    if content is None:
        return match[0]
    escaped = re.sub(r'\\.|"', lambda found: '\\"' if found[0] == '"' else found[0], content, flags=re.DOTALL)
    return f'"{escaped}"'


def _check_alone(expression: str) -> Checked:
    if not expression.strip():
        return Checked(expression, "it is empty")
    fault = _fault_alone(expression)
    if fault is None:
        return Checked(expression)
    rewritten = rewrite_single_quotes(expression)
    if rewritten != expression and _fault_alone(rewritten) is None:
        return Checked(rewritten)
    return Checked(expression, fault)


def _fault_alone(expression: str) -> str | None:
    for program in standing_alone(expression):
        fault = compile_fault(program)
        if fault is not None:
            return fault
    return None


_STRING = re.compile(r'"(?:[^"\\]|\\[^(])*"')


def _plainly_balanced(expression: str) -> bool:
    """Whether the expression surely cannot close a bracket that it did not open.

    Comments and interpolated strings are left to the thorough check.
    """
    if "#" in expression or "\\(" in expression or not expression.strip():
        return False
    depth = 0
    for mark in re.findall(r"[()\[\]{}]", _STRING.sub("", expression)):
        depth += 1 if mark in "([{" else -1
        if depth < 0:
            return False
    return depth == 0
