"""线下找回 (LOG-15): a letter is entered, one administrator verifies the proof, another one answers.

The answer is a text message with user name and a random password that nobody sees; it must be changed at the first
log-in. A request that cannot be granted is refused by the workflow step, which mails the reason.
"""

from __future__ import annotations

import re
import secrets
import string
from collections.abc import Mapping

from sqlalchemy import select
from sqlalchemy.orm import Session

from app import clock, filestore, workdays
from app.access.audit import audit
from app.access.passwords import problem_for
from app.access.principal import Principal, as_system
from app.access.validators import normal_code, valid_email, valid_id_number, valid_phone
from app.errors import InvalidInputError, QuanhengError
from app.operations.account import set_password
from app.operations.logins import phone_taken
from app.operations.registration import Paper
from app.operations.sso import main_account
from app.profiles import setting
from app.workflow import ACCOUNT, RECOVERY, bear, fire
from app.workflow.outgoing import enqueue_sms
from models.account import Account, RecoveryRequest
from models.attachment import Attachment
from models.enums import AccountKind, AccountState, Role
from models.organisation import Institute
from models.types import blind_index

BODY, PERSON = "body", "person"
LENGTH = 12
ALPHABET = "".join(c for c in string.ascii_letters + string.digits if c not in "0O1lI")
PROOF = "证明材料"
OPEN = frozenset({"waiting", "verified"})
PHONE_TAKEN = "查询人手机号已被其他账号使用，请退回申请并说明原因。"


def problems_of(typed: Mapping[str, str], paper: Paper | None) -> dict[str, str]:
    """Everything wrong with a request, by field."""
    kind = typed.get("kind")
    labels = {"name": "名称或姓名", "phone": "查询人手机号", "email": "查询人邮箱"}
    labels |= {BODY: {"unit_code": "统一社会信用代码"}, PERSON: {"id_number": "身份证号"}}.get(kind or "", {})
    found = {key: f"请填写“{label}”。" for key, label in labels.items() if not typed.get(key, "").strip()}
    if kind not in {BODY, PERSON}:
        found["kind"] = "请选择“类型”。"
    if kind == BODY and typed.get("unit_code") and not _code_shaped(typed["unit_code"]):
        found["unit_code"] = "请填写9位或18位的统一社会信用代码/组织机构代码。"
    checked = setting("validate", "id_checksum")
    if kind == PERSON and typed.get("id_number") and checked and not valid_id_number(normal_code(typed["id_number"])):
        found["id_number"] = "身份证号码校验不正确，请核对。"
    if typed.get("phone") and not valid_phone(typed["phone"].strip()):
        found["phone"] = "手机号格式不正确，请填写11位手机号。"
    if typed.get("email") and not valid_email(typed["email"].strip()):
        found["email"] = "邮箱格式不正确，请核对，例如 name@example.com。"
    if paper is None:
        found["proof"] = f"请上传“{PROOF}”。"
    else:
        try:
            filestore.check_paper(paper.data, PROOF)
        except InvalidInputError as error:
            found["proof"] = error.sentence
    return found


def _code_shaped(text: str) -> bool:
    return re.fullmatch(r"[0-9A-Z]{9}|[0-9A-Z]{18}", normal_code(text)) is not None


def enter_request(session: Session, actor: Principal, typed: Mapping[str, str], paper: Paper | None) -> RecoveryRequest:
    """Put a letter into the queue with its proof and the account it is about, when there is one.

    Due at the end of the `recovery.sla_workdays`-th working day. Raises InvalidInputError by field.
    """
    if found := problems_of(typed, paper):
        raise InvalidInputError("请按提示修改。", problems=found)
    assert paper is not None
    now = clock.now()
    body = typed["kind"] == BODY
    request = RecoveryRequest(
        kind=typed["kind"],
        unit_code=normal_code(typed["unit_code"]) if body else None,
        id_number=None if body else normal_code(typed["id_number"]),
        name=typed["name"].strip()[:120],
        phone=typed["phone"].strip(),
        email=typed["email"].strip(),
        requested_at=now,
        due_at=workdays.deadline(session, now.astimezone(clock.ZONE).date(), int(setting("recovery", "sla_workdays"))),
    )
    account = _account_of(session, request)
    request.account_id = account.id if account is not None else None
    bear(session, request, "enter", actor)
    _keep_proof(session, actor, request, paper)
    audit(session, "recovery_request", entity="recovery", entity_id=request.id, kind=request.kind)
    return request


