"""The mail channel against a real SMTP server."""

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from pathlib import Path
from typing import Any

import aiosmtplib
import pytest
import trustme

from receiver.channels import email as channel_module
from receiver.channels.base import DeliveryError, Refusal
from receiver.channels.email import EmailChannel
from receiver.core.content import Rendered
from receiver.core.retrying import Failure, FailureClass
from receiver.secret import Secret
from tests.smtp_server import DROP, HANG, SmtpServer

AT = 1_795_239_000_000  # 2026-11-21 05:30:00 UTC
RENDERED = Rendered(subject="[FIRING:1] HighErrorRate", text="Firing.\n", html="<p>Firing.</p>\n")


def mail_channel(server: SmtpServer, **changes: Any) -> EmailChannel:
    options: dict[str, Any] = {
        "sender": "Alerts <alerts@example.com>",
        "recipients": ("ann@example.org", "bob@example.org"),
        "host": "127.0.0.1",
        "port": server.port,
        "security": "none",
        "username": None,
        "password": None,
        "ca_file": None,
        "timeout": 5.0,
    }
    return EmailChannel("oncall", **options | changes)


@pytest.fixture
async def server() -> AsyncIterator[SmtpServer]:
    running = SmtpServer()
    await running.start()
    yield running
    await running.stop()


@pytest.fixture
async def channel(server: SmtpServer) -> AsyncIterator[EmailChannel]:
    made = mail_channel(server)
    yield made
    await made.close()


@pytest.fixture
def ca(tmp_path: Path) -> trustme.CA:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    return authority


def serving(certificate: Any) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificate.configure_cert(context)
    return context


async def failure(channel: EmailChannel, payload: bytes | None = None) -> Failure:
    """The failure of one attempt that must not succeed."""
    async with asyncio.timeout(10):
        with pytest.raises(DeliveryError) as caught:
            await channel.send(payload or channel.build(RENDERED, "01A", AT), channel.recipients)
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__ or caught.value.__context__ is None
    return caught.value.failure


def parsed(data: bytes) -> EmailMessage:
    message = message_from_bytes(data, policy=default)
    assert isinstance(message, EmailMessage)
    return message


def content(part: Any) -> str:
    return str(part.get_content()).replace("\r\n", "\n")


async def test_a_mail_arrives_with_exactly_the_bytes_that_were_built(server: SmtpServer, channel: EmailChannel) -> None:
    payload = channel.build(RENDERED, "01A", AT)
    receipt = await channel.send(payload, channel.recipients)

    assert (receipt.code, receipt.refusals) == (250, ())
    [mail] = server.mails
    assert mail.data == payload
    assert (mail.sender, mail.recipients) == ("alerts@example.com", ("ann@example.org", "bob@example.org"))


def test_headers_are_exactly_the_intended_ones() -> None:
    channel = mail_channel(SmtpServer())
    message = parsed(channel.build(RENDERED, "01ABC", AT))

    assert dict(message.items()) == {
        "From": "Alerts <alerts@example.com>",
        "To": "ann@example.org, bob@example.org",
        "Subject": "[FIRING:1] HighErrorRate",
        "Date": "Sat, 21 Nov 2026 05:30:00 +0000",
        "Message-ID": "<01ABC@example.com>",
        "Auto-Submitted": "auto-generated",
        "X-Auto-Response-Suppress": "OOF, AutoReply",
        "MIME-Version": "1.0",
        "Content-Type": 'multipart/alternative; boundary="=_01ABC"',
    }
    text, html = message.iter_parts()
    assert (text.get_content_type(), html.get_content_type()) == ("text/plain", "text/html")
    assert content(text) == RENDERED.text


@pytest.mark.parametrize(
    "text",
    ["Größe 温度 🔥 " * 300, "x" * 5000, "=" * 5000, ".\n..\n.leading dot\nFrom here\n", "🔥" * 2000],
)
async def test_any_text_arrives_unchanged_in_short_7bit_lines(
    server: SmtpServer, channel: EmailChannel, text: str
) -> None:
    text += "\n"
    payload = channel.build(replace(RENDERED, text=text, html=f"<p>{text}</p>\n"), "01A", AT)
    await channel.send(payload, channel.recipients)

    assert payload.isascii()
    assert max(map(len, payload.split(b"\r\n"))) <= 76
    assert b"\n" not in payload.replace(b"\r\n", b"")
    assert server.mails[0].data == payload
    first, *_ = parsed(server.mails[0].data).iter_parts()
    assert content(first) == text


