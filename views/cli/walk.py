"""Commands that walk the same path as the pages: register, review, file, book, record, any step of any workflow."""

from __future__ import annotations

import json
from datetime import date, datetime
from pathlib import Path
from typing import Any

import click
from flask_appbuilder.security.sqla.models import User
from sqlalchemy import select

from app import clock
from app.access.load import principal_of
from app.access.principal import Principal, acting_as, as_system
from app.channels.deliver import deliver
from app.errors import InvalidInputError
from app.operations import account as accounts
from app.operations.appointment import book as book_operation
from app.operations.certificate import record_result
from app.operations.codes import send_code
from app.operations.filing import submit_filings
from app.workflow import REGISTRY, fire
from models import Account
from models.base import db
from models.enums import AccountKind, Role
from views.cli import command


def principal(username: str) -> Principal:
    """Who acts: a user name of this deployment; the command has exactly that account's rights."""
    with as_system("finding the account a command acts for"):
        statement = select(Account).join(User, User.id == Account.user_id).where(User.username == username)
        account = db.session.execute(statement).unique().scalar_one_or_none()
        if account is None:
            raise InvalidInputError(f"没有账号 {username}，请核对。")
        return principal_of(account)


def _settle() -> None:
    """Commit, then do what the workers would do, so that a chain of commands needs no running worker."""
    import jobs.tasks

    db.session.commit()
    jobs.tasks.deliver_outbox()


def _pairs(values: tuple[str, ...]) -> dict[str, str]:
    return dict(v.split("=", 1) for v in values)


@click.command()
@click.argument("workflow", type=click.Choice(list(REGISTRY)))
@click.argument("row", type=int)
@click.argument("name")
@click.option("--as", "username", required=True, help="以哪个账号办理")
@click.option("--set", "data", multiple=True, help="填写内容，例如 --set reason=资料不完整请补充")
@command
def step(workflow: str, row: int, name: str, username: str, data: tuple[str, ...]) -> None:
    """对一条记录办理一个步骤，与页面上的按钮相同。"""
    machine = REGISTRY[workflow]
    with acting_as(principal(username)) as actor:
        done = fire(db.session(), machine, row, name, actor, _pairs(data))
        word = machine.label_of(done.state)
        _settle()
    click.echo(f"{machine.label} {row}：{word}")


@click.command()
@click.argument("form", type=click.Path(exists=True, path_type=Path))
@click.option("--licence", type=click.Path(exists=True, path_type=Path), required=True, help="证照图片或 PDF")
@click.option("--authorisation", type=click.Path(exists=True, path_type=Path), required=True, help="法人授权书")
@command
def register(form: Path, licence: Path, authorisation: Path) -> None:
    """注册使用单位：FORM 是注册表各字段的 JSON；邮箱验证码由开发邮件中取得。"""
    values: dict[str, Any] = json.loads(form.read_text(encoding="utf-8"))
    session = db.session()
    if not values.get("email_code"):
        send_code(session, email=str(values["email"]), purpose="register")
        session.commit()
        with as_system("development mail"):
            deliver(session)
        values["email_code"] = _code_for(str(values["email"]))
    papers = {
        kind: accounts.Paper(kind, accounts.PAPERS[kind], path.name, path.read_bytes())
        for kind, path in (("licence", licence), ("authorisation", authorisation))
    }
    account_row = accounts.register_unit(session, {k: str(v) for k, v in values.items()}, papers)
    _settle()
    click.echo(f"注册申请已提交，账号编号 {account_row.id}，等待审核。")


def _code_for(email: str) -> str:
    import re

    from models import DevelopmentMail

    with as_system("the development driver's messages are read by the operator"):
        body = db.session.scalar(
            select(DevelopmentMail.body).where(DevelopmentMail.recipient == email).order_by(DevelopmentMail.id.desc())
        )
    found = re.search(r"\d{6}", body or "")
    return found.group() if found else ""


@click.command("issue-account")
@click.option("--as", "username", required=True, help="以哪个管理员账号办理")
@click.option("--username", "new_name", required=True)
@click.option("--name", required=True)
@click.option("--kind", type=click.Choice([k.value for k in AccountKind]), required=True)
@click.option("--role", "roles", type=click.Choice([r.value for r in Role]), multiple=True, required=True)
@click.option("--institute", type=int, default=None, help="技术机构编号")
@click.option("--area", default=None, help="监管辖区前缀，2、4 或 6 位")
@click.option("--email", default=None)
@command
def account(
    username: str,
    new_name: str,
    name: str,
    kind: str,
    roles: tuple[str, ...],
    institute: int | None,
    area: str | None,
    email: str | None,
) -> None:
    """派发账号，打印一次性激活链接。"""
    with acting_as(principal(username)) as actor:
        made, token = accounts.issue_account(
            db.session(),
            actor,
            kind=AccountKind(kind),
            username=new_name,
            name=name,
            roles=[Role(r) for r in roles],
            institute_id=institute,
            area=area,
            email=email,
        )
        _settle()
    click.echo(f"已派发账号 {new_name}（编号 {made.id}），激活链接：\n{accounts.activation_url(token)}")


@click.command("file-instruments")
@click.argument("instruments", type=int, nargs=-1, required=True)
@click.option("--as", "username", required=True)
@click.option("--institute", type=int, required=True)
@command
def file(instruments: tuple[int, ...], username: str, institute: int) -> None:
    """提交备案（含责任声明）。"""
    with acting_as(principal(username)) as actor:
        data = {"institute_id": institute, "declaration": True}
        result = submit_filings(db.session(), actor, instruments, data)
        _settle()
    click.echo(result.sentence)
    for what, why in result.skipped:
        click.echo(f"  {what}：{why}", err=True)


@click.command("book-instruments")
@click.argument("instruments", type=int, nargs=-1, required=True)
@click.option("--as", "username", required=True)
@click.option("--slot", type=int, required=True)
@command
def book(instruments: tuple[int, ...], username: str, slot: int) -> None:
    """预约检定。"""
    with acting_as(principal(username)) as actor:
        made = book_operation(db.session(), actor, instrument_ids=instruments, slot_id=slot)
        _settle()
    click.echo(f"预约单 {made.number}（编号 {made.id}）")


@click.command("record-result")
@click.argument("item", type=int)
@click.option("--as", "username", required=True)
@click.option("--conclusion", type=click.Choice(["pass", "fail"]), required=True)
@click.option("--on", "day", type=click.DateTime(["%Y-%m-%d"]), default=None)
@click.option("--cycle", type=int, default=12, show_default=True, help="检定周期（月）")
@click.option("--place", default="现场")
@click.option("--failures", default="")
@command
def record(
    item: int, username: str, conclusion: str, day: datetime | None, cycle: int, place: str, failures: str
) -> None:
    """录入检定结果，生成证书草稿。"""
    on: date = day.date() if day else clock.today()
    form = {
        "conclusion": conclusion,
        "verified_on": on,
        "cycle_months": cycle,
        "place": place,
        "temperature": "20℃",
        "humidity": "50%RH",
        "readings": [["外观", "符合要求", "完好"]],
        "failures": failures,
    }
    with acting_as(principal(username)) as actor:
        made = record_result(db.session(), actor, item, form)
        _settle()
    click.echo(f"证书草稿编号 {made.id}")
