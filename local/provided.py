"""The custom resources of one stack through its life: made, changed with its template, removed."""

from __future__ import annotations

from collections.abc import Callable, Container, Mapping
from typing import Any

from local.custom_resources import CustomResourceError, CustomResources, Made, as_texts
from local.supported import CUSTOM
from local.template import Template


class DeploymentFailedError(Exception):
    """A stack was not created, updated or deleted.

    ``status`` is the stack's from then on, ``reasons`` says why for each resource (logical id → CloudFormation's
    words).
    """

    def __init__(self, status: str, reasons: Mapping[str, str]) -> None:
        told = "; ".join(f"{name}: {reason}" for name, reason in reasons.items())
        super().__init__(f"{status}: {told}")
        self.status, self.reasons = status, dict(reasons)


class Provided:
    """What providers made for one stack. ``tell`` is told the attributes that ``Ref`` and ``Fn::GetAtt`` may ask for.

    ``made`` may be filled before the first change with what there is already (logical id → resource).
    """

    def __init__(self, calls: CustomResources, tell: Callable[[str, Mapping[str, str]], None]) -> None:
        self._calls, self._tell = calls, tell
        self.made: dict[str, Made] = {}
        self._types: dict[str, str] = {}
        self._failed: dict[str, Made] = {}

    def bring(self, template: Template) -> None:
        """Create what the template has and is not there, update what has other properties than before, delete what it
        does not have any more.

        What failed is tried again. Raises DeploymentFailedError, with what was done before left as it is.
        """
        for logical_id, kind in template.kinds().items():
            if not kind.startswith(CUSTOM):
                continue
            self._types[logical_id] = kind
            old, properties = self.made.get(logical_id), as_texts(template.resolve(template.properties(logical_id)))
            if old is not None:
                old = self._failed.get(logical_id, old)  # An update that failed may have come half the way.
            if old is not None and old.properties == properties:
                self._tell(logical_id, {"": old.physical_id, **old.data})
                continue
            self._call(template, logical_id, properties, old)
        self.remove(but=template.kinds())

    def _call(self, template: Template, logical_id: str, properties: dict[str, Any], old: Made | None) -> None:
        kind = self._types[logical_id]
        try:
            new = self._calls.call("Update" if old else "Create", logical_id, kind, properties, old)
            _check_attributes(new, template.asked_of(logical_id))
        except CustomResourceError as error:
            self._failed[logical_id] = Made(error.physical_id, properties)
            raise DeploymentFailedError(
                "UPDATE_FAILED" if old else "CREATE_FAILED", {logical_id: str(error)}
            ) from error
        self._failed.pop(logical_id, None)
        self.made[logical_id] = new
        self._tell(logical_id, {"": new.physical_id, **new.data})
        if old is not None and old.physical_id != new.physical_id:
            self._calls.call("Delete", logical_id, kind, old.properties, old)  # It was replaced.

    def remove(self, *, but: Container[str] = ()) -> None:
        """Delete everything but these, also what was not made to its end. Raises DeploymentFailedError for what
        stays.
        """
        reasons = {}
        for logical_id, made in {**self.made, **self._failed}.items():
            if logical_id in but:
                continue
            try:
                self._calls.call("Delete", logical_id, self._types[logical_id], made.properties, made)
            except CustomResourceError as error:
                reasons[logical_id] = str(error)
            else:
                self.made.pop(logical_id, None)
                self._failed.pop(logical_id, None)
        if reasons:
            raise DeploymentFailedError("DELETE_FAILED", reasons)


def _check_attributes(made: Made, wanted: set[str]) -> None:
    if missing := sorted(wanted - set(made.data)):
        text = f"CustomResource attribute error: Vendor response doesn't contain {', '.join(missing)} attribute"
        raise CustomResourceError(text, made.physical_id)