def _account_of(session: Session, request: RecoveryRequest) -> Account | None:
    """By the unit's code its main account, else the manager of the institute of that code; a person by ID number."""
    with as_system("a letter asks for an account that its writer cannot open"):
        if request.kind == BODY:
            code = request.unit_code or ""
            return main_account(session, code) or _manager(session, code)
        statement = select(Account).where(
            Account.kind == AccountKind.INDIVIDUAL,
            Account.id_number_index == blind_index(request.id_number or ""),
            Account.state != AccountState.CLOSED,
        )
        return session.execute(statement).unique().scalar_one_or_none()


def _manager(session: Session, code: str) -> Account | None:
    statement = (
        select(Account)
        .join(Institute, Institute.id == Account.institute_id)
        .where(
            Institute.unified_code == code,
            Account.kind == AccountKind.INSTITUTE,
            Account.roles.contains([Role.IMG.value]),
            Account.state.in_((AccountState.ACTIVE, AccountState.LOCKED)),
        )
    )
    found = list(session.execute(statement.limit(2)).unique().scalars())
    return found[0] if len(found) == 1 else None  # of several managers nobody can say which one wrote


def _keep_proof(session: Session, actor: Principal, request: RecoveryRequest, paper: Paper) -> None:
    session.add(
        Attachment(
            owner_type="recovery",
            owner_id=request.id,
            kind="proof",
            content_type=filestore.check_paper(paper.data, PROOF),
            filename=filestore.clean_filename(paper.filename),
            sha256=filestore.put(paper.data, private=True),
            size=len(paper.data),
            account_id=actor.account_id,
        )
    )
    session.flush()


def proofs(session: Session, request_id: int) -> list[Attachment]:
    """The files of a request that the principal may open."""
    statement = select(Attachment).where(Attachment.owner_type == "recovery", Attachment.owner_id == request_id)
    return list(session.execute(statement.order_by(Attachment.created_at)).scalars())


def is_overdue(request: RecoveryRequest) -> bool:
    """Not answered by the end of its day."""
    return request.state in OPEN and request.due_at < clock.now()


def answer_request(
    session: Session, actor: Principal, request_id: int, *, seen_version: int | None = None
) -> RecoveryRequest:
    """The second administrator's answer: the new phone, a random password by text message, every session ended.

    The old number is told. Raises the engine's errors, and InvalidInputError when the number is another account's.
    Must-never case 33: the password is in the sealed text message only, no page and no log shows it.
    """
    request: RecoveryRequest = fire(session, RECOVERY, request_id, "answer", actor, seen_version=seen_version)
    assert request.account_id is not None  # the guard has seen to it
    account: Account = fire(session, ACCOUNT, request.account_id, "offline_recovery", actor)
    if phone_taken(session, request.phone, account.id):
        raise InvalidInputError(PHONE_TAKEN)
    with as_system("two administrators have verified the person"):
        _tell_old_phone(session, account, request)
        account.phone, account.phone_index = request.phone, blind_index(request.phone)
        account.phone_verified_at = None  # logging in with the password that goes there will prove it
        password = _random_password(account)
        set_password(account, password)
        account.must_change_password = True
        account.user.active = True
        said = f"您的用户名是{account.user.username}，新密码是{password}，首次登录须修改密码，请勿告诉他人。"
        enqueue_sms(session, request.phone, said, key=f"recovery-{request.id}-answer")
        session.flush()
    audit(session, "offline_recovery", entity="account", entity_id=account.id, request=request.id)
    return request


def _tell_old_phone(session: Session, account: Account, request: RecoveryRequest) -> None:
    if account.phone and account.phone_index != blind_index(request.phone):
        said = "您的账号已通过线下找回更换手机号并重置密码，如非本人或本单位办理，请立即联系平台客服。"
        enqueue_sms(session, account.phone, said, key=f"recovery-{request.id}-old")


def _random_password(account: Account) -> str:
    """Twelve signs that pass the account's own rule; of random ones nearly every try does."""
    for _number in range(200):
        password = "".join(secrets.choice(ALPHABET) for _sign in range(LENGTH - 1)) + secrets.choice("-+=#@")
        if problem_for(account, password) is None:
            return password
    raise QuanhengError("暂时无法生成符合密码规则的新密码，请稍后再试。")
