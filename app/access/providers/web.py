"""Talking to providers: short waits, no redirects, and nothing of what was said in the log."""

from __future__ import annotations

import logging
from typing import Any

import httpx

from app.access.providers import IdentityRefusedError

# httpx logs every address in full, and QQ wants its secret in the address
logging.getLogger("httpx").setLevel(logging.WARNING)
TIMEOUT = httpx.Timeout(8.0, connect=4.0)  # seconds; a web worker waits for this


def fetch(method: str, address: str, **kwargs: Any) -> dict[str, Any]:
    """The JSON object that the provider answers; anything else is a refusal."""
    try:
        answer = httpx.request(method, address, timeout=TIMEOUT, follow_redirects=False, **kwargs)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise IdentityRefusedError(f"provider not reached: {type(error).__name__}") from None
    if not answer.is_success:
        raise IdentityRefusedError(f"provider answered {answer.status_code}")
    try:
        said = answer.json()
    except ValueError:
        raise IdentityRefusedError("provider answered no JSON") from None
    if not isinstance(said, dict):
        raise IdentityRefusedError("provider answered no object")
    return said
