"""Approved entities: ``approved/<product>/<preset>/<kind>-<name>.json``, written down once and read in review.

After a deliberate change of a mapping ``python -m tests.mappings.approval`` writes them anew; the diff is the review.
"""

from __future__ import annotations

import json
from pathlib import Path

from bitbucket_port.objects import JsonObject
from tests.mappings.cases import CASES, Case
from tests.mappings.plain_jq import entity_of
from tests.mappings.shipped import PRESETS, resource

APPROVED = Path(__file__).parent / "approved"


def approved_file(case: Case, preset: str) -> Path:
    """Where the entity of this object is written down."""
    return APPROVED / case.product / preset / f"{case.kind}-{case.name}.json"


def approved(case: Case, preset: str) -> JsonObject | None:
    """The entity written down, None for "no entity"."""
    found: JsonObject | None = json.loads(approved_file(case, preset).read_text("utf-8"))
    return found


def written(entity: JsonObject | None) -> str:
    """The text of an approved file."""
    return json.dumps(entity, indent=2, ensure_ascii=False, sort_keys=False) + "\n"


def main() -> None:
    """Write what plain jq makes of every case, and remove what no case asks for any more."""
    wanted = {}
    for case in CASES:
        for preset in PRESETS:
            mapped = resource(case.product, preset, case.kind)
            if mapped is not None:
                wanted[approved_file(case, preset)] = written(entity_of(mapped, case.shapes["single"]))
    for path in set(APPROVED.rglob("*.json")) - set(wanted):
        path.unlink()
    for path, text in wanted.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")


if __name__ == "__main__":
    main()
