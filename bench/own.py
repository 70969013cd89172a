"""What every bench needs: PostgreSQL and Redis of its own, gone afterwards, and a place for its figures."""

from __future__ import annotations

import json
import os
import platform
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
OUT = ROOT / "var" / "bench"


class Own:
    """The servers of one bench; `folder` is theirs and the bench's."""

    def __init__(self, servers: Any, folder: Path) -> None:
        self.servers, self.folder = servers, folder

    def url(self, name: str) -> str:
        """The address of a database that is there."""
        from app.embedded.paths import SUPERUSER

        return str(self.servers.layout.postgres_url(SUPERUSER, name))

    def libpq(self, name: str) -> str:
        """The same for programs that are not SQLAlchemy."""
        from app.embedded.paths import libpq_url

        return libpq_url(self.url(name))

    def create(self, name: str, template: str | None = None) -> str:
        """An empty database, or a copy; gives its address."""
        from tests.servers import create_database

        return create_database(self.url("postgres"), name, template)


@contextmanager
def own_servers(*, durable: bool, keep: Path | None = None, connections: int = 0) -> Iterator[Own]:
    """Start the stores in a short folder under /tmp and point the environment at them. `keep` is a folder that stays;
    `durable` says whether a commit waits for the disk, as it does in service; `connections` lets more clients in."""
    from app.embedded import postgres
    from app.embedded.paths import layout
    from app.embedded.servers import EmbeddedServers

    postgres.MAX_CONNECTIONS = connections or postgres.MAX_CONNECTIONS
    folder = keep or Path(tempfile.mkdtemp(prefix="quanheng-bench-", dir="/tmp"))
    servers = EmbeddedServers(layout(folder), durable=durable)
    try:
        servers.ensure()
        os.environ["QUANHENG_VAR"] = str(folder)
        os.environ["REDIS_URL"] = servers.layout.endpoints().redis_url
        yield Own(servers, folder)
    finally:
        servers.stop()
        if keep is None:
            shutil.rmtree(folder, ignore_errors=True)


def write_result(name: str, result: dict[str, Any]) -> Path:
    """Keep the figures with the machine they were made on, as var/bench/<name>-<time>.json."""
    now = datetime.now(UTC)
    made_on = {"at": now.isoformat(timespec="seconds"), "machine": platform.machine(), "cores": os.cpu_count()}
    OUT.mkdir(parents=True, exist_ok=True)
    out = OUT / f"{name}-{now:%Y%m%d-%H%M%S}.json"
    out.write_text(json.dumps({**result, **made_on}, ensure_ascii=False, indent=1), encoding="utf-8")
    return out
