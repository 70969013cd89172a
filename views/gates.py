"""What must be done before anything else: a gate names the page where a logged-in person has to go first.

A gate is a function of the account that gives an address, or None when the way is free. Pages of the gates
themselves, logging out and static files stay reachable.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from flask import Flask, g, jsonify, redirect, request
from flask_babel import gettext

from models.account import Account

Gate = Callable[[Account], str | None]
GATES: list[Gate] = []
OPEN = ("/static/", "/logout/", "/brand.css", "/text-size/", "/healthz", "/login/", "/me/confirm")


def gate(function: Gate) -> Gate:
    """Register a gate; those registered first are asked first."""
    GATES.append(function)
    return function


def init_gates(app: Flask) -> None:
    """Ask the gates after the edge has said who acts."""

    @app.before_request
    def ask() -> Any:
        account = g.get("account")
        if account is None or request.path.startswith(OPEN):
            return None
        for function in GATES:
            address = function(account)
            if address is None:
                continue
            if request.path.startswith(address.split("?", 1)[0]):
                return None
            if request.path.startswith("/api/"):
                return jsonify(error=gettext("请先在网页上完成：%(page)s", page=address)), 403
            return redirect(address, 303)
        return None
