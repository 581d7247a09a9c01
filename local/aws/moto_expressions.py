"""Has moto read each of DynamoDB's expressions once, and walk through what it read without asking twice.

moto parses the expressions of an update two and three times over, copies the tree for each validation and goes through
it ten times, looking up at every node which classes it looks for. What comes out is the same.
"""

from __future__ import annotations

import functools
import importlib
from collections import deque
from collections.abc import Callable
from copy import deepcopy
from typing import Any

KEPT = 1024
"""Expressions that are remembered; a program has few."""


def read_each_once() -> None:
    """To be called once moto's DynamoDB is imported."""
    _parse_update_expressions_once()
    _split_conditions_once()
    _copy_trees_plainly()
    _look_up_once_what_a_class_is_for()


def _parse_update_expressions_once() -> None:
    """Trees are copied before they are changed."""
    parser = _parsing("expressions").UpdateExpressionParser
    parser.make = staticmethod(functools.lru_cache(KEPT)(parser.make))


def _split_conditions_once() -> None:
    from moto.dynamodb.comparisons import ConditionExpressionParser

    split = ConditionExpressionParser._lex_condition_expression

    @functools.lru_cache(KEPT)
    def parts_of(expression: str) -> tuple[Any, ...]:
        return tuple(split(ConditionExpressionParser(expression, None, None)))

    def parts(parser: Any) -> deque[Any]:
        return deque(parts_of(parser.condition_expression))

    ConditionExpressionParser._lex_condition_expression = parts  # type: ignore[method-assign,assignment]


def _copy_trees_plainly() -> None:
    node_class = _parsing("ast_nodes").Node

    def copied(node: Any, memo: dict[int, Any]) -> Any:
        made = object.__new__(type(node))
        vars(made).update(vars(node), parent=None)
        if node.children is not None:
            made.children = [deepcopy(child, memo) for child in node.children]
            for child in made.children:
                if isinstance(child, node_class):
                    child.set_parent(made)
        return made

    node_class.__deepcopy__ = copied


def _look_up_once_what_a_class_is_for() -> None:
    node_class, usual = _parsing("ast_nodes").Node, _parsing("ast_nodes").DepthFirstTraverser

    is_node: Any = functools.cache(lambda kind: issubclass(kind, node_class))

    def traverse(traverser: Any, root: Any) -> Any:
        processors = tuple(traverser._processing_map().items())
        known: dict[type, Callable[[Any], Any] | None] = {}
        prepares = type(traverser).pre_processing_of_child is not usual.pre_processing_of_child

        def visit(node: Any, place: int) -> Any:
            kind = type(node)
            if not is_node(kind):
                return node
            parent = node.parent
            for number, child in enumerate(node.children or ()):
                if prepares:
                    traverser.pre_processing_of_child(node, number)
                visit(child, number)
            if kind not in known:
                known[kind] = next((process for one, process in processors if issubclass(kind, one)), None)
            process = known[kind]
            if process is None:
                return node
            made = process(node)
            made.parent = parent
            if parent:
                parent.children[place] = made
            return made

        return visit(root, -1)

    usual.traverse = traverse


def _parsing(module: str) -> Any:
    """One of moto's modules that tell no types."""
    return importlib.import_module(f"moto.dynamodb.parsing.{module}")
