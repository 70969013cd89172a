"""The same browser fixture as the ledger's tests."""

from tests.ledger.conftest import browser

__all__ = ["browser"]
