"""One-time activation links on pages of accounts: shown once by the answer to a POST, and made anew on demand."""

from __future__ import annotations

from typing import Any

from flask import flash, make_response, redirect
from flask_appbuilder import expose
from flask_appbuilder.security.decorators import has_access
from flask_babel import gettext

from app.errors import QuanhengError
from app.fab.parts import Button
from app.operations.account import activation_url, renew_link
from app.workflow.account import TRUSTED
from models.account import Account
from models.base import db
from models.enums import AccountState
from models.types import mask_phone
from views.workflow_view import WorkflowView, me


class LinkView(WorkflowView):
    """A list of accounts whose links its reader hands out. Add can_renew to base_permissions and grants."""

    def renew_buttons(self, item: Any, ask: str = "") -> list[Button]:
        """重新发送激活链接, while the account waits to be activated."""
        if item.state != AccountState.INVITED or not self.may("renew"):
            return []
        ask = ask or gettext("原激活链接立即失效，确定重新生成吗？")
        return [Button("renew", gettext("重新发送激活链接"), self.url("renew", pk=item.id), confirm=ask)]

    @expose("/renew/<pk>", methods=["POST"])
    @has_access
    def renew(self, pk: str) -> Any:
        """A new activation link; the old one dies."""
        item = self.load_item(pk)
        try:
            made, token = renew_link(db.session(), me(), item.id)
        except QuanhengError as error:
            db.session.rollback()
            flash(error.sentence, "danger")
            return redirect(self.url("show", pk=pk), 303)
        return self.renewed(made, token)

    def renewed(self, account: Account, token: str) -> Any:
        """The answer after a new link was made."""
        return self.link_page(account, token, gettext("激活链接已重新生成"))

    def link_page(self, account: Account, token: str, title: str) -> Any:
        """Shown by the answer to the POST itself: the link is kept nowhere and no address leads here again. Nobody but
        the person sees the link of an auditor or security administrator."""
        page = self.render_template(
            "pages/account_link.html",
            title=title,
            account=account,
            link="" if account.kind in TRUSTED else activation_url(token),
            waits=not token,
            phone=mask_phone(account.phone),
            view=self,
        )
        answer = make_response(page)
        answer.headers["Cache-Control"] = "no-store"
        return answer
