"""How often one address, number or person may do something. Counts stand in Redis and are shared by all processes.

When Redis is lost the answer is "not now" (503), never "as often as you like": a limit that opens under attack is none.
A limit is written as the `limits` library reads it: "30 per minute", "5 per 15 minutes".
"""

from __future__ import annotations

import time
from typing import Any

from flask import current_app, request
from limits import RateLimitItem, parse
from limits.storage import storage_from_string
from limits.strategies import MovingWindowRateLimiter
from redis.exceptions import RedisError

from app.errors import LimitsLostError, TooOftenError

PREFIX = "quanheng"


def _limiter() -> Any:
    """One limiter per process; its connections are made when first needed."""
    if "limits" not in current_app.extensions:
        options = {"socket_timeout": 2, "socket_connect_timeout": 2}
        storage = storage_from_string(str(current_app.config["RATELIMIT_STORAGE_URI"]), **options)
        current_app.extensions["limits"] = MovingWindowRateLimiter(storage)
    return current_app.extensions["limits"]


def hit(key: str, limit: str) -> None:
    """Count one use of `key`. Raises TooOftenError with the seconds to wait, LimitsLostError when Redis is away."""
    item = parse(limit)
    try:
        if not _limiter().hit(item, PREFIX, key):
            raise _too_often(item, key)
    except RedisError as error:
        raise LimitsLostError from error


def check(key: str, limit: str) -> None:
    """Refuse as `hit` does when the limit is reached, without counting: for limits on failures alone."""
    item = parse(limit)
    try:
        if not _limiter().test(item, PREFIX, key):
            raise _too_often(item, key)
    except RedisError as error:
        raise LimitsLostError from error


def _too_often(item: RateLimitItem, key: str) -> TooOftenError:
    stats = _limiter().get_window_stats(item, PREFIX, key)
    return TooOftenError(int(stats.reset_time - time.time()) + 1)


def by_address(what: str) -> str:
    """The key of this request's address for one kind of act."""
    return f"{what}:{request.remote_addr or 'unknown'}"
