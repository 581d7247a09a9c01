"""What differs between a stack's template until now and from now on, as far as it can be changed in place here."""

from __future__ import annotations

from collections.abc import Mapping

from local.supported import CUSTOM, LEFT_OUT
from local.template import Template

IN_PLACE: Mapping[str, frozenset[str]] = {
    "AWS::Lambda::Function": frozenset({"Environment"}),
    "AWS::SecretsManager::Secret": frozenset({"SecretString"}),
    "AWS::Scheduler::Schedule": frozenset({"ScheduleExpression", "State", "Target"}),
}
"""Type → properties whose change has its effect in a running stack."""


def changed(before: Template, after: Template) -> dict[str, str]:
    """Logical id → type of the resources with other properties, custom resources left out.

    Raises NotImplementedError naming what is new, gone or changed in a way that would have no effect here.
    """
    old, new = _real(before), _real(after)
    strange = sorted(set(old) ^ set(new))
    found = {}
    for logical_id in set(old) & set(new):
        names = _differing(before, after, logical_id) - set(LEFT_OUT.get(new[logical_id], {}))
        if names:
            found[logical_id] = new[logical_id]
        others = names - IN_PLACE.get(new[logical_id], frozenset())
        strange += [f"{name} of {logical_id}" for name in sorted(others)]
    if strange:
        raise NotImplementedError(f"the local stack does not change {'; '.join(strange)}")
    return found


def _real(template: Template) -> dict[str, str]:
    return {
        name: kind
        for name, kind in template.kinds().items()
        if not kind.startswith(CUSTOM) and "*" not in LEFT_OUT.get(kind, {})
    }


def _differing(before: Template, after: Template, logical_id: str) -> set[str]:
    old, new = (template.resolve(template.properties(logical_id)) for template in (before, after))
    return {name for name in {*old, *new} if old.get(name) != new.get(name)}
