"""Settings of the web server started by ``python run.py``; production may point gunicorn at the same file."""

from __future__ import annotations

import os
from typing import Any

_host = os.environ.get("HOST", "127.0.0.1")
bind = f"[{_host}]:{os.environ.get('PORT', '8080')}" if ":" in _host else f"{_host}:{os.environ.get('PORT', '8080')}"
workers = int(os.environ.get("WEB_WORKERS", "2"))
worker_class = "sync"
preload_app = True  # create_app() runs once; the workers share its memory
timeout = 120  # an import of a large workbook is uploaded and stored within one request
graceful_timeout = 15
control_socket_disable = True  # the supervisor is the only one who controls us
accesslog = None  # addresses of pages are personal data; the platform counts requests itself
proc_name = "quanheng-web"


def when_ready(server: Any) -> None:
    """Ask what the application wants to be sure of before it serves; a check that fails stops the start."""
    app = server.app.wsgi()
    for check in getattr(app, "extensions", {}).get("start_checks", ()):
        check(app)


def post_fork(server: Any, worker: Any) -> None:
    """Drop the connections inherited from the master: two processes on one connection mix up their answers.

    ``close=False`` forgets them without closing, for they still belong to the master.
    """
    from models.base import db

    with worker.app.wsgi().app_context():
        db.engine.dispose(close=False)
