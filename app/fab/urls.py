"""Addresses built from the one being shown, and the way back."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

from flask import request
from werkzeug.datastructures import MultiDict
from werkzeug.urls import iri_to_uri


def address(_drop: tuple[str, ...] = (), **changes: Any) -> str:
    """The current address with arguments set (None removes one) and those beginning with a `_drop` prefix removed."""
    args: MultiDict[str, str] = MultiDict(
        (k, v) for k, v in request.args.items(multi=True) if not (_drop and k.startswith(_drop))
    )
    for key, value in changes.items():
        args.poplist(key)
        for one in value if isinstance(value, list | tuple) else [value]:
            if one is not None:
                args.add(key, str(one))
    return join(request.path, args)


def join(path: str, args: MultiDict[str, str]) -> str:
    """A path and its arguments, escaped."""
    query = urlencode(list(args.items(multi=True)))
    return iri_to_uri(f"{path}?{query}" if query else path)


def args_of(query: str) -> MultiDict[str, str]:
    """The arguments of a query string that came back in a form or was kept."""
    return MultiDict(parse_qsl(query.lstrip("?")[:4_000], max_num_fields=100))


def local_path(text: str | None, default: str) -> str:
    """`text` when it is a path of this site (one slash, no host, no control signs), else the default."""
    if not text or not text.startswith("/") or text.startswith(("//", "/\\")) or "\\" in text:
        return default
    if any(ord(c) < 32 for c in text):
        return default
    parts = urlsplit(text)
    return default if parts.scheme or parts.netloc else text
