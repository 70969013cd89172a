"""Commands of the operator: set-up, workers, scheduler, reminders, integrity, workflows."""

from __future__ import annotations

import json

import click
from flask import current_app
from sqlalchemy import text

from app import clock
from app import reference as reference_data
from app.access.grants import sync
from app.access.principal import as_system
from app.operations.integrity import check_all
from app.operations.reminders import run_reminders
from app.workflow import REGISTRY
from app.workflow.show import as_text
from models.base import db
from views.cli import command


@click.command()
@command
def setup() -> None:
    """装入基础数据并同步角色权限；每次启动都运行，可重复。"""
    with as_system("set-up"):
        # two starts at once must not write the same roles twice
        db.session.execute(text("SELECT pg_advisory_xact_lock(7101)"))
        changed = reference_data.load(db.session())
        added, removed = sync(db.session(), current_app.appbuilder.baseviews)  # type: ignore[attr-defined]
        db.session.commit()
    click.echo(f"基础数据{'已更新' if changed else '未变'}；权限新增{added}，收回{removed}。")


@click.command()
def worker() -> None:
    """运行后台任务进程（RQ）。"""
    from jobs.worker import run_worker

    run_worker(current_app._get_current_object())  # type: ignore[attr-defined]


@click.command()
def cron() -> None:
    """运行定时任务进程（RQ cron）；一个部署只运行一个。"""
    from jobs.cron import run_cron

    run_cron(current_app._get_current_object())  # type: ignore[attr-defined]


@click.group()
def reminders() -> None:
    """到期提醒。"""


@reminders.command("run")
@click.option("--on", "day", type=click.DateTime(["%Y-%m-%d"]), default=None, help="提醒日期，默认今天")
@command
def run(day: object) -> None:
    """写入某日应发而未发的到期提醒。"""
    from datetime import datetime

    on = day.date() if isinstance(day, datetime) else clock.today()
    with as_system("due-date reminders are the platform's own duty"):
        count = run_reminders(db.session(), on)
        db.session.commit()
    click.echo(f"{on}：新增提醒 {count} 条。")


@click.group()
def integrity() -> None:
    """数据完整性。"""


@integrity.command("check")
@click.option("--json", "as_json", is_flag=True, help="以 JSON 输出")
@command
def check(as_json: bool) -> None:
    """检查全部不变量；有违反时退出码为 1。"""
    with as_system("integrity is checked over everything"):
        findings = check_all(db.session())
    bad = [f for f in findings if f.violations]
    if as_json:
        click.echo(json.dumps([f.as_dict() for f in findings], ensure_ascii=False))
    else:
        for finding in findings:
            click.echo(f"{'✗' if finding.violations else '✓'} {finding.id} {finding.title}：{finding.violations}")
    if bad:
        raise SystemExit(1)


@click.group()
def workflow() -> None:
    """流程。"""


@workflow.command("show")
@click.argument("name", type=click.Choice(list(REGISTRY)), required=False)
def show(name: str | None) -> None:
    """打印一个流程的状态、步骤和状态图；不写名称时列出全部流程。"""
    if name is not None:
        click.echo(as_text(REGISTRY[name]))
        return
    for machine in REGISTRY.values():
        click.echo(f"{machine.name:<16}{machine.label}")
