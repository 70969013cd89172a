"""The log-in page: FAB's view with our words and a way back that stays on this site."""

from __future__ import annotations

from typing import Any

from flask import flash, redirect, request, session
from flask_appbuilder import expose
from flask_appbuilder.security.forms import LoginForm_db
from flask_appbuilder.security.views import AuthDBView
from flask_babel import gettext
from flask_login import login_user, logout_user

from app.fab.urls import local_path


class AuthView(AuthDBView):
    """User name or phone, and password. The answer to a wrong name and to a wrong password is the same."""

    login_template = "appbuilder/general/security/login_db.html"

    @expose("/login/", methods=["GET", "POST"])
    def login(self) -> Any:
        """Show the form, or try what was typed; a new session key from the moment somebody is logged in."""
        from flask import g

        target = local_path(request.args.get("next"), "/home/")
        if g.user is not None and g.user.is_authenticated:
            return redirect(target)
        form = LoginForm_db()
        if form.validate_on_submit():
            user = self.appbuilder.sm.auth_user_db(form.username.data, form.password.data)
            if user is not None:
                session.clear()
                session.permanent = True
                session.modified = True
                session["fresh"] = True
                login_user(user, remember=False)
                return redirect(target)
            flash(gettext("账号或密码错误，或账号已被锁定。连续5次错误将锁定15分钟。"), "warning")
        return self.render_template(
            self.login_template, title=gettext("登录"), form=form, appbuilder=self.appbuilder
        ), (422 if request.method == "POST" else 200)

    @expose("/logout/", methods=["POST"])
    def logout(self) -> Any:
        """End the session on the server, not only in the browser."""
        logout_user()
        session.clear()
        session.modified = True
        answer = redirect("/")
        answer.headers["Clear-Site-Data"] = '"cache", "storage"'
        return answer
