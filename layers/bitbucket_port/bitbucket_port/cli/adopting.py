"""Recording what Port shows as it should be, for a run that has the ledger to itself."""

from __future__ import annotations

from collections.abc import Sequence

from bitbucket_port.catalog.adopting import Adoption
from bitbucket_port.catalog.sqlite import SQLiteLedger
from bitbucket_port.cli.comparing import ComparingWriter
from bitbucket_port.objects import SourceKey


class ShownAdopter:
    """The catalog's ``Adopter``: compares with the snapshot of Port, and records in this process's own ledger."""

    def __init__(self, ledger: SQLiteLedger, writer: ComparingWriter) -> None:
        self._ledger = ledger
        self._writer = writer

    def adopt(self, found: Sequence[Adoption]) -> set[SourceKey]:
        """See Adopter."""
        wrong = self._writer.not_shown_right([entity for one in found for entity in one.entities])
        shown = [one for one in found if wrong.isdisjoint(entity.key for entity in one.entities)]
        if not shown:
            return set()
        return self._ledger.adopt([(one.key, [entity.key for entity in one.entities], one.commit) for one in shown])
