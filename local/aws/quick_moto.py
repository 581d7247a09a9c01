"""moto's DynamoDB without the work that it does twice; what comes out is the same."""

from __future__ import annotations

import functools
import importlib

from local.aws.moto_attributes import write_attributes_as_they_are
from local.aws.moto_expressions import read_each_once
from local.aws.moto_tables import look_only_where_asked


@functools.cache
def hurry() -> None:
    """From now on, in this process; once is enough."""
    importlib.import_module("moto.dynamodb.responses")
    from moto.core import responses, utils

    # moto asks this of the same class for every request.
    responses.method_names_from_class = functools.cache(utils.method_names_from_class)  # type: ignore[attr-defined]
    look_only_where_asked()
    write_attributes_as_they_are()
    read_each_once()