async def test_dots_and_long_lines_of_a_payload_arrive_unchanged(server: SmtpServer, channel: EmailChannel) -> None:
    payload = b"Subject: x\r\n\r\n.\r\n..\r\n.dot\r\n" + b"y" * 990 + b"\r\nlone: a.b\r\n"
    await channel.send(payload, channel.recipients)
    assert server.mails[0].data == payload


async def test_the_same_message_is_the_same_bytes_on_every_attempt(server: SmtpServer, channel: EmailChannel) -> None:
    again = mail_channel(server)
    assert channel.build(RENDERED, "01A", AT) == again.build(RENDERED, "01A", AT)
    assert channel.build(RENDERED, "01A", AT) != channel.build(RENDERED, "01B", AT)
    payload = channel.build(RENDERED, "01A", AT)
    await channel.send(payload, channel.recipients)
    await channel.send(payload, channel.recipients)
    assert server.mails[0].data == server.mails[1].data


async def test_a_connection_is_kept_for_the_next_mail(server: SmtpServer, channel: EmailChannel) -> None:
    for uid in ("01A", "01B", "01C"):
        await channel.send(channel.build(RENDERED, uid, AT), channel.recipients)
    assert (len(server.mails), server.connections) == (3, 1)


async def test_a_kept_connection_that_the_server_closed_is_replaced(server: SmtpServer, channel: EmailChannel) -> None:
    payload = channel.build(RENDERED, "01A", AT)
    await channel.send(payload, channel.recipients)
    await server.drop_connections()
    await channel.send(payload, channel.recipients)
    assert (len(server.mails), server.connections) == (2, 2)


@pytest.mark.parametrize("stage", ["MAIL", "RCPT", "DATA"])
@pytest.mark.parametrize("answer", [DROP, "421 4.4.2 idle for too long"])
async def test_a_kept_connection_that_died_unnoticed_costs_one_fresh_try(
    server: SmtpServer, channel: EmailChannel, stage: str, answer: str
) -> None:
    payload = channel.build(RENDERED, "01A", AT)
    await channel.send(payload, channel.recipients)
    server.answer_next(stage, answer)
    await channel.send(payload, channel.recipients)
    assert (len(server.transmitted), server.connections) == (2, 2)


async def test_a_fresh_connection_that_dies_is_not_tried_twice(server: SmtpServer, channel: EmailChannel) -> None:
    server.answer_next("MAIL", DROP)
    assert await failure(channel) == Failure(FailureClass.TRANSIENT, "connection_lost")
    assert server.connections == 1


