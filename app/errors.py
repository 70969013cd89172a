"""One tree of errors, each with an HTTP status and a Chinese sentence that says what to do (WORKFLOWS 0.3)."""

from __future__ import annotations


class QuanhengError(Exception):
    """Something the caller did or asked that cannot be. `sentence` is shown as it is."""

    status = 422
    code: str = "G-FIELD"
    fix_url: str | None = None
    """Where the person can cure it (BEYOND 3), when there is such a page."""

    def __init__(self, sentence: str, *, field: str | None = None) -> None:
        super().__init__(sentence)
        self.sentence = sentence
        self.field = field


class TokenRefusedError(QuanhengError):
    """The access token is wrong, too old or was taken back (G-LOGIN)."""

    status, code = 401, "G-LOGIN"

    def __init__(self) -> None:
        super().__init__("登录已失效，请重新登录。")


class NotVisibleError(QuanhengError):
    """The row does not exist or lies outside the principal's scope: both look the same (G-SCOPE)."""

    status, code = 404, "G-SCOPE"

    def __init__(self) -> None:
        super().__init__("记录不存在或您无权查看。")


class NotAllowedError(QuanhengError):
    """The row is visible but the step is not this role's (G-ROLE)."""

    status, code = 403, "G-ROLE"


class WrongStateError(QuanhengError):
    """The state is not one the step starts from, or a rival was faster (G-STATE)."""

    status, code = 409, "G-STATE"


class StaleVersionError(QuanhengError):
    """Somebody handled the row since the form was opened (G-VER)."""

    status, code = 409, "G-VER"

    def __init__(self) -> None:
        super().__init__("该记录已被他人处理，请刷新后重试。")


class SwitchedOffError(QuanhengError):
    """The profile does not offer the step (G-OFF)."""

    status, code = 404, "G-OFF"

    def __init__(self) -> None:
        super().__init__("本平台未开通此功能。")


class InvalidInputError(QuanhengError):
    """What was typed cannot be taken; `problems` maps fields to sentences when there are several."""

    def __init__(self, sentence: str, *, field: str | None = None, problems: dict[str, str] | None = None) -> None:
        super().__init__(sentence, field=field)
        self.problems = problems or ({field: sentence} if field else {})


class ConflictError(QuanhengError):
    """A fact stands in the way: a duplicate, a full slot, live business on the row."""

    status, code = 409, "G-CONFLICT"


class TooOftenError(QuanhengError):
    """A limit was reached (G-RATE); `seconds` until the next try."""

    status, code = 429, "G-RATE"

    def __init__(self, seconds: int) -> None:
        self.seconds = max(seconds, 1)
        minutes = -(-self.seconds // 60)
        wait = f"{self.seconds}秒" if self.seconds <= 120 else f"约{minutes}分钟"
        super().__init__(f"操作过于频繁，请{wait}后再试。")


class LimitsLostError(QuanhengError):
    """Nobody can count how often something was done, so it is refused for now."""

    status, code = 503, "G-RATE"

    def __init__(self) -> None:
        super().__init__("系统繁忙，暂时无法办理，请稍后再试。")
