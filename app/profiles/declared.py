"""What one setting of a profile is; the list of them is app/profiles/schema.py."""

from __future__ import annotations

from dataclasses import dataclass

Choices = tuple[tuple[str, str], ...]
POLICIES: Choices = (
    ("manual", "按手册：须含规定的字符种类"),
    ("asvs", "长度优先：至少10位，不用常见密码"),
    ("dengbao90", "等级保护：三种字符，90天更换"),
)


@dataclass(frozen=True, slots=True)
class Setting:
    """One key. `kind` is bool, int, text, choice, list (several of the choices), lines, numbers or times.

    `security` settings count only after the security administrator has confirmed the change.
    """

    key: str
    kind: str
    label: str
    effect: str
    choices: Choices = ()
    lowest: int = 0
    highest: int = 200
    security: bool = False
    required: bool = False
    pattern: str = ""
    pattern_hint: str = ""

    @property
    def section(self) -> str:
        """The page's group: the part before the first point."""
        return self.key.partition(".")[0] if "." in self.key else ""


def switch(name: str, label: str, effect: str, *, security: bool = False) -> Setting:
    """A function of the platform that is on or off."""
    return Setting(f"switches.{name}", "bool", label, effect, security=security)
