"""Where an act came from: the client's address and the request's id, when there is a request."""

from __future__ import annotations

from flask import g, has_request_context, request


def request_facts() -> tuple[str | None, str | None]:
    """(address, request id), or (None, None) in jobs and commands."""
    if not has_request_context():
        return None, None
    return request.remote_addr, g.get("request_id")


def through_api() -> bool:
    """Whether the act came in through REST."""
    return has_request_context() and request.path.startswith("/api/")
