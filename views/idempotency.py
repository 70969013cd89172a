"""`Idempotency-Key`: a caller that lost the answer sends the request again and learns what the first one did (I-23).

The key is the caller's own, printable, of at most 100 signs, and counts for one account for a day. Requests under one key
wait for each other; what the first did is kept in the transaction of the act itself, so there is either both or neither.
An act that was refused leaves nothing: the repetition asks again.
"""

from __future__ import annotations

import hashlib

from flask import Flask, Response, current_app, g, request
from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert

from app.access.principal import current_principal
from app.errors import ConflictError, InvalidInputError
from models.base import db
from models.idempotency import IdempotencyKey

HEADER = "Idempotency-Key"
LONGEST = 100
MOST_BYTES = 64_000
"""Longer answers are not kept; the repetition then learns only that the act is done."""
LOCK_SPACE = 7_302
DONE = "该请求已经办理，请刷新页面或重新查询后查看结果。"
CHANGING = frozenset({"POST", "PUT", "PATCH", "DELETE"})


def asked_again() -> Response | None:
    """The kept answer when this request was already done; else None, with the key held until the end of the request.

    Raises InvalidInputError for a key that is none or that stands for another request, ConflictError when the act is done
    and its answer was not kept.
    """
    key = request.headers.get(HEADER, "").strip()
    principal = current_principal()
    if not key or request.method not in CHANGING or principal is None or principal.account_id is None:
        return None
    if len(key) > LONGEST or not key.isascii() or not key.isprintable():
        raise InvalidInputError(f"“{HEADER}”须为1～{LONGEST}个可打印的英文字符、数字或符号。")
    session, account = db.session(), principal.account_id
    lock = int.from_bytes(hashlib.sha256(f"{account} {key}".encode()).digest()[:4], "big", signed=True)
    session.execute(select(func.pg_advisory_xact_lock(LOCK_SPACE, lock)))
    statement = select(IdempotencyKey).where(IdempotencyKey.account_id == account, IdempotencyKey.key == key)
    kept = session.execute(statement).scalar_one_or_none()
    print_of = _fingerprint()
    if kept is None:
        g.idempotency = (account, key, print_of)
        return None
    if kept.request_hash != print_of:
        raise InvalidInputError(f"该“{HEADER}”已用于另一个请求，请为本次请求换一个新的值。")
    if kept.answer is None and kept.location is None:
        raise ConflictError(DONE)
    answer: Response = current_app.make_response((kept.answer or "", kept.status))
    answer.mimetype = "application/json" if kept.answer is not None else "text/html"
    if kept.location is not None:
        answer.headers["Location"] = kept.location
    answer.headers["Idempotent-Replayed"] = "true"
    return answer


def keep_answer(response: Response) -> None:
    """Add what was answered to the transaction of the act; the edge commits both."""
    held = g.pop("idempotency", None)
    if held is None:
        return
    account, key, print_of = held
    json = response.mimetype == "application/json" and not response.is_streamed
    body = response.get_data(as_text=True) if json else None
    row = {
        "account_id": account,
        "key": key,
        "request_hash": print_of,
        "status": response.status_code,
        "location": response.location[:500] if response.location else None,
        "answer": body if body is not None and len(body) <= MOST_BYTES else None,
    }
    statement = insert(IdempotencyKey).values(row).on_conflict_do_nothing().returning(IdempotencyKey.id)
    if db.session.execute(statement).scalar() is None:
        # the page rolled back on its way and so let go of the key; whoever came in between has acted, this one has not
        db.session.rollback()
        response.status_code = ConflictError.status
        response.set_data(DONE)
        response.mimetype = "text/plain"


def _fingerprint() -> str:
    """Of method, address and what was sent; tokens against forgery change from page to page and do not count."""
    digest = hashlib.sha256(f"{request.method} {request.full_path}\n".encode())
    if request.mimetype in {"application/x-www-form-urlencoded", "multipart/form-data"}:
        fields = [(name, value) for name, value in request.form.items(multi=True) if name != "csrf_token"]
        digest.update(repr(fields).encode())
        for name, file in request.files.items(multi=True):
            digest.update(f"{name} {file.filename}".encode())
            digest.update(file.stream.read())
            file.stream.seek(0)
    else:
        digest.update(request.get_data(cache=True))
    return digest.hexdigest()


def init_idempotency(app: Flask) -> None:
    """Answer repetitions before the page is asked; after the edge has said who acts and the gates have let him in."""
    app.before_request(asked_again)
