"""Real deliveries on loopback: a mail server, a text message gateway, and what is left behind when they refuse."""

import email
import email.policy
import json
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from aiosmtpd.controller import Controller
from sqlalchemy import func, select, update

from app import clock
from app.access.principal import as_system
from app.channels.deliver import deliver
from app.workflow.outgoing import enqueue_mail, enqueue_sms
from models.outbox import DevelopmentMail, Outbox

PHONE = "13912345678"


class Mailbox:
    """Keeps what arrives; `answer` is what the server says to the message."""

    def __init__(self):
        self.letters, self.answer, self.recipient_answer = [], "250 OK", "250 OK"

    async def handle_RCPT(self, server, session, envelope, address, options):
        if not self.recipient_answer.startswith("250"):
            return self.recipient_answer.format(address)
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):
        if self.answer.startswith("250"):
            letter = email.message_from_bytes(envelope.content, policy=email.policy.default)
            self.letters.append((envelope.mail_from, envelope.rcpt_tos, letter))
        return self.answer


@pytest.fixture
def mailbox(app, monkeypatch):
    handler = Mailbox()
    controller = Controller(handler, hostname="127.0.0.1", port=free_port())
    controller.start()
    monkeypatch.setitem(app.config, "MAIL_DRIVER", "smtp")
    monkeypatch.setitem(app.config, "SMTP_URL", f"smtp://127.0.0.1:{controller.port}")
    monkeypatch.setitem(app.config, "MAIL_FROM", "noreply@platform.example")
    yield handler
    controller.stop()


def free_port() -> int:
    import socket

    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


@contextmanager
def gateway():
    """A text message gateway that notes every call; `status` and `wait` say how it behaves."""

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *_args):
            pass

        def do_POST(self):
            said = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            self.server.calls.append((dict(self.headers), said))
            self.server.hold.wait(self.server.wait)
            self.send_response(self.server.status)
            self.end_headers()
            self.wfile.write(f"no credit for {said['phone']}".encode())

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.calls, server.status, server.wait, server.hold = [], 202, 0, threading.Event()
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    yield server
    server.hold.set()
    server.shutdown()
    server.server_close()


@pytest.fixture
def sms(app, monkeypatch):
    with gateway() as server:
        monkeypatch.setitem(app.config, "SMS_DRIVER", "http")
        monkeypatch.setitem(app.config, "SMS_URL", f"http://127.0.0.1:{server.server_port}/send")
        monkeypatch.setitem(app.config, "SMS_TOKEN", "t0ken")
        monkeypatch.setitem(app.config, "SMS_TIMEOUT", 0.3)
        yield server


@pytest.fixture
def quiet(session):
    """Nothing else waits in the outbox."""
    with as_system("test"):
        session.execute(update(Outbox).where(Outbox.sent_at.is_(None)).values(sent_at=clock.now()))
        session.commit()
        yield session


def newest(session) -> Outbox:
    return session.execute(select(Outbox).order_by(Outbox.id.desc()).limit(1)).scalar_one()


def due_now(session):
    session.execute(update(Outbox).where(Outbox.sent_at.is_(None)).values(next_at=clock.now()))
    session.commit()


@pytest.mark.feature("REG-11")
def test_a_mail_arrives_with_chinese_subject_and_body(quiet, mailbox):
    enqueue_mail(
        quiet, "wang@example.com", "账号审核结果\r\nBcc: x@evil.example", "您的账号已审核通过。\n请登录。", key="m1"
    )
    quiet.commit()
    assert deliver(quiet) == 1
    [(sender, recipients, letter)] = mailbox.letters
    assert (sender, recipients) == ("noreply@platform.example", ["wang@example.com"])
    assert letter["Subject"] == "账号审核结果 Bcc: x@evil.example"
    assert letter["Bcc"] is None
    assert letter.get_content().replace("\r\n", "\n").strip() == "您的账号已审核通过。\n请登录。"
    assert letter["Message-ID"] == "<mail.m1@platform.example>"
    assert letter["Auto-Submitted"] == "auto-generated"
    assert newest(quiet).sent_at is not None


def test_a_secret_mail_waits_sealed_and_arrives_open(quiet, mailbox):
    enqueue_mail(quiet, "wang@example.com", "邮箱验证码", "您的验证码是 314159", key="m2", secret=True)
    quiet.commit()
    assert "314159" not in json.dumps(newest(quiet).payload)
    assert deliver(quiet) == 1
    assert "314159" in mailbox.letters[0][2].get_content()
    assert quiet.scalar(select(func.count()).select_from(DevelopmentMail).where(DevelopmentMail.key == "mail:m2")) == 0


def test_a_refused_mail_is_tried_again_and_names_nobody(quiet, mailbox, caplog):
    mailbox.recipient_answer = "550 no such user {}"
    enqueue_mail(quiet, "wang.secret@example.com", "通知", "内容", key="m3")
    quiet.commit()
    assert deliver(quiet) == 0
    row = newest(quiet)
    assert (row.sent_at, row.tries) == (None, 1)
    assert "550" in row.error
    assert row.next_at > clock.now()
    assert "wang.secret" not in row.error + caplog.text
    assert deliver(quiet) == 0, "not before its time"
    mailbox.recipient_answer = "250 OK"
    due_now(quiet)
    assert deliver(quiet) == 1
    assert newest(quiet).error is None


@pytest.mark.feature("MSG-09")
def test_a_text_message_is_posted_with_its_key(quiet, sms):
    enqueue_sms(quiet, PHONE, "您的验证码是 271828", key="s1")
    quiet.commit()
    assert PHONE not in json.dumps(newest(quiet).payload)
    assert deliver(quiet) == 1
    [(headers, said)] = sms.calls
    assert said == {"phone": PHONE, "text": "您的验证码是 271828", "key": "sms:s1"}
    assert headers["Idempotency-Key"] == "sms:s1"
    assert headers["Authorization"] == "Bearer t0ken"
    assert deliver(quiet) == 0
    assert len(sms.calls) == 1


@pytest.mark.feature("MSG-09")
def test_a_failing_gateway_is_tried_again_with_the_same_key(quiet, sms, caplog):
    sms.status = 500
    enqueue_sms(quiet, PHONE, "您的验证码是 161803", key="s2")
    quiet.commit()
    assert deliver(quiet) == 0
    row = newest(quiet)
    assert (row.sent_at, row.tries) == (None, 1)
    assert "500" in row.error
    sms.status = 200
    due_now(quiet)
    assert deliver(quiet) == 1
    assert [said["key"] for _headers, said in sms.calls] == ["sms:s2", "sms:s2"]
    assert PHONE not in caplog.text


def test_a_slow_or_absent_gateway_is_no_loss(app, quiet, sms, monkeypatch, caplog):
    sms.wait = 0.8
    enqueue_sms(quiet, PHONE, "你好", key="s3")
    quiet.commit()
    assert deliver(quiet) == 0
    assert "Timeout" in newest(quiet).error
    sms.hold.set()
    monkeypatch.setitem(app.config, "SMS_URL", f"http://127.0.0.1:{free_port()}/{PHONE}")
    due_now(quiet)
    assert deliver(quiet) == 0
    row = newest(quiet)
    assert row.tries == 2
    assert PHONE not in row.error + caplog.text


def test_what_a_server_says_about_people_is_not_kept():
    from app.channels.deliver import reason

    said = reason(ValueError("{'a.b@x.example': (550, b'5.1.1 <a.b@x.example> and +86 139 1234 5678')} at 13912345678"))
    assert "550" in said
    assert not {"a.b@x", "5678", "139"} & set(said.split())
    assert "example" not in said
    assert "1234" not in said
