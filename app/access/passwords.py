"""What a password must be (ASVS 6.2): long enough, not a common one, not the person's own words."""

from __future__ import annotations

from collections.abc import Iterable

MINIMUM, MAXIMUM = 10, 128
COMMON = frozenset(
    [
        "1234567890",
        "0123456789",
        "1111111111",
        "qwertyuiop",
        "password123",
        "passw0rd123",
        "abc1234567",
        "1q2w3e4r5t",
        "admin12345",
        "administrator",
        "iloveyou123",
        "5201314520",
        "147258369",
        "1234567891",
        "9876543210",
        "qwerty12345",
        "welcome123",
        "letmein1234",
        "a123456789",
        "123456789a",
        "woaini1314",
        "zxcvbnm123",
        "asdfghjkl1",
        "1qaz2wsx3e",
    ]
)
WORDS = ("123321", "计量", "jiliang", "quanheng", "权衡")


def problem_with(password: str, context: Iterable[str] = ()) -> str | None:
    """A sentence that says what to change, or None when the password is good."""
    if len(password) < MINIMUM:
        return f"密码至少{MINIMUM}个字符，请加长。"
    if len(password) > MAXIMUM:
        return f"密码最多{MAXIMUM}个字符，请缩短。"
    folded = password.casefold()
    if folded in COMMON or len(set(folded)) < 4:
        return "该密码过于常见，请换一个不易被猜到的密码。"
    for word in (*WORDS, *(w.casefold() for w in context)):
        if len(word) >= 4 and word in folded:
            return "密码不能包含用户名、单位名称等容易被猜到的内容，请更换。"
    return None