async def test_an_idle_connection_is_let_go(server: SmtpServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(channel_module, "KEPT_IDLE", 0.01)
    channel = mail_channel(server)
    await channel.send(channel.build(RENDERED, "01A", AT), channel.recipients)
    async with asyncio.timeout(5):
        await server.wait_until(lambda: not server.open)
    await channel.close()


async def test_closing_says_goodbye(server: SmtpServer) -> None:
    channel = mail_channel(server)
    await channel.send(channel.build(RENDERED, "01A", AT), channel.recipients)
    await channel.close()
    async with asyncio.timeout(5):
        await server.wait_until(lambda: not server.open)
    await channel.close()


@pytest.mark.parametrize(
    ("stage", "reply", "expected"),
    [
        ("greeting", "421 busy", Failure(FailureClass.TRANSIENT, "greeting_refused", 421, unreachable=True)),
        ("greeting", "554 go away", Failure(FailureClass.MISCONFIGURED, "greeting_refused", 554)),
        ("greeting", "hello", Failure(FailureClass.TRANSIENT, "invalid_reply")),
        ("greeting", DROP, Failure(FailureClass.TRANSIENT, "connection_lost", unreachable=True)),
        ("EHLO", "421 busy", Failure(FailureClass.TRANSIENT, "greeting_refused", 421)),
        ("EHLO", "550 who are you", Failure(FailureClass.MISCONFIGURED, "greeting_refused", 550)),
        ("MAIL", "451 later", Failure(FailureClass.TRANSIENT, "sender_refused", 451)),
        ("MAIL", "550 no", Failure(FailureClass.MISCONFIGURED, "sender_refused", 550)),
        ("MAIL", "530 5.7.0 log in", Failure(FailureClass.MISCONFIGURED, "auth_required", 530)),
        ("MAIL", DROP, Failure(FailureClass.TRANSIENT, "connection_lost")),
        ("RCPT", "421 restarting", Failure(FailureClass.TRANSIENT, "recipients_refused", 421)),
        ("RCPT", "530 5.7.0 log in", Failure(FailureClass.MISCONFIGURED, "auth_required", 530)),
        ("RCPT", DROP, Failure(FailureClass.TRANSIENT, "connection_lost")),
        ("DATA", "451 later", Failure(FailureClass.TRANSIENT, "data_refused", 451)),
        ("DATA", "554 no", Failure(FailureClass.MISCONFIGURED, "data_refused", 554)),
        ("DATA", DROP, Failure(FailureClass.TRANSIENT, "connection_lost")),
        (".", "452 full", Failure(FailureClass.TRANSIENT, "data_refused", 452)),
        (".", "421 restarting", Failure(FailureClass.TRANSIENT, "data_refused", 421)),
        (".", "552 too big", Failure(FailureClass.REJECTED, "data_refused", 552)),
        (".", "what?", Failure(FailureClass.TRANSIENT, "invalid_reply", may_be_taken=True)),
        (".", DROP, Failure(FailureClass.TRANSIENT, "connection_lost", may_be_taken=True)),
    ],
)
async def test_each_no_is_judged_by_its_place(
    server: SmtpServer, channel: EmailChannel, stage: str, reply: str, expected: Failure
) -> None:
    server.answer_next(stage, reply)
    assert await failure(channel) == expected
    assert server.mails == []
    await channel.send(channel.build(RENDERED, "01A", AT), channel.recipients)
    assert len(server.mails) == 1


@pytest.mark.parametrize("stage", ["greeting", "MAIL", "RCPT", "DATA"])
async def test_a_timeout_before_the_mail_is_handed_over_surely_took_nothing(server: SmtpServer, stage: str) -> None:
    channel = mail_channel(server, timeout=0.2)
    server.answer_next(stage, HANG)
    unreachable = stage == "greeting"
    assert await failure(channel) == Failure(FailureClass.TRANSIENT, "timeout", unreachable=unreachable)


async def test_a_timeout_after_the_final_dot_may_have_been_a_yes(
    server: SmtpServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(channel_module, "FINAL_ANSWER_PATIENCE", 0.2)
    channel = mail_channel(server, timeout=0.2)
    server.answer_next(".", HANG)
    assert await failure(channel) == Failure(FailureClass.TRANSIENT, "timeout", may_be_taken=True)
    assert len(server.transmitted) == 1


async def test_the_final_answer_is_waited_for_longer_than_any_other(server: SmtpServer) -> None:
    channel = mail_channel(server, timeout=0.2)
    server.answer_next(".", HANG)
    payload = channel.build(RENDERED, "01A", AT)
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(channel.send(payload, channel.recipients), 0.6)
    await channel.close()


async def test_a_server_that_answers_each_step_just_in_time_does_not_hold_the_channel(
    server: SmtpServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(channel_module, "OFFER_PATIENCE", 1.5)
    recipients = tuple(f"n{n}@example.org" for n in range(100))
    channel = mail_channel(server, recipients=recipients, timeout=1.4)
    server.pace = 0.1
    assert await failure(channel) == Failure(FailureClass.TRANSIENT, "timeout")
    assert server.transmitted == []
    server.pace = 0.0
    monkeypatch.setattr(channel_module, "OFFER_PATIENCE", 60.0)
    await channel.send(channel.build(RENDERED, "01A", AT), channel.recipients)
    assert len(server.mails) == 1
    await channel.close()


async def test_a_timeout_longer_than_our_patience_is_heeded(
    server: SmtpServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(channel_module, "OFFER_PATIENCE", 0.1)
    channel = mail_channel(server, timeout=5.0)
    server.pace = 0.2
    await channel.send(channel.build(RENDERED, "01A", AT), channel.recipients)
    assert len(server.mails) == 1
    await channel.close()


async def test_nobody_listening_is_transient(server: SmtpServer) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        channel = mail_channel(server, port=taken.getsockname()[1])
        assert await failure(channel) == Failure(FailureClass.TRANSIENT, "connection_refused", unreachable=True)


async def test_an_unknown_host_is_transient(server: SmtpServer) -> None:
    channel = mail_channel(server, host="mail.invalid")
    assert await failure(channel) == Failure(FailureClass.TRANSIENT, "name_not_resolved", unreachable=True)


async def test_some_recipients_refused_is_a_receipt_that_names_them(server: SmtpServer, channel: EmailChannel) -> None:
    server.refuse("bob@example.org", "450 try later")
    payload = channel.build(RENDERED, "01A", AT)
    recipients = ("ann@example.org", "bob@example.org", "gone@example.org")
    server.refuse("gone@example.org", "550 no such user")
    receipt = await channel.send(payload, recipients)
    assert receipt.refusals == (
        Refusal("bob@example.org", 450, final=False),
        Refusal("gone@example.org", 550, final=True),
    )
    assert server.mails[0].recipients == ("ann@example.org",)


@pytest.mark.parametrize(
    ("replies", "expected"),
    [
        (("550 no", "550 no"), Failure(FailureClass.MISCONFIGURED, "recipients_refused", 550)),
        (("550 no", "450 later"), Failure(FailureClass.TRANSIENT, "recipients_refused", 450)),
    ],
)
async def test_all_recipients_refused_is_a_failure(
    server: SmtpServer, channel: EmailChannel, replies: tuple[str, ...], expected: Failure
) -> None:
    server.answer_next("RCPT", *replies)
    assert await failure(channel) == expected
    assert server.transmitted == []


@pytest.mark.parametrize("security", ["tls", "starttls"])
async def test_a_certificate_of_our_own_authority_is_accepted(tmp_path: Path, ca: trustme.CA, security: str) -> None:
    context = serving(ca.issue_cert("127.0.0.1"))
    server = SmtpServer(tls=context) if security == "tls" else SmtpServer(starttls=context)
    await server.start()
    channel = mail_channel(server, security=security, ca_file=tmp_path / "ca.pem")
    for _ in range(2):
        await channel.send(channel.build(RENDERED, "01A", AT), channel.recipients)
    assert all(mail.encrypted for mail in server.mails)
    assert server.connections == 1
    await channel.close()
    await server.stop()


@pytest.mark.parametrize("security", ["tls", "starttls"])
@pytest.mark.parametrize("fault", ["unknown authority", "wrong host", "expired"])
async def test_a_certificate_that_does_not_hold_is_refused(
    tmp_path: Path, ca: trustme.CA, security: str, fault: str
) -> None:
    if fault == "expired":
        certificate = ca.issue_cert("127.0.0.1", not_after=datetime.now(UTC) - timedelta(days=1))
    else:
        certificate = ca.issue_cert("mail.example.com" if fault == "wrong host" else "127.0.0.1")
    context = serving(certificate)
    server = SmtpServer(tls=context) if security == "tls" else SmtpServer(starttls=context)
    await server.start()
    ca_file = None if fault == "unknown authority" else tmp_path / "ca.pem"
    channel = mail_channel(server, security=security, ca_file=ca_file)
    assert await failure(channel) == Failure(FailureClass.MISCONFIGURED, "certificate_invalid")
    assert server.transmitted == []
    await server.stop()


async def test_starttls_that_is_not_offered_is_not_done_without(server: SmtpServer) -> None:
    channel = mail_channel(server, security="starttls", username="u", password=Secret("hunter22"))
    assert await failure(channel) == Failure(FailureClass.MISCONFIGURED, "starttls_not_offered")
    assert server.transmitted == []


@pytest.mark.parametrize(
    ("reply", "expected"),
    [
        ("454 not now", Failure(FailureClass.TRANSIENT, "starttls_refused", 454)),
        ("501 no", Failure(FailureClass.MISCONFIGURED, "starttls_refused", 501)),
    ],
)
async def test_starttls_that_is_refused_is_not_done_without(
    tmp_path: Path, ca: trustme.CA, reply: str, expected: Failure
) -> None:
    server = SmtpServer(starttls=serving(ca.issue_cert("127.0.0.1")))
    await server.start()
    server.answer_next("STARTTLS", reply)
    channel = mail_channel(server, security="starttls", ca_file=tmp_path / "ca.pem")
    assert await failure(channel) == expected
    await server.stop()


async def test_tls_to_a_server_without_it_is_misconfigured(server: SmtpServer) -> None:
    assert await failure(mail_channel(server, security="tls", timeout=1.0)) == Failure(
        FailureClass.MISCONFIGURED, "tls_failed"
    )


async def test_a_ca_file_that_is_not_there_is_misconfigured(server: SmtpServer, tmp_path: Path) -> None:
    channel = mail_channel(server, security="tls", ca_file=tmp_path / "none.pem")
    assert await failure(channel) == Failure(FailureClass.MISCONFIGURED, "ca_file_unreadable")


@pytest.fixture
async def guarded(ca: trustme.CA) -> AsyncIterator[SmtpServer]:
    """A server that takes mail from one user, over STARTTLS."""
    running = SmtpServer(starttls=serving(ca.issue_cert("127.0.0.1")), credentials=("alerts", "hunter22"))
    await running.start()
    yield running
    await running.stop()


async def test_the_right_password_logs_in(tmp_path: Path, guarded: SmtpServer) -> None:
    channel = mail_channel(
        guarded, security="starttls", ca_file=tmp_path / "ca.pem", username="alerts", password=Secret("hunter22")
    )
    await channel.send(channel.build(RENDERED, "01A", AT), channel.recipients)
    assert (guarded.mails[0].user, guarded.mails[0].encrypted) == ("alerts", True)
    await channel.close()


@pytest.mark.parametrize(
    ("script", "expected"),
    [
        ((), Failure(FailureClass.MISCONFIGURED, "auth_failed", 535)),
        (("421 4.3.2 closing",), Failure(FailureClass.TRANSIENT, "auth_failed", 421)),
        (("454 4.7.0 later",), Failure(FailureClass.TRANSIENT, "auth_failed", 454)),
    ],
)
async def test_a_refused_login_sends_nothing(
    tmp_path: Path, guarded: SmtpServer, script: tuple[str, ...], expected: Failure
) -> None:
    guarded.answer_next("AUTH", *script)
    channel = mail_channel(
        guarded, security="starttls", ca_file=tmp_path / "ca.pem", username="alerts", password=Secret("wrong pass")
    )
    assert await failure(channel) == expected
    assert guarded.transmitted == []


async def test_a_way_to_log_in_that_is_offered_and_not_known_is_not_the_last(
    tmp_path: Path, guarded: SmtpServer
) -> None:
    guarded.answer_next("AUTH", "504 5.5.4 not for you")
    channel = mail_channel(
        guarded, security="starttls", ca_file=tmp_path / "ca.pem", username="alerts", password=Secret("hunter22")
    )
    await channel.send(channel.build(RENDERED, "01A", AT), channel.recipients)
    assert (guarded.logins, guarded.mails[0].user) == (2, "alerts")
    await channel.close()


async def test_a_login_that_the_server_wants_and_we_have_not_is_misconfigured(
    tmp_path: Path, guarded: SmtpServer
) -> None:
    channel = mail_channel(guarded, security="starttls", ca_file=tmp_path / "ca.pem")
    assert await failure(channel) == Failure(FailureClass.MISCONFIGURED, "auth_required", 530)


async def test_a_server_without_login_is_misconfigured(server: SmtpServer) -> None:
    channel = mail_channel(server, username="alerts", password=Secret("hunter22"))
    assert await failure(channel) == Failure(FailureClass.MISCONFIGURED, "auth_not_offered")


async def test_credentials_go_unencrypted_to_loopback_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    server = SmtpServer(credentials=("alerts", "hunter22"))
    await server.start()
    channel = mail_channel(server, username="alerts", password=Secret("hunter22"))
    await channel.send(channel.build(RENDERED, "01A", AT), channel.recipients)
    assert server.mails[0].user == "alerts"
    await channel.close()

    monkeypatch.setattr(aiosmtplib.SMTP, "get_transport_info", lambda self, key: ("192.0.2.1", 25))
    assert await failure(channel) == Failure(FailureClass.MISCONFIGURED, "credentials_unencrypted")
    await server.stop()


@pytest.mark.parametrize("method", ["plain", "login", "cram-md5"])
async def test_no_way_to_log_in_is_good_enough_for_an_unencrypted_connection_elsewhere(
    monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    server = SmtpServer(credentials=("alerts", "hunter22"))
    await server.start()
    monkeypatch.setattr(aiosmtplib.SMTP, "supported_auth_methods", [method])
    monkeypatch.setattr(aiosmtplib.SMTP, "get_transport_info", lambda self, key: ("192.0.2.1", 25))
    channel = mail_channel(server, username="alerts", password=Secret("hunter22"))
    assert await failure(channel) == Failure(FailureClass.MISCONFIGURED, "credentials_unencrypted")
    assert server.logins == 0
    await server.stop()


async def test_a_login_that_is_offered_in_the_clear_is_not_taken_where_starttls_is_not(tmp_path: Path) -> None:
    stripped = SmtpServer(credentials=("alerts", "hunter22"))
    await stripped.start()
    channel = mail_channel(
        stripped, security="starttls", ca_file=tmp_path / "ca.pem", username="alerts", password=Secret("hunter22")
    )
    (tmp_path / "ca.pem").write_text(trustme.CA().cert_pem.bytes().decode())
    assert await failure(channel) == Failure(FailureClass.MISCONFIGURED, "starttls_not_offered")
    assert stripped.logins == 0
    await stripped.stop()


async def test_a_server_that_knows_helo_alone_gets_its_mail(server: SmtpServer, channel: EmailChannel) -> None:
    server.answer_always("EHLO", "502 what")
    await channel.send(channel.build(RENDERED, "01A", AT), channel.recipients)
    assert len(server.mails) == 1


async def check_failure(channel: EmailChannel) -> Failure:
    async with asyncio.timeout(10):
        with pytest.raises(DeliveryError) as caught:
            await channel.check()
    return caught.value.failure


async def test_a_check_logs_in_on_a_connection_of_its_own_and_sends_nothing(
    tmp_path: Path, guarded: SmtpServer
) -> None:
    channel = mail_channel(
        guarded, security="starttls", ca_file=tmp_path / "ca.pem", username="alerts", password=Secret("hunter22")
    )
    payload = channel.build(RENDERED, "01A", AT)
    await channel.send(payload, channel.recipients)
    await channel.check()
    assert (guarded.connections, guarded.logins) == (2, 2)
    async with asyncio.timeout(5):
        await guarded.wait_until(lambda: len(guarded.open) == 1)
    await channel.send(payload, channel.recipients)
    assert (len(guarded.mails), guarded.connections) == (2, 2)
    await channel.close()


@pytest.mark.parametrize(
    ("stage", "reply", "expected"),
    [
        ("greeting", "421 busy", Failure(FailureClass.TRANSIENT, "greeting_refused", 421, unreachable=True)),
        ("EHLO", "550 who are you", Failure(FailureClass.MISCONFIGURED, "greeting_refused", 550)),
        ("STARTTLS", "454 not now", Failure(FailureClass.TRANSIENT, "starttls_refused", 454)),
        ("AUTH", "535 5.7.8 wrong", Failure(FailureClass.MISCONFIGURED, "auth_failed", 535)),
        ("AUTH", DROP, Failure(FailureClass.TRANSIENT, "connection_lost")),
    ],
)
async def test_a_check_finds_what_would_stop_a_mail(
    tmp_path: Path, guarded: SmtpServer, stage: str, reply: str, expected: Failure
) -> None:
    guarded.answer_always(stage, reply)
    channel = mail_channel(
        guarded, security="starttls", ca_file=tmp_path / "ca.pem", username="alerts", password=Secret("hunter22")
    )
    assert await check_failure(channel) == expected
    async with asyncio.timeout(5):
        await guarded.wait_until(lambda: not guarded.open)


async def test_a_check_of_a_server_that_is_not_there_says_unreachable(server: SmtpServer) -> None:
    await server.stop()
    assert (await check_failure(mail_channel(server))).unreachable


async def test_an_address_that_smtp_cannot_carry_is_misconfigured(server: SmtpServer) -> None:
    channel = mail_channel(server)
    payload = channel.build(RENDERED, "01A", AT)
    async with asyncio.timeout(5):
        with pytest.raises(DeliveryError) as caught:
            await channel.send(payload, ["ann@exämple.org"])
    assert caught.value.failure == Failure(FailureClass.MISCONFIGURED, "address_invalid")
    assert server.transmitted == []


async def test_a_cancelled_send_leaves_no_half_conversation_behind(server: SmtpServer) -> None:
    channel = mail_channel(server)
    payload = channel.build(RENDERED, "01A", AT)
    server.answer_next(".", HANG)
    sending = asyncio.create_task(channel.send(payload, channel.recipients))
    async with asyncio.timeout(5):
        await server.wait_until(lambda: server.transmitted)
        sending.cancel()
        with pytest.raises(asyncio.CancelledError):
            await sending
        await channel.send(payload, channel.recipients)
    assert (len(server.mails), server.connections) == (1, 2)
    await channel.close()
