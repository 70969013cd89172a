"""Commands about personal data: keys, export, erasure, retention, whom a breach affects."""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import datetime
from pathlib import Path

import click

from app import clock
from app.access.principal import as_system
from app.errors import InvalidInputError
from app.operations.key_rotation import rotate, standing
from app.operations.personal import account_named, affected, export_person
from app.operations.retention import erase_on_request, run_retention
from models.base import db
from models.types import mask_name, newest_key
from views.cli import command

WORDS = {
    "unverified": "未验证的注册",
    "closed": "已注销账号",
    "papers": "身份证明材料",
    "recoveries": "线下找回申请",
    "imports": "过期的导入明细",
    "files": "无引用的文件",
}
MOMENT = click.DateTime(["%Y-%m-%d", "%Y-%m-%dT%H:%M", "%Y-%m-%d %H:%M"])


@click.group()
def personal() -> None:
    """个人信息。"""


@personal.command("rotate-key")
@click.option("--resume", is_flag=True, help="不生成新密钥，继续上次中断的更换")
@command
def rotate_key(resume: bool) -> None:
    """生成新的个人信息密钥，并以新密钥重新加密全部数据；期间照常使用。"""
    told: dict[str, int] = {}

    def progress(place: str, count: int) -> None:
        if place not in told or count - told[place] >= 10_000:
            told[place] = count
            click.echo(f"  {place}：{count}", err=True)

    report = rotate(db.engine, new_key=not resume, progress=progress)
    for place, count in sorted(report.rows.items()):
        click.echo(f"{place}：{count}")
    for place, count in sorted(report.unreadable.items()):
        click.echo(f"{place}：有 {count} 行无法解密，保持原样，请核对备份", err=True)
    total = sum(report.rows.values())
    speed = f"，每秒{total / report.seconds:.0f}行" if total else ""
    click.echo(f"密钥 {report.key}：共{total}行、{report.files}个文件，用时{report.seconds:.1f}秒{speed}。")


@personal.command("keys")
@click.option("--json", "as_json", is_flag=True, help="以 JSON 输出")
@command
def keys(as_json: bool) -> None:
    """列出各列数据分别由哪个密钥加密。"""
    found = standing(db.engine)
    if as_json:
        click.echo(json.dumps({"newest": newest_key(), "columns": found}, ensure_ascii=False))
        return
    for place, counts in sorted(found.items()):
        click.echo(f"{place}：" + "，".join(f"{key} {n}行" for key, n in sorted(counts.items())))
    click.echo(f"当前密钥：{newest_key()}")


@personal.command("export")
@click.argument("username")
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), required=True, help="压缩包的位置")
@command
def export(username: str, out: Path) -> None:
    """导出一个人的全部个人信息（依本人申请），并记入审计日志。"""
    with as_system("the operator hands out a person's data on request"):
        account = account_named(db.session(), username)
        data = export_person(db.session(), account)
        db.session.commit()
    out.touch(mode=0o600)
    out.write_bytes(data)
    click.echo(f"已导出到 {out}，{len(data)}字节。")


@personal.command("affected")
@click.option("--from", "begin", type=MOMENT, required=True, help="开始时间（北京时间）")
@click.option("--to", "end", type=MOMENT, required=True, help="结束时间（不含）")
@click.option("--json", "as_json", is_flag=True, help="以 JSON 输出")
@command
def affected_command(begin: datetime, end: datetime, as_json: bool) -> None:
    """列出一段时间内被完整查看或导出过的个人信息：谁、哪条记录、哪个字段、为什么。"""
    zone = clock.ZONE
    found = affected(db.session(), begin.replace(tzinfo=zone), end.replace(tzinfo=zone))
    if as_json:
        click.echo(json.dumps([asdict(r) for r in found], ensure_ascii=False, default=str))
        return
    for r in found:
        at = r.at.astimezone(zone).strftime("%Y-%m-%d %H:%M:%S")
        who = f"{mask_name(r.who)}（{r.who_id}）" if r.who_id else r.who
        click.echo(f"{at}  {who}  {r.action}  {r.entity} {r.entity_id} {r.field}  {r.reason}")
    rows = {(r.entity, r.entity_id) for r in found}
    click.echo(f"共 {len(found)} 次，涉及 {len(rows)} 条记录。")


@personal.command("erase")
@click.argument("username")
@click.option("--reason", required=True, help="依据，例如来信日期和编号")
@click.option("--yes", is_flag=True, help="不再询问")
@command
def erase(username: str, reason: str, yes: bool) -> None:
    """注销账号并清除个人信息（《个人信息保护法》第四十七条）；有未办结事项时拒绝。"""
    if not yes and not click.confirm(f"清除后无法恢复，确定清除账号 {username} 的个人信息吗？"):
        raise InvalidInputError("没有清除。")
    with as_system("erasure asked for in writing (PIPL 47)"):
        account = account_named(db.session(), username)
    erase_on_request(db.session(), account, reason)
    db.session.commit()
    click.echo(f"账号 {username} 的个人信息已清除。")


@personal.command("retention")
@click.option("--dry-run", is_flag=True, help="只统计，不清除")
@command
def retention(dry_run: bool) -> None:
    """清除到期的个人信息（每天夜间自动运行）。"""
    report = run_retention(db.session(), dry_run=dry_run)
    verb = "将清除" if dry_run else "已清除"
    click.echo(f"{verb}：" + "，".join(f"{WORDS[name]}{count}" for name, count in report.items()) + "。")
