"""The RQ worker: the application is built once, each job runs in a fork with a context and its own connections."""

from __future__ import annotations

from typing import Any

from flask import Flask
from rq import Worker
from rq.serializers import JSONSerializer

from app.channels.bell import QUEUES, connection, queue
from app.documents.fonts import load_font
from models.base import db

_app: Flask | None = None


class AppWorker(Worker):
    """Runs each job inside the application's context."""

    def perform_job(self, job: Any, queue: Any) -> bool:
        assert _app is not None
        with _app.app_context():
            # the fork must not speak over the parent's sockets
            db.engine.dispose(close=False)
            return bool(super().perform_job(job, queue))


def run_worker(app: Flask) -> None:
    """Work until told to stop; also catches up on start, because the bell may have been missed."""
    global _app
    _app = app
    import jobs.tasks

    load_font()
    with app.app_context():
        jobs.tasks.reconcile()
        db.engine.dispose()
    queues = [queue(app, name) for name in QUEUES]
    worker = AppWorker(queues, connection=connection(app), serializer=JSONSerializer)
    worker.work(logging_level="INFO", with_scheduler=False)
