"""`/healthz`: whether the database and Redis answer, how old the scheduler's last beat is, what waits."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, current_app, jsonify
from redis.exceptions import RedisError
from sqlalchemy import func, select
from sqlalchemy.exc import SQLAlchemyError

from app import clock
from app.access.principal import as_system
from app.channels.bell import connection
from models import Beat, Job, Outbox
from models.base import db

health = Blueprint("health", __name__)


@health.get("/healthz")
def healthz() -> Any:
    """200 while the database answers; Redis and the scheduler are told but do not take the site down."""
    report: dict[str, Any] = {"database": "down", "redis": "down", "cron_age_seconds": None}
    try:
        with as_system("health"):
            beat = db.session.scalar(select(Beat.at).where(Beat.name == "cron"))
            report["database"] = "up"
            report["cron_age_seconds"] = round((clock.now() - beat).total_seconds()) if beat else None
            waiting = select(func.count()).select_from(Job).where(Job.state.in_(("queued", "running")))
            report["waiting_jobs"] = db.session.scalar(waiting)
            unsent = select(func.count()).select_from(Outbox).where(Outbox.sent_at.is_(None))
            report["unsent_messages"] = db.session.scalar(unsent)
    except SQLAlchemyError:
        db.session.rollback()
    try:
        connection(current_app).ping()
        report["redis"] = "up"
    except RedisError:
        report["redis"] = "down"
    report["status"] = "ok" if report["database"] == "up" and report["redis"] == "up" else "degraded"
    return jsonify(report), 200 if report["database"] == "up" else 503
