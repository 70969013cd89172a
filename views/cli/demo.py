"""`demo load`: a demonstration world through the same operations."""

from __future__ import annotations

import click

from app.operations.demo import load_demo
from models.base import db
from views.cli import command


@click.group()
def demo() -> None:
    """演示数据。"""


@demo.command("load")
@click.option("--units", default=20, show_default=True, help="企业数")
@click.option("--instruments", default=2000, show_default=True, help="器具数")
@click.option("--seed", default=1, show_default=True, help="随机种子")
@command
def load(units: int, instruments: int, seed: int) -> None:
    """装入演示世界：一省三市、三级机构、企业和各种状态的器具，并打印当场生成的账号密码。"""
    from views.cli.system import setup

    setup.callback.__wrapped__()  # type: ignore[union-attr]
    with click.progressbar(length=100, label="正在生成演示数据") as bar:
        people = load_demo(db.session(), units=units, instruments=instruments, seed=seed, progress=bar.update)
    if not people:
        click.echo("演示数据已装入；账号密码只在装入时显示一次，如需重新装入，请换一个空的数据目录。")
    for line in people:
        click.echo(f"{line.role:<14}{line.username:<14}{line.password:<18}{line.note}")
