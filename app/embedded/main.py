"""``python run.py``: the whole platform on one machine, ended by one Ctrl-C."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from app.embedded.paths import layout
from app.embedded.process import ServerError
from app.embedded.servers import EmbeddedServers, FileLock
from app.embedded.supervisor import Supervisor

_ROOT = Path(__file__).resolve().parents[2]


def main() -> int:
    """Read the environment, start what it does not name, and serve until stopped.

    ``HOST`` (127.0.0.1) and ``PORT`` (8080) say where; ``QUANHENG_VAR`` (./var) where data is kept;
    ``DATABASE_URL`` and ``REDIS_URL`` each replace one embedded server.

    Returns:
        0 after an orderly stop; 1 with one sentence on standard error otherwise.
    """
    place = layout(os.environ.get("QUANHENG_VAR") or _ROOT / "var")
    host = os.environ.get("HOST") or "127.0.0.1"
    lock = FileLock(place.var / "supervisor.lock")
    try:
        port = _port(os.environ.get("PORT") or "8080")
        if not lock.take():
            raise ServerError(f"数据目录 {place.var} 上已有一个平台在运行，请先停止它，或设置另一个 QUANHENG_VAR。")
        own_database, own_redis = (not os.environ.get(name) for name in ("DATABASE_URL", "REDIS_URL"))
        servers = EmbeddedServers(place, postgres=own_database, redis=own_redis)
        return Supervisor(place, _ROOT, host, port, _environment(place.var, host, port), servers).run()
    except ServerError as error:
        print(error, file=sys.stderr, flush=True)
    except OSError as error:
        print(
            f"无法使用数据目录 {place.var}：{error}。请检查其归属、权限和剩余空间，或更换 QUANHENG_VAR。",
            file=sys.stderr,
            flush=True,
        )
    finally:
        lock.release()
    return 1


def _port(text: str) -> int:
    if not text.isascii() or not text.isdecimal() or not 0 < int(text) < 65536:
        raise ServerError(f"PORT 应为 1 到 65535 的整数，现在是“{text}”。")
    return int(text)


def _environment(var: Path, host: str, port: int) -> dict[str, str]:
    """The children's environment: everything ours, and every setting spelt out."""
    urls = layout(var).endpoints()
    return os.environ | {
        "HOST": host,
        "PORT": str(port),
        "QUANHENG_VAR": str(var),
        "DATABASE_URL": os.environ.get("DATABASE_URL") or urls.database_url,
        "REDIS_URL": os.environ.get("REDIS_URL") or urls.redis_url,
        "PYTHONUNBUFFERED": "1",  # a line reaches the log before a crash, not after
    }
