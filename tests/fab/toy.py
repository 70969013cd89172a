"""A small application over the base classes: two tables, one view each, on a throw-away PostgreSQL."""

from __future__ import annotations

import datetime
import tempfile
from pathlib import Path
from typing import Any

from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from flask import Flask, flash, jsonify, render_template
from flask_appbuilder import AppBuilder, action
from flask_appbuilder.models.sqla.base import SQLA
from flask_wtf.csrf import CSRFProtect
from markupsafe import Markup
from sqlalchemy import (
    Boolean,
    CheckConstraint,
    Date,
    DateTime,
    ForeignKey,
    Index,
    Integer,
    String,
    UniqueConstraint,
    func,
    text,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

from app.fab.crud import CrudView
from app.fab.csp import init_headers
from app.fab.dberrors import register_sentences
from app.fab.errors import init_errors
from app.fab.face import Face, NavLink, init_face
from app.fab.filters import Equal
from app.fab.interface import PGInterface
from app.fab.locale import init_locale
from app.fab.menu import MenuItem, SideMenu, init_menu
from app.fab.parts import Button, DetailTab, Tab
from app.fab.refusals import FormRefused
from app.fab.security import CachedSecurityManager

ROOT = Path(__file__).resolve().parents[2]

BIGRAMS = """
create or replace function bigrams(t text) returns text[] language sql immutable strict parallel safe as
$$ select string_to_array(t,null) || array_agg(substr(t,i,2)) from generate_series(1,length(t)-1) i $$;
create or replace function fold_number(t text) returns text language sql immutable strict parallel safe as $$ select t $$
"""
STATES = [
    ("in_use", "在用", "ok"),
    ("due", "即将到期", "warn"),
    ("overdue", "已超期", "danger"),
    ("sealed", "封存", "muted"),
    ("draft", "草稿", "info"),
]


class Model(DeclarativeBase):
    """A base of its own: the toy's tables are no part of the platform's schema."""


class ToyUnit(Model):
    __tablename__ = "toy_unit"
    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    name: Mapped[str] = mapped_column(String(100), comment="单位名称", info={"gram": True})
    region: Mapped[str] = mapped_column(String(6), comment="区划")

    def __str__(self) -> str:
        return self.name


class ToyDevice(Model):
    __tablename__ = "toy_device"
    __table_args__ = (
        UniqueConstraint("number", name="uq_toy_device_number"),
        CheckConstraint("price >= 0", name="ck_toy_device_price"),
        Index("ix_toy_device_due", "valid_until", "id"),
    )
    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    name: Mapped[str] = mapped_column(String(80), comment="器具名称", info={"gram": True})
    number: Mapped[str] = mapped_column(String(40), comment="出厂编号", info={"number": True})
    spec: Mapped[str | None] = mapped_column(String(40), comment="规格型号")
    status: Mapped[str] = mapped_column(String(10), default="draft", comment="状态")
    unit_id: Mapped[int] = mapped_column(ForeignKey("toy_unit.id"), comment="使用单位")
    valid_until: Mapped[datetime.date | None] = mapped_column(Date, comment="有效期至")
    checked_at: Mapped[datetime.datetime | None] = mapped_column(DateTime(timezone=True), comment="检定时间")
    price: Mapped[int | None] = mapped_column(Integer, comment="原值")
    mandatory: Mapped[bool] = mapped_column(Boolean, default=True, comment="强制检定")
    version: Mapped[int] = mapped_column(Integer, default=1)
    unit: Mapped[ToyUnit] = relationship(ToyUnit)

    def __str__(self) -> str:
        return f"{self.name} {self.number}"


class ToyUnitView(CrudView):
    datamodel = PGInterface(ToyUnit)
    noun, unit_word = "使用单位", "家"
    list_columns = show_columns = ["name", "region"]
    search_columns = ["name", "region"]
    add_columns = edit_columns = ["name", "region"]
    options_column = "name"


class ToyDeviceView(CrudView):
    datamodel = PGInterface(ToyDevice)
    noun, unit_word = "器具台账", "台"
    list_columns = ["name", "number", "spec", "unit.name", "status", "valid_until"]
    show_columns = ["name", "number", "spec", "unit.name", "status", "valid_until", "checked_at", "price", "mandatory"]
    search_columns = ["name", "number", "unit", "status", "valid_until", "mandatory", "price"]
    add_columns = ["name", "number", "spec", "unit", "valid_until", "price", "mandatory"]
    edit_columns = ["name", "number", "spec", "unit", "valid_until", "checked_at", "price", "mandatory"]
    order_columns = ["valid_until", "number"]
    label_columns = {"unit.name": "使用单位"}
    description_columns = {"number": "铭牌上的出厂编号，没有的填“无”。", "valid_until": "最近一次检定证书上的有效期。"}
    choices = {"status": STATES}
    state_column = "status"
    options_urls = {"unit": "ToyUnitView.options"}
    options_column = "name"
    action_needs_reason = frozenset({"seal"})

    def tabs(self) -> list[Tab]:
        return [
            Tab("全部", self.url("list"), 60, True),
            *(Tab(w, self.filter_url(status=v), 12) for v, w, _k in STATES[:4]),
        ]

    def list_buttons(self) -> list[Button]:
        return [Button("import", "批量导入", "/job", "get")]

    def row_buttons(self, item: Any) -> list[Button]:
        why = "草稿不能预约，请先提交备案。" if item.status == "draft" else None
        return [Button("book", "预约检定", "/job", "get", why_not=why)]

    def row_class(self, item: Any) -> str:
        return {"overdue": "row-danger", "sealed": "row-muted"}.get(item.status, "")

    def why_not(self, name: str, item: Any) -> str | None:
        if name == "seal" and item.status == "sealed":
            return "这台器具已经封存。"
        if name == "delete" and item.status == "in_use":
            return "在用器具不能删除，请先办理报废。"
        return None

    def detail_tabs(self, item: Any) -> list[DetailTab]:
        steps = [
            {"time": "2026-11-20 09:12", "who": "王*（杭州华源食品）", "what": "提交备案", "note": "", "kind": "info"},
            {
                "time": "2026-11-21 10:30",
                "who": "李*（上城区市场监管局）",
                "what": "准予备案",
                "note": "<b>资料</b>齐全",
                "kind": "ok",
            },
        ]
        return [
            DetailTab("history", "办理记录", "kinds/_history.html", {"steps": steps}),
            DetailTab("papers", "证书", html=Markup("<p>暂无</p>"), count=0),
        ]

    def pre_add(self, item: Any) -> None:
        if item.name == "拒绝":
            raise FormRefused("名称不能是“拒绝”，请填写铭牌上的名称。", "name")
        if item.name == "崩溃":
            raise KeyError("secret detail")

    @action("seal", "封存", "确定封存所选器具吗？封存期间不再提醒检定。")
    def seal(self, items: Any) -> None:
        rows = items if isinstance(items, list) else [items]
        for row in rows:
            row.status = "sealed"
        self.datamodel.session.commit()
        flash(f"已封存 {len(rows)} 台。", "success")


class ToyScopedView(ToyDeviceView):
    """The same table, narrowed: rows outside are foreign."""

    noun = "在用器具"
    base_filters = [["status", Equal, "in_use"]]

    def tabs(self) -> list[Tab]:
        return []


def face() -> Face:
    return Face(
        name="计量器具强制检定管理平台",
        owner="示例市市场监督管理局",
        short_name="权衡",
        hotline="0571-12345678",
        hotline_hours="工作日 8:30–17:30",
        search_hint="出厂编号、证书号、单位名称",
        portal_nav=(
            NavLink("首页", "/portal"),
            NavLink("器具查询", "/portal/instruments"),
            NavLink("证书核验", "/portal/certificates"),
            NavLink("注册", "/register"),
            NavLink("登录", "/login/"),
        ),
        login_links=(NavLink("注册使用单位", "/register"), NavLink("忘记密码", "/forgot")),
        account_links=(NavLink("我的账号", "/me", "user"), NavLink("修改密码", "/password", "lock")),
    )


def compiled_translations() -> str:
    """The zh catalogue compiled into a folder of its own; compiled files are not kept in the repository."""
    folder = Path(tempfile.mkdtemp())
    target = folder / "zh" / "LC_MESSAGES"
    target.mkdir(parents=True)
    with (ROOT / "translations/zh/LC_MESSAGES/messages.po").open("rb") as source:
        catalog = read_po(source, locale="zh")
    with (target / "messages.mo").open("wb") as out:
        write_mo(out, catalog)
    return str(folder)


def make_app(uri: str, **config: Any) -> Flask:
    app = Flask("app", root_path=str(ROOT / "app"))
    app.config.update(
        SECRET_KEY="toy",
        SQLALCHEMY_DATABASE_URI=uri,
        FAB_CREATE_DB=True,
        FAB_UPDATE_PERMS=True,
        APP_NAME="权衡",
        BABEL_DEFAULT_LOCALE="zh",
        LANGUAGES={"zh": {"flag": "cn", "name": "中文"}},
        BABEL_TRANSLATION_DIRECTORIES=compiled_translations(),
        FAB_BASE_TEMPLATE="layout.html",
        SQLALCHEMY_ENGINE_OPTIONS={"hide_parameters": True},
        WTF_CSRF_TIME_LIMIT=None,
        FAB_SAFE_REDIRECT_HOSTS=["localhost"],
        RATELIMIT_ENABLED=True,
        AUTH_RATE_LIMITED=True,
        AUTH_RATE_LIMIT="5 per minute",
        RATELIMIT_STORAGE_URI="memory://",
    )
    app.config.update(config)
    db = SQLA()
    init_headers(app)
    init_face(app, face)
    CSRFProtect(app)
    db.init_app(app)
    with app.app_context():
        db.session.execute(text(BIGRAMS))
        db.session.commit()
        Model.metadata.create_all(db.engine, tables=[ToyUnit.__table__, ToyDevice.__table__])
        appbuilder = AppBuilder(app, db.session, security_manager_class=CachedSecurityManager, update_perms=True)
        for view in (ToyUnitView, ToyDeviceView, ToyScopedView):
            appbuilder.add_view_no_menu(view)
        if not appbuilder.sm.find_user("admin"):
            appbuilder.sm.add_user("admin", "伟", "王", "a@example.cn", appbuilder.sm.find_role("Admin"), "Passw0rd-1")
    register_sentences(
        {
            "uq_toy_device_number": "出厂编号已登记，请核对铭牌或查找原有记录。",
            "ck_toy_device_price": "原值不能是负数。",
        }
    )
    init_menu(app, toy_menu())
    init_locale(app)
    init_errors(app)
    add_pages(app)
    app.toy_db = db
    return app


def toy_menu() -> SideMenu:
    admin = frozenset({"Admin"})
    return SideMenu(
        [
            MenuItem("home", "今日待办", href="/home", icon="home"),
            MenuItem(
                "device", "器具台账", "ToyDeviceView.list", icon="gauge", group="使用单位", roles=admin, badge="due"
            ),
            MenuItem("unit", "单位信息", "ToyUnitView.list", icon="building", group="使用单位", roles=admin),
            MenuItem("filing", "备案", href="/filing", icon="file", group="使用单位"),
            MenuItem("booking", "预约", href="/booking", icon="calendar", group="使用单位", badge="todo"),
            MenuItem("cert", "证书", href="/cert", icon="award", group="机构"),
            MenuItem("secret", "不可见", href="/secret", group="机构", roles=frozenset({"Nobody"})),
            MenuItem("stat", "统计分析", href="/stat", icon="chart", group="监管"),
            MenuItem("set", "系统设置", href="/set", icon="settings", group="监管"),
        ],
        counts=lambda: {"due": 12, "todo": 3},
    )


def add_pages(app: Flask) -> None:
    job = {"state": "running", "title": "批量导入器具台账", "done": 4210, "total": 12340, "skipped": 12, "failed": 3}

    @app.get("/portal")
    def portal():
        return render_template("toy/portal.html")

    @app.get("/job")
    def job_page():
        return render_template(
            "kinds/job.html",
            base_template="layout.html",
            title="批量导入器具台账",
            job=job,
            poll_url="/job.json",
            cancel_url="/job/cancel",
            back_url="/toydeviceview/list/",
            back_label="返回器具台账",
        )

    @app.get("/job.json")
    def job_json():
        return jsonify({**job, "left_seconds": 95, "message": "正在核对第 4,211 行"})

    @app.get("/wizard")
    def wizard():
        return render_template("toy/wizard.html")

    @app.get("/home")
    def home():
        return render_template("toy/home.html")

    @app.get("/boom")
    def boom():
        raise RuntimeError("secret detail")


def fill(app: Flask, rows: int = 60) -> None:
    db = app.toy_db
    with app.app_context():
        if db.session.scalar(db.select(func.count()).select_from(ToyDevice)):
            return
        units = [
            ToyUnit(id=i, name=n, region=r)
            for i, (n, r) in enumerate(
                [
                    ("杭州华源食品股份有限公司", "330102"),
                    ("上城区人民医院", "330102"),
                    ("<script>alert(1)</script>有限公司", "330106"),
                    ("西湖加油站", "330106"),
                ],
                1,
            )
        ]
        db.session.add_all(units)
        db.session.flush()
        names = ["一般压力表", "血压计", "电子计价秤", "燃油加油机", "<img src=x onerror=alert(2)>", "出租汽车计价器"]
        for i in range(rows):
            db.session.add(
                ToyDevice(
                    name=names[i % 6],
                    number=f"2026{i:06d}",
                    spec=f"Y-{60 + i}",
                    status=STATES[i % 5][0],
                    unit_id=i % 4 + 1,
                    valid_until=datetime.date(2026, 1, 1) + datetime.timedelta(days=i * 3),
                    price=1000 + i,
                    checked_at=datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC),
                )
            )
        db.session.execute(text("select setval('toy_unit_id_seq', 100)"))
        db.session.commit()
