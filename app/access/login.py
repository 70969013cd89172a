"""The log-in page: FAB's view with our ways in, and what happens once somebody has proved who he is.

Every way in ends at `enter`: password here, phone code in views/login.py, other providers in their own views. It asks
for the dynamic code where the account has one, gives the browser a new session and writes the audit line.
"""

from __future__ import annotations

from typing import Any

from flask import current_app, flash, g, redirect, render_template, request, session
from flask_appbuilder import expose
from flask_appbuilder.security.views import AuthDBView
from flask_babel import gettext
from flask_babel import lazy_gettext as _
from flask_login import login_user
from flask_wtf import FlaskForm
from wtforms import BooleanField, PasswordField, RadioField, StringField

from app import clock
from app.access import captcha, second_factor
from app.access.passwords import is_privileged
from app.access.providers import offered
from app.errors import InvalidInputError, SwitchedOffError
from app.fab.urls import local_path
from app.profiles import setting
from models.account import Account
from models.enums import AccountKind

HALF_LIFETIME = 300  # seconds between the password and the dynamic code
LEDGER = "/instruments/list/"
STAFF = (AccountKind.INSTITUTE, AccountKind.REGULATOR, AccountKind.AUDITOR, AccountKind.ADMIN, AccountKind.SECURITY)
TYPES: dict[str, tuple[Any, frozenset[str]]] = {
    "enterprise": (_("企业"), frozenset({AccountKind.ENTERPRISE})),
    "individual": (_("个人"), frozenset({AccountKind.INDIVIDUAL})),
    "institute": (_("机构"), frozenset(STAFF)),  # the offices that run the platform have no word of their own there
    "expert": (_("专家"), frozenset({AccountKind.EXPERT})),
}
"""用户类型 of S1 and S3, and the kinds of account behind each word."""
REMEMBERED = frozenset({AccountKind.ENTERPRISE, AccountKind.INDIVIDUAL})


def way_back(default: str) -> str:
    """Where the person wanted to go: `next` when it is a path of this site. Flask-AppBuilder writes its own addresses
    whole; of those the part before the path is cut off, so that what is left can never lead away."""
    return local_path((request.args.get("next") or "").removeprefix(request.host_url.rstrip("/")), default)


class LoginForm(FlaskForm):
    """Name and password; which of the other fields are shown is the profile's choice."""

    user_type = RadioField(
        _("用户类型"), choices=[(k, word) for k, (word, _kinds) in TYPES.items()], validate_choice=False
    )
    username = StringField(_("用户名、手机号或统一社会信用代码"))
    password = PasswordField(_("密码"))
    remember = BooleanField(_("记住密码"))


class AuthView(AuthDBView):
    """The answer to a wrong name, a wrong password and a wrong user type is the same."""

    login_template = "appbuilder/general/security/login_db.html"
    exclude_route_methods = {"logout"}

    @expose("/login/", methods=["GET", "POST"])
    def login(self) -> Any:
        """Show the form, or try what was typed."""
        return self._page(gettext("登录"), "/home/")

    @expose("/login/regulator", methods=["GET", "POST"])
    def regulator(self) -> Any:
        """监督检查部门登录: regulators alone, and they land on the ledger of their area (LOG-05)."""
        if not setting("login", "regulator_entry"):
            raise SwitchedOffError
        return self._page(gettext("监督检查部门登录"), LEDGER, frozenset({AccountKind.REGULATOR}))

    def _page(self, title: str, home: str, kinds: frozenset[str] | None = None) -> Any:
        target = way_back(home)
        if g.user is not None and g.user.is_authenticated:
            return redirect(target)
        form, errors = LoginForm(), {}
        selector = kinds is None and bool(setting("login", "type_selector"))
        if request.method == "POST" and form.validate():
            try:
                captcha.check_form("login")
                answer = self._try(form, target, _kinds_of(form) if selector else kinds)
                if answer is not None:
                    return answer
            except InvalidInputError as error:
                errors = error.problems
        page = login_page(title, form, errors=errors, selector=selector, regulator=kinds is not None)
        return page, (422 if request.method == "POST" else 200)

    def _try(self, form: LoginForm, target: str, kinds: frozenset[str] | None) -> Any:
        proof = self.appbuilder.sm.prove(form.username.data or "", form.password.data or "", kinds)
        if proof.account is not None:
            return enter(proof.account, "password", remember=bool(form.remember.data), target=target)
        if proof.closed:
            flash(gettext("账号已注销，如需继续使用请重新注册。"), "warning")
        else:
            flash(gettext("账号或密码错误，或账号已被锁定。连续5次错误将锁定15分钟。"), "warning")
        return None


def login_page(
    title: str,
    form: LoginForm,
    *,
    errors: dict[str, str] | None = None,
    selector: bool = False,
    regulator: bool = False,
    phone: str | None = None,
) -> str:
    """The page with every way in that the profile offers; `errors` are sentences by field, `phone` what was
    typed for a code, None when that way is not in use."""
    methods = setting("login", "methods")
    return render_template(
        AuthView.login_template,
        title=title,
        form=form,
        errors=errors or {},
        selector=selector,
        regulator=regulator,
        phone=phone,
        phone_way="phone_code" in methods and not regulator,
        providers=[] if regulator else offered(),
        remember=bool(setting("login", "remember")) and not regulator,
        recoverable=setting("recovery", "mode") != "sso",
        first_way=methods[0],
        back=request.args.get("next", ""),
    )


def _kinds_of(form: LoginForm) -> frozenset[str]:
    if form.user_type.data not in TYPES:
        raise InvalidInputError(gettext("请选择“用户类型”。"), field="user_type")
    return TYPES[form.user_type.data][1]


def enter(
    account: Account, method: str, *, remember: bool = False, target: str = "/home/", confirmed: bool = False
) -> Any:
    """Let in somebody who has just proved to be this account's person; answers with the way on.

    With a second factor the browser gets a mark only, good for five minutes and five codes; nobody is logged in yet.
    `confirmed`: the proof is as good as the password typed again (a provider's fresh answer).
    """
    session.clear()
    session["fresh"] = True  # a new key: one planted before is worth nothing
    remember = remember and may_be_remembered(account)
    if not second_factor.switched_on(account):
        return complete(account, method, remember=remember, target=target, confirmed=confirmed)
    session["half"] = {
        "account": account.id,
        "epoch": account.session_epoch,
        "at": clock.now().timestamp(),
        "method": method,
        "remember": remember,
        "target": target,
        "confirmed": confirmed,
    }
    return redirect("/login/code")


def may_be_remembered(account: Account) -> bool:
    """记住密码 is for the portal: enterprises and persons, where the profile offers it, and never a privileged role."""
    return bool(setting("login", "remember")) and account.kind in REMEMBERED and not is_privileged(account.roles)


def complete(account: Account, method: str, *, remember: bool, target: str, confirmed: bool = False) -> Any:
    """Log in for good: session, audit line, way on."""
    session.clear()
    g.account = account  # the session row names its account from its first moment on
    session["fresh"] = True
    session["epoch"], session["method"] = account.session_epoch, method
    if confirmed:
        session["confirmed_at"] = clock.now().timestamp()
    session.remembered = remember  # type: ignore[attr-defined] # ours: see DatabaseSessions
    login_user(account.user, remember=False)
    current_app.appbuilder.sm.note_entry(account, method)  # type: ignore[attr-defined]
    return redirect(target)
