"""Commands about people and bodies: the first administrator, units, institutes."""

from __future__ import annotations

import json

import click
from sqlalchemy import select

from app.access.principal import as_system
from app.operations.account import activation_url, create_admin, issue_account
from app.operations.institute import all_categories, authorise, create_institute, next_workdays, open_slots
from models import Institute, Unit
from models.base import db
from models.enums import AccountKind, Role
from views.cli import command

LEVEL_WORDS = {"province": "省级", "city": "市级", "county": "区县级"}


@click.group()
def user() -> None:
    """账号。"""


@user.command("create-admin")
@click.option("--username", prompt="账号", help="4～20位字母或数字")
@click.option("--name", prompt="姓名")
@click.option("--password", default=None, help="密码；不给则打印一次性激活链接")
@command
def create_admin_command(username: str, name: str, password: str | None) -> None:
    """建立系统管理员（唯一不经审核的账号）。"""
    account, token = create_admin(db.session(), username=username, name=name, password=password)
    db.session.commit()
    if password is None:
        click.echo(f"已建立管理员 {username}，请在72小时内打开链接设置密码：\n{activation_url(token)}")
    else:
        click.echo(f"已建立管理员 {username}（{account.name}），可以登录。")


@user.command("issue")
@click.option("--kind", required=True, type=click.Choice([k.value for k in AccountKind]), help="账号类型")
@click.option("--role", "roles", multiple=True, required=True, type=click.Choice([r.value for r in Role]), help="角色")
@click.option("--username", required=True, help="4～20位字母或数字")
@click.option("--name", required=True, help="姓名")
@click.option("--email", default=None)
@click.option("--phone", default=None)
@click.option("--institute", default=None, help="技术机构的代号")
@click.option("--area", default=None, help="监管人员的辖区：行政区划代码的前2、4或6位")
@click.option("--id-number", default=None, help="专家的身份证号")
@command
def issue_command(kind: str, roles: tuple[str, ...], institute: str | None, **facts: str | None) -> None:
    """派发账号并打印一次性激活链接；密码由本人设置。"""
    session = db.session()
    with as_system("the command line belongs to the operator") as system:
        key = session.scalar(select(Institute.id).where(Institute.code == institute)) if institute else None
        account, token = issue_account(
            session, system, kind=AccountKind(kind), roles=[Role(r) for r in roles], institute_id=key, **facts
        )
        session.commit()
    click.echo(
        f"已派发 {account.user.username}（{account.name}），请在72小时内打开链接设置密码：\n{activation_url(token)}"
    )


@click.group()
def unit() -> None:
    """使用单位。"""


@unit.command("list")
@click.option("--json", "as_json", is_flag=True, help="以 JSON 输出")
@command
def list_units(as_json: bool) -> None:
    """列出已审核的使用单位。"""
    with as_system("the command line belongs to the operator"):
        rows = db.session.execute(select(Unit.code, Unit.name).where(Unit.active).order_by(Unit.code)).all()
    if as_json:
        click.echo(json.dumps([{"code": code, "name": name} for code, name in rows], ensure_ascii=False))
        return
    for code, name in rows:
        click.echo(f"{code}  {name}")
    click.echo(f"共 {len(rows)} 个单位")


@click.group()
def institute() -> None:
    """计量技术机构。"""


@institute.command("create")
@click.option("--name", required=True, help="机构名称")
@click.option("--code", required=True, help="机构代号，出现在证书编号中")
@click.option("--division", required=True, help="所在地行政区划代码，决定机构级别")
@click.option("--address", default="")
@click.option("--phone", default="")
@click.option("--slots", default=20, show_default=True, help="每个时段可约台数；0 表示不开放时段")
@command
def create(name: str, code: str, division: str, address: str, phone: str, slots: int) -> None:
    """建立技术机构，登记全部强检种别的授权并开放今后30个工作日的时段。"""
    from app import clock

    session = db.session()
    with as_system("the command line belongs to the operator"):
        made = create_institute(session, name=name, code=code, division_code=division, address=address, phone=phone)
        count = authorise(session, made, all_categories(session))
        if slots:
            open_slots(session, made, next_workdays(session, clock.today(), 30), capacity=slots)
        session.commit()
    click.echo(f"已建立 {name}（编号 {made.id}，{LEVEL_WORDS[made.level]}），授权种别 {count} 项。")
