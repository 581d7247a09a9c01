"""A ledger table on moto, in this process."""

from tests.catalog.conftest import dynamodb

__all__ = ["dynamodb"]
