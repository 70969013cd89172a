"""Small answers that several pages give: a PDF under its Chinese name, whole numbers out of an address."""

from __future__ import annotations

import io
import re
from typing import Any

from flask import Response, request, send_file

MOST_IDS = 500
NUMBER = re.compile(r"[0-9]{1,18}", re.ASCII)


def pdf(data: bytes, name: str) -> Response:
    """A PDF to keep, or to look at with ?inline=1; the name goes out as RFC 5987 asks (filename*=UTF-8'')."""
    inline = request.args.get("inline") == "1"
    answer: Response = send_file(
        io.BytesIO(data), mimetype="application/pdf", as_attachment=not inline, download_name=name, max_age=0
    )
    answer.headers["Cache-Control"] = "private, no-store"
    return answer


def ids_of(*names: str) -> list[int]:
    """Ids from repeated or comma-separated arguments (form before address), each once, in the order given."""
    texts: list[str] = []
    for name in names or ("ids",):
        source: Any = request.form if name in request.form else request.args
        for text in source.getlist(name):
            texts += text.split(",")
    found = [int(t) for t in (part.strip() for part in texts) if NUMBER.fullmatch(t)]
    return list(dict.fromkeys(found))[:MOST_IDS]


def whole(text: Any) -> int | None:
    """A whole number that fits a key, or None."""
    text = str(text or "").strip()
    return int(text) if NUMBER.fullmatch(text) else None
