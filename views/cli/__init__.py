"""The command line: `flask --app run …`. Every command of a person is here, each calling the same operations."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import ExitStack
from functools import wraps
from typing import Any

import click
from flask import Flask, current_app

from app.embedded import running_servers
from app.errors import QuanhengError
from config import var_dir


def command(function: Callable[..., Any]) -> Callable[..., Any]:
    """Run with the stores up (started for the moment if nobody has), errors as one Chinese sentence and exit 1."""

    @wraps(function)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        app: Flask = current_app._get_current_object()  # type: ignore[attr-defined]
        with ExitStack() as stack:
            if not (os.environ.get("DATABASE_URL") and os.environ.get("REDIS_URL")):
                stack.enter_context(running_servers(var_dir()))
            with app.app_context():
                try:
                    return function(*args, **kwargs)
                except QuanhengError as error:
                    from models.base import db

                    db.session.rollback()
                    for sentence in getattr(error, "problems", {}).values() or [error.sentence]:
                        click.echo(sentence, err=True)
                    raise SystemExit(1) from error

    return wrapped


def register_commands(app: Flask) -> None:
    """Attach every command group to the application."""
    from views.cli import data, demo, people, personal, system, walk

    for group in (
        people.user,
        people.unit,
        people.institute,
        data.ledger,
        data.reference,
        demo.demo,
        personal.personal,
        system.reminders,
        system.integrity,
        system.workflow,
    ):
        app.cli.add_command(group)
    for single in (
        system.setup,
        system.worker,
        system.cron,
        walk.step,
        walk.register,
        walk.file,
        walk.book,
        walk.record,
        walk.account,
    ):
        app.cli.add_command(single)
