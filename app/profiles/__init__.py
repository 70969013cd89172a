"""A profile decides, code does not fork (law 5): switches, numbers, labels and forms of one deployment.

Three layers, the later one wins: `_defaults.toml`, the deployment's own TOML, and what an administrator changed on the
settings page (table profile_setting, only rows in force).
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from flask import current_app, g, has_app_context
from sqlalchemy import select

from models.base import db
from models.enums import SettingState
from models.site import ProfileSetting

FOLDER = Path(__file__).parent
DEFAULTS = "_defaults"


def names() -> list[str]:
    """The profiles that come with the platform."""
    return sorted(p.stem for p in FOLDER.glob("*.toml") if not p.stem.startswith("_"))


def _read(stem: str) -> dict[str, Any]:
    return tomllib.loads((FOLDER / f"{stem}.toml").read_text(encoding="utf-8"))


def merge(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """`over` on top of `base`, table by table; lists and plain values are replaced whole."""
    merged = dict(base)
    for key, value in over.items():
        below = merged.get(key)
        merged[key] = merge(below, value) if isinstance(below, Mapping) and isinstance(value, Mapping) else value
    return merged


@cache
def load(name: str) -> dict[str, Any]:
    """The profile of that name as its files have it; raises FileNotFoundError naming the known ones."""
    if name not in names():
        raise FileNotFoundError(f"profile {name} is unknown; known: {', '.join(names())}")
    return merge(_read(DEFAULTS), _read(name))


@cache
def defaults() -> dict[str, Any]:
    """What holds where a deployment's file is silent."""
    return _read(DEFAULTS)


def profile() -> dict[str, Any]:
    """The profile of this deployment with its administrator's changes, read once per request or job."""
    if not has_app_context():
        return load("all")
    name = str(current_app.config["PROFILE"])
    kept: dict[str, dict[str, Any]] = g.setdefault("profiles", {})
    if name not in kept:
        kept[name] = changed(load(name), _in_force())
    return kept[name]


def forget() -> None:
    """Read the settings again: after a change in the same request."""
    g.pop("profiles", None)


def _in_force() -> list[tuple[str, Any]]:
    statement = select(ProfileSetting.key, ProfileSetting.value).where(ProfileSetting.state == SettingState.IN_FORCE)
    with db.session.no_autoflush:
        return [(key, value) for key, value in db.session.execute(statement).tuples()]


def changed(base: Mapping[str, Any], values: list[tuple[str, Any]]) -> dict[str, Any]:
    """`base` with values put at "section.key"; the rest of a key after the first point is one name
    ("switches.filing.dispatch" is the switch filing.dispatch), but for "registration.review.<kind>"."""
    result = dict(base)
    for path, value in values:
        section, _, key = path.partition(".")
        if not key:
            result[section] = value
        elif section == "registration" and key.startswith("review."):
            review = {**result[section]["review"], key.removeprefix("review."): value}
            result[section] = {**result[section], "review": review}
        else:
            result[section] = {**result.get(section, {}), key: value}
    return result


def value_at(values: Mapping[str, Any], path: str) -> Any:
    """What stands at "section.key" (see `changed`); KeyError when nothing does."""
    section, _, key = path.partition(".")
    if not key:
        return values[section]
    if section == "registration" and key.startswith("review."):
        return values[section]["review"][key.removeprefix("review.")]
    return values[section][key]


def switch_on(name: str) -> bool:
    """Whether the deployment offers a function; an unknown switch is a programming mistake."""
    return bool(profile()["switches"][name])


def setting(section: str, key: str) -> Any:
    """One value of the profile."""
    return profile()[section][key]
