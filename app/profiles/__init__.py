"""A profile decides, code does not fork (law 5): switches, numbers and labels of one deployment, from a TOML file."""

from __future__ import annotations

import tomllib
from functools import cache
from pathlib import Path
from typing import Any

from flask import current_app, has_app_context

FOLDER = Path(__file__).parent


@cache
def load(name: str) -> dict[str, Any]:
    """The profile of that name; raises FileNotFoundError naming the known ones."""
    file = FOLDER / f"{name}.toml"
    if not file.is_file():
        known = ", ".join(sorted(p.stem for p in FOLDER.glob("*.toml")))
        raise FileNotFoundError(f"profile {name} is unknown; known: {known}")
    return tomllib.loads(file.read_text(encoding="utf-8"))


def profile() -> dict[str, Any]:
    """The profile of this deployment (QUANHENG_PROFILE, default all)."""
    return load(str(current_app.config["PROFILE"]) if has_app_context() else "all")


def switch_on(name: str) -> bool:
    """Whether the deployment offers a function; an unknown switch is a programming mistake."""
    return bool(profile()["switches"][name])


def setting(section: str, key: str) -> Any:
    """One value of the profile."""
    return profile()[section][key]
