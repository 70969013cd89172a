"""The schedule. Ticks only enqueue; each job asks "what is due and not done", so a missed tick loses nothing.

Cron strings of RQ are UTC: 22:30 there is 06:30 in Beijing.
"""

from __future__ import annotations

from flask import Flask
from rq.cron import CronScheduler

from app.channels.bell import connection
from jobs import tasks

TABLE: tuple[tuple[object, dict[str, object]], ...] = (
    (tasks.reconcile, {"interval": 30}),
    (tasks.seal_audit, {"interval": 60}),
    (tasks.withdraw_overdue, {"interval": 600}),
    (tasks.remind, {"cron": "30 22 * * *"}),
    (tasks.clean_up, {"cron": "0 18 * * *"}),
)


def run_cron(app: Flask) -> None:
    """Tick until told to stop; run exactly one per deployment."""
    scheduler = CronScheduler(connection=connection(app), logging_level="INFO")
    for function, when in TABLE:
        scheduler.register(function, queue_name="fast", result_ttl=0, failure_ttl=3600, **when)  # type: ignore[arg-type]
    scheduler.start()
