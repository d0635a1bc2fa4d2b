"""What real servers say when they say no, and what it is taken for."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from receiver.channels.base import DeliveryError, Refusal
from receiver.channels.email import EmailChannel
from receiver.core.retrying import Failure, FailureClass
from tests.channels.test_email_channel import AT, RENDERED, mail_channel
from tests.smtp_server import SmtpServer

TRANSIENT, MISCONFIGURED, REJECTED = FailureClass.TRANSIENT, FailureClass.MISCONFIGURED, FailureClass.REJECTED
ANN, BOB = "ann@example.org", "bob@example.org"

QUOTA = [
    "550 5.4.5 Daily user sending limit exceeded. For more information on Gmail sending limits go to",
    "550 5.4.5 Daily SMTP relay sending limit exceeded for user.",
    "550 5.1.90 Your message can't be sent because you've reached your daily limit for message recipients",
    "554 5.2.0 STOREDRV.Submission.Exception:SubmissionQuotaExceededException; Failed to process message",
    "554 5.7.1 <bob@example.org>: Recipient address rejected: You have exceeded your Outmail quota.",
    "550 5.7.0 Requested action not taken: too many emails per second",
    "550 Domain example.com has exceeded the max emails per hour (100/100 (100%)) allowed. Message discarded.",
    "550 5.5.3 Too many recipients for this sender",
]
RELAY = [
    "554 5.7.1 <bob@example.org>: Relay access denied",
    "550 5.7.54 SMTP; Unable to relay recipient in non-accepted domain",
    "550 5.7.64 TenantAttribution; Relay Access Denied",
    "550 relay not permitted",
    "550 5.7.1 <bob@example.org>... Relaying denied",
    "553 sorry, that domain isn't in my list of allowed rcpthosts (#5.7.1)",
]
SENDER = [
    "553 5.7.1 <alerts@example.com>: Sender address rejected: not owned by user alerts",
    "550 5.7.60 SMTP; Client does not have permissions to send as this sender",
    "554 5.2.252 SendAsDenied; alerts@example.com not allowed to send as other@example.com",
    "554 Message rejected: Email address is not verified. The following identities failed the check",
]
OF_THE_MAIL = [
    "552 5.3.4 Message size exceeds fixed limit",
    "552 5.2.3 Message size exceeds the recipient's sending limit",
    "550 5.7.1 Message contains a virus",
    "554 5.6.0 Message content rejected: quota of exclamation marks",
    "550 High probability of spam",
]


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


async def failure(channel: EmailChannel, *recipients: str) -> Failure:
    async with asyncio.timeout(10):
        with pytest.raises(DeliveryError) as caught:
            await channel.send(channel.build(RENDERED, "01A", AT), recipients or channel.recipients)
    return caught.value.failure


@pytest.mark.parametrize("stage", ["MAIL", "RCPT", "DATA", "."])
@pytest.mark.parametrize(
    ("reply", "kind", "reason"),
    [(reply, TRANSIENT, "quota_exceeded") for reply in QUOTA]
    + [(reply, MISCONFIGURED, "relay_denied") for reply in RELAY]
    + [(reply, MISCONFIGURED, "sender_refused") for reply in SENDER]
    + [("530 5.7.57 Client not authenticated to send mail", MISCONFIGURED, "auth_required")]
    + [("454 4.7.1 <bob@example.org>: Relay access denied", TRANSIENT, "relay_denied")]
    + [("454 Throttling failure: Maximum sending rate exceeded", TRANSIENT, "quota_exceeded")]
    + [("552 5.2.2 The email account that you tried to reach is over quota", TRANSIENT, "mailbox_full")],
)
async def test_an_answer_about_the_account_is_known_wherever_it_comes(
    server: SmtpServer, channel: EmailChannel, stage: str, reply: str, kind: FailureClass, reason: str
) -> None:
    server.answer_always(stage, reply)
    assert await failure(channel) == Failure(kind, reason, int(reply[:3]))


@pytest.mark.parametrize("reply", OF_THE_MAIL)
async def test_an_answer_about_the_mail_itself_is_a_refusal_of_that_mail(
    server: SmtpServer, channel: EmailChannel, reply: str
) -> None:
    server.answer_always(".", reply)
    assert await failure(channel) == Failure(REJECTED, "data_refused", int(reply[:3]))


@pytest.mark.parametrize("stage", ["MAIL", "RCPT", "DATA"])
async def test_no_mail_is_refused_that_the_server_has_not_seen(
    server: SmtpServer, channel: EmailChannel, stage: str
) -> None:
    server.answer_always(stage, "550 5.1.1 no")
    assert (await failure(channel)).failure_class is MISCONFIGURED


@pytest.mark.parametrize(
    ("reply", "final"),
    [
        ("550 5.1.1 <bob@example.org>: Recipient address rejected: User unknown", True),
        (RELAY[0], True),
        ("450 4.2.0 <bob@example.org>: Greylisted", False),
        ("552 5.2.2 Over quota", False),
        ("550 <bob@example.org>: mailbox is full", False),
        ("552 Too many recipients", False),
        ("552 Requested action aborted", False),
        (QUOTA[4], False),
    ],
)
async def test_a_recipients_no_among_others_who_were_accepted_is_its_own(
    server: SmtpServer, channel: EmailChannel, reply: str, final: bool
) -> None:
    server.refuse(BOB, reply)
    receipt = await channel.send(channel.build(RENDERED, "01A", AT), channel.recipients)
    assert receipt.refusals == (Refusal(BOB, int(reply[:3]), final),)
    assert server.mails[0].recipients == (ANN,)


@pytest.mark.parametrize("reply", ["550 5.1.1 User unknown", RELAY[0]])
async def test_a_recipients_no_stays_its_own_when_it_is_asked_again_alone(
    server: SmtpServer, channel: EmailChannel, reply: str
) -> None:
    server.refuse(BOB, reply)
    assert await failure(channel, BOB) == Failure(REJECTED, "recipients_refused", int(reply[:3]))


async def test_what_is_wrong_with_the_sender_is_no_recipients_fault(server: SmtpServer, channel: EmailChannel) -> None:
    server.refuse(BOB, SENDER[0])
    assert await failure(channel, BOB) == Failure(MISCONFIGURED, "sender_refused", 553)


async def test_one_recipient_who_may_take_it_later_keeps_the_message_waiting(
    server: SmtpServer, channel: EmailChannel
) -> None:
    server.refuse(ANN, RELAY[0])
    server.refuse(BOB, "552 5.2.2 Mailbox full")
    assert await failure(channel) == Failure(TRANSIENT, "mailbox_full", 552)
