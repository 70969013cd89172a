"""The schedule. Ticks only enqueue; each job asks "what is due and not done", so a missed tick loses nothing.

Daily work has no cron string here: the reconciler finds what the day still owes (jobs.tasks.DAILY), also after a night
in which nothing ran.
"""

from __future__ import annotations

from typing import Any

from flask import Flask
from redis import Redis
from rq import Queue
from rq.cron import CronJob, CronScheduler
from rq.job import Job
from rq.serializers import JSONSerializer

from app.channels.bell import connection
from jobs import tasks

TABLE: tuple[tuple[Any, int], ...] = (
    (tasks.reconcile, 30),
    (tasks.seal_audit, 60),
    (tasks.withdraw_overdue, 600),
    (tasks.sweep_captchas, 600),
    (tasks.remind_reviewers, 60),
)


class JsonCronJob(CronJob):
    """RQ's cron job, enqueued as JSON; RQ's own always pickles, which our workers refuse to read."""

    def enqueue(self, connection: Redis) -> Job:
        queue = Queue(self.queue_name, connection=connection, serializer=JSONSerializer)
        return queue.enqueue(self.func_name, **self.job_options)


def run_cron(app: Flask) -> None:
    """Tick until told to stop; run exactly one per deployment."""
    scheduler = CronScheduler(connection=connection(app), logging_level="INFO")
    for function, seconds in TABLE:
        # a tick that no worker took before the next one is due is dropped: the next asks the same question
        job = JsonCronJob("fast", func=function, interval=seconds, ttl=seconds, result_ttl=0, failure_ttl=3600)
        scheduler._cron_jobs.append(job)
    scheduler.start()
