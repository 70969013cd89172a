"""Small things that several cases need."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

FILL = {"pk": "1", "uuid:pk": "00000000-0000-0000-0000-000000000001", "int:pk": "1", "filename": "x"}


def address_of(rule, pk: object = 1) -> str:
    """An address of the rule with something in every argument."""
    address = re.sub(r"<uuid:[^>]+>", "00000000-0000-0000-0000-000000000001", rule.rule)
    address = re.sub(r"<int:[^>]+>", str(pk), address)
    address = re.sub(r"<any\(([^,)]+)[^>]*>", r"\1", address)
    return re.sub(r"<[^>]+>", str(pk), address)


@contextmanager
def count_hashes(monkeypatch) -> Iterator[list[int]]:
    """How many password hashes are computed inside: what an answer costs, whatever the machine's mood."""
    import werkzeug.security as real

    from app.access import security

    spent, check = [0], real.check_password_hash

    def counted(*args):
        spent[0] += 1
        return check(*args)

    monkeypatch.setattr(security, "check_password_hash", counted)
    yield spent
    monkeypatch.setattr(security, "check_password_hash", check)
