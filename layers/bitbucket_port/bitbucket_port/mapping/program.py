"""Builds the jq programs: one for each kind, which answers all its resources in one evaluation.

Facts about jq.py 1.13 (libjq 1.8.2) this rests on, each with a test: what parses the document costs most, so one
program is an order of magnitude faster than one for each expression; ``env`` and ``$ENV`` show the process
environment unless redefined in the program itself; an expression may end in a comment, even one continued with a
backslash, so two line ends stand before each closing bracket.
"""

from __future__ import annotations

import json
import re

from bitbucket_port.mapping.jq_syntax import has_one_output
from bitbucket_port.mapping.model import Resource, Template

# `halt` would end the whole program, `debug` and `stderr` would write the object to the log, `env` holds credentials.
# port_identifier leaves a valid identifier as it is; else it writes what is invalid as =<hex>, and a too long one
# keeps its beginning followed by two checksums.
PREFIX = r"""
def env: {}; def halt: empty; def halt_error: empty; def halt_error($code): empty;
def input: error("there is no further input"); def inputs: empty; def input_filename: null;
def input_line_number: 0; def get_search_list: []; def debug: .; def debug(message): .; def stderr: .;
def port_identifier:
  def hex: [recurse(if . > 15 then . / 16 | floor else empty end) % 16] | reverse
    | map("0123456789ABCDEF"[.:. + 1]) | join("");
  def checksum($factor): reduce explode[] as $character (7; (. * $factor + $character) % 4294967291) | tostring;
  tostring
  | if test("\\A[\\p{L}0-9@_.+:\\\\/=-]+\\z") and . != "." and . != ".." then .
    elif . == "." or . == ".." then gsub("[.]"; "=2E")
    else gsub("(?<wrong>[^\\p{L}0-9@_.+:\\\\/-])"; "=" + (.wrong | explode[0] | hex)) end
  | if length > 1000 then .[:970] + "=" + checksum(31) + "=" + checksum(131) else . end;
def _value(f): try [first(f)] catch {error: .};
def _only_value(f): try [f] catch {error: .};
{} as $ENV |
"""


def enclosed(expression: str) -> str:
    """The expression in brackets of its own, whatever it ends with."""
    return f"(\n{expression}\n\n)"


def standing_alone(expression: str) -> tuple[str, str]:
    """Two programs that compile only if the expression is a whole one: bare, and as a part of another program."""
    return f"{PREFIX}\n{expression}", f"{PREFIX}{enclosed(expression)}"


def all_together(expressions: list[str]) -> str:
    """A program that compiles only if every expression does."""
    return PREFIX + "[" + ",\n".join(enclosed(expression) for expression in expressions) + "]"


def entity_fields(resource: Resource) -> list[str]:
    """The fields in the order in which the program answers them, after the selector."""
    return [name for name in resource.templates() if name not in {"selector.query", "itemsToParse"}]


def fused(resources: list[Resource]) -> str:
    """The program that answers all resources.

    Its only output is a list with one answer for each resource: a list of rows, or ``{"items": value}`` when
    itemsToParse did not give a list. A row is a list of values: the selector's, then (if that is true) each entity
    field's. A value is ``[output]``, ``[]`` for an expression without output, or ``{"error": message}``.
    """
    return PREFIX + "[\n" + ",\n".join(_answer(resource) for resource in resources) + "\n]"


def _answer(resource: Resource) -> str:
    row = _row(resource)
    if resource.items_to_parse is None:
        return f"[{row}]"
    parsed_path = _parsed_path(resource.items_to_parse) if resource.items_to_parse_top_level_transform else None
    base = f"(try del({parsed_path}) catch $object)" if parsed_path else "$object"
    name = json.dumps(resource.items_to_parse_name)
    return (
        f"(_value{enclosed(resource.items_to_parse)} as $items | . as $object\n"
        '| if ($items | type) == "array" and ($items[0] | type) == "array"\n'
        f"then {base} as $base | [$items[0][] as $item | ($base + {{{name}: $item}}) | {row}]\n"
        "else {items: $items} end)"
    )


def _row(resource: Resource) -> str:
    templates = resource.templates()
    values = "".join(f",\n{_guarded(_source(templates[name]))}" for name in entity_fields(resource))
    selector = _guarded(resource.selector.query)
    return f"({selector} as $selected | if $selected == [true] then [$selected{values}] else [$selected] end)"


def _guarded(source: str) -> str:
    """The first output or the error; ``first`` costs as much as most expressions, and few have a second output."""
    return f"{'_only_value' if has_one_output(source) else '_value'}{enclosed(source)}"


def _source(template: Template) -> str:
    return template if isinstance(template, str) else _search_source(template.query, dict(template.leaves), ())


def _search_source(node: object, leaves: dict[tuple[str | int, ...], str], path: tuple[str | int, ...]) -> str:
    if path in leaves:
        return f"([first{enclosed(leaves[path])}][0])"
    if isinstance(node, dict):
        pairs = (f"{json.dumps(key)}: {_search_source(value, leaves, (*path, key))}" for key, value in node.items())
        return "{" + ", ".join(pairs) + "}"
    if isinstance(node, list):
        return "[" + ", ".join(_search_source(one, leaves, (*path, index)) for index, one in enumerate(node)) + "]"
    raise TypeError(f"a search query has no leaf at {path}")


_PATH = re.compile(r"(?:\.\w+(?:\??\[[^\]]*\])*|\.\[[^\]]*\])+\??")


def _parsed_path(expression: str) -> str | None:
    """The path of the list that itemsToParse takes apart, which Ocean removes from the object; None if unclear.

    Ocean's rule: the first part of the pipeline that begins with a plain path. Where it finds none Ocean drops the
    object; here the list then simply stays.
    """
    text = expression.strip()
    if text.startswith("("):
        text = text[1:].split(")", 1)[0]
    for part in text.split("|"):
        step = part.strip()
        if step == "." or step.startswith("$") or re.match(r"\.\s+as\s+\$", step):
            continue
        match = _PATH.match(step)
        if match:
            return match[0].removesuffix("?")
    return None
