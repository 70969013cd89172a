"""Waking a worker after commit. Redis is a bell: losing it loses nothing, the reconciler finds the rows (law 4)."""

from __future__ import annotations

import logging

from flask import Flask
from redis import Redis
from redis.exceptions import RedisError
from rq import Queue
from rq.serializers import JSONSerializer

log = logging.getLogger(__name__)
QUEUES = ("fast", "bulk")


def connection(app: Flask) -> Redis:
    """One connection pool per process."""
    if "redis" not in app.extensions:
        app.extensions["redis"] = Redis.from_url(
            str(app.config["REDIS_URL"]), socket_timeout=5, socket_connect_timeout=2
        )
    client: Redis = app.extensions["redis"]
    return client


def queue(app: Flask, name: str) -> Queue:
    """A queue with the JSON serializer: pickles would turn write access to Redis into code execution."""
    return Queue(name, connection=connection(app), serializer=JSONSerializer)


def ring(app: Flask) -> None:
    """Ask a worker to look at the outbox and the waiting jobs now."""
    try:
        queue(app, "fast").enqueue("jobs.tasks.deliver_outbox", job_timeout=300, result_ttl=0, failure_ttl=3600)
    except RedisError:
        log.warning("redis is away; the reconciler will deliver")


def ring_job(app: Flask, job_id: int) -> None:
    """Ask a worker to run a job row now."""
    try:
        queue(app, "bulk").enqueue("jobs.tasks.run_job", job_id, job_timeout=3600, result_ttl=0, failure_ttl=3600)
    except RedisError:
        log.warning("redis is away; the reconciler will start job %s", job_id)
