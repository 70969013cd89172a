"""Browsers as in the tests of the ledger."""

from tests.ledger.conftest import browser  # noqa: F401
