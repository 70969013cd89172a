"""Commands that move data in and out: reference tables, ledgers."""

from __future__ import annotations

import json
from pathlib import Path

import click
from sqlalchemy import select

from app import reference as reference_data
from app.access.load import principal_of
from app.access.principal import Principal, acting_as, as_system
from app.errors import InvalidInputError
from app.operations.job import run_job
from app.operations.ledger_columns import LISTED, columns_of_profile
from app.operations.ledger_export import Wanted, write_export
from app.operations.ledger_import import confirm_import, finish_without_rest, report, start_import
from models import Account, Job, Unit
from models.base import db
from models.enums import AccountState, JobState, Role
from views.cli import command


@click.group()
def reference() -> None:
    """基础数据。"""


@reference.command("load")
@click.option("--force", is_flag=True, help="文件未变也重新装入")
@command
def load(force: bool) -> None:
    """装入强检目录、行政区划和日历。"""
    changed = reference_data.load(db.session(), force=force)
    db.session.commit()
    click.echo("基础数据已更新。" if changed else "基础数据已是最新。")


@click.group()
def ledger() -> None:
    """台账。"""


def principal_of_unit(code: str) -> Principal:
    """The main account of a unit; the command acts with exactly its rights."""
    with as_system("finding the account a command acts for"):
        statement = (
            select(Account)
            .join(Unit, Unit.id == Account.unit_id)
            .where(Unit.code == code, Unit.active, Account.state == AccountState.ACTIVE)
            .where(Account.roles.contains([Role.ENT.value]))
            .order_by(Account.id)
        )
        account = db.session.execute(statement).unique().scalars().first()
        if account is None:
            raise InvalidInputError(f"没有找到代码为 {code} 且账号正常的使用单位，请用 unit list 查看。")
        return principal_of(account)


@ledger.command("import")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--unit", "unit_code", required=True, help="统一社会信用代码")
@click.option("--dry-run", is_flag=True, help="只核对，不写入")
@click.option("--json", "as_json", is_flag=True, help="以 JSON 输出")
@command
def import_ledger(file: Path, unit_code: str, dry_run: bool, as_json: bool) -> None:
    """导入台账工作簿，逐行核对后写入。"""
    session = db.session()
    with acting_as(principal_of_unit(unit_code)) as actor:
        job = start_import(session, actor, filename=file.name, data=file.read_bytes(), unattended=True)
        session.commit()
        _run(job, "正在核对", quiet=as_json)
        if job.state == JobState.WAITING and not dry_run and job.counts.get("new"):
            confirm_import(session, actor, job.id)
            session.commit()
            _run(job, "正在写入", quiet=as_json)
        finish_without_rest(session, job, dry_run=dry_run)
        if job.state == JobState.FAILED:
            raise InvalidInputError(job.error or "导入没有完成，请重试。")
        result = report(session, job) | {"dry_run": dry_run}
    if as_json:
        click.echo(json.dumps(result, ensure_ascii=False))
        return
    for problem in result["problems"]:
        click.echo(f"{'警告' if problem['severity'] == 'warning' else '错误'}  {problem['message']}")
    verb = "将新增" if dry_run else "新增"
    click.echo(
        f"共{result['rows']}行：{verb}{result['created']}，已存在{result['unchanged']}，拒绝{result['refused']}。"
    )


def _run(job: Job, label: str, *, quiet: bool) -> None:
    """Run the job here and now; its row shows the same progress as in the browser."""
    if not quiet:
        click.echo(f"{label}……", err=True)
    run_job(db.session(), job.id)
    db.session.refresh(job)
    if not quiet:
        click.echo(f"{label}：{job.done}/{job.total}", err=True)


@ledger.command("export")
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@click.option("--unit", "unit_code", required=True, help="统一社会信用代码")
@click.option("--columns", default="", help="列，以逗号分隔；list 为台账页面的列。不填则与本部署的导入模板相同")
@click.option("--query", default="", help="台账页面的筛选条件，即地址中“?”之后的部分")
@command
def export_ledger(file: Path, unit_code: str, columns: str, query: str) -> None:
    """导出台账，格式与导入模板或台账页面相同；文件名以 .csv 结尾时为CSV。"""
    wanted = _wanted_export(file, columns)

    def told(done: int) -> None:
        click.echo(f"已导出{done}台……", err=True)

    with acting_as(principal_of_unit(unit_code)):
        count = write_export(db.session(), query, wanted, file, told)
    click.echo(f"已导出 {count} 台器具到 {file}。")


def _wanted_export(file: Path, columns: str) -> Wanted:
    """What the options ask for; the columns are those of the list under their ASCII names."""
    kind = "csv" if file.suffix.lower() == ".csv" else "xlsx"
    if not columns:
        return Wanted("template", kind)
    chosen = (
        columns_of_profile() if columns == "list" else [name.strip() for name in columns.split(",") if name.strip()]
    )
    if unknown := [name for name in chosen if name not in LISTED]:
        raise InvalidInputError(f"没有这些列：{'、'.join(unknown)}。可用的列：{'、'.join(LISTED)}。")
    return Wanted("shown", kind, tuple(dict.fromkeys(chosen)))
