"""What an SMTP server's no means.

Where it came counts for more than its number. Until the server has the mail, it knows the session, the sender and the
recipients: the same for every message of a channel, so that a 5xx there is a matter for a person and no message dies
of it. Only after the final dot can a 5xx be about the one mail. A 4xx passes by itself, wherever it comes
(RFC 5321, 4.2.1).

The text of a reply is a stranger's: it serves to tell these cases apart, and goes nowhere.
"""

import re
import socket
import ssl
from collections.abc import Sequence

import aiosmtplib

from receiver.channels.base import DeliveryError, misconfigured, rejected, transient

SERVICE_CLOSING = 421

TOO_MANY_RECIPIENTS = 552
"""What RFC 821 called a full list of recipients; clients take it as temporary there (RFC 5321, 4.5.3.1.10)."""

AUTH_WANTED = frozenset({530, 534, 535, 538})
"""Replies to any command that ask for credentials or encryption (RFC 4954, 6; RFC 3207, 4)."""

# Whose no it was.
PLACES: dict[type[aiosmtplib.SMTPResponseException], str] = {
    aiosmtplib.SMTPConnectResponseError: "greeting_refused",
    aiosmtplib.SMTPHeloError: "greeting_refused",
    aiosmtplib.SMTPAuthenticationError: "auth_failed",
    aiosmtplib.SMTPSenderRefused: "sender_refused",
    aiosmtplib.SMTPRecipientRefused: "recipients_refused",
    aiosmtplib.SMTPDataError: "data_refused",
    # The only other command that we send is STARTTLS.
    aiosmtplib.SMTPResponseException: "starttls_refused",
}

# These come as 5xx and are over by tomorrow: 5.4.5 (support.google.com/a/answer/3726730), 5.1.90 and 5.7.232 f.
# (learn.microsoft.com, "NDR error codes in Exchange Online").
QUOTA_STATUS = frozenset({"4.5", "1.90", "7.232", "7.233"})
# Exchange's "unable to relay recipient in non-accepted domain" and "TenantAttribution; Relay Access Denied".
RELAY_STATUS = frozenset({"7.54", "7.64"})
# Exchange's "client not authenticated", "no permissions to send as this sender" and "SendAsDenied".
SENDER_STATUS = frozenset({"7.57", "7.60", "2.252"})
# RFC 3463, 3.3: "the recipient can delete messages to make more space [...] a persistent transient failure".
MAILBOX_FULL = "2.2"
# A status that says what is wrong with the mail itself: RFC 3463, 3.4 (too big for the system) and 3.7 (its content).
OF_THE_MAIL = re.compile(r"2\.3|3\.4|6\.\d+")

STATUS = re.compile(r"[245]\.(\d{1,3}\.\d{1,3})\b")

# What servers say whose status says less: Postfix, Exim, Sendmail, qmail, SES and the hosters' policy daemons.
WORDS = {
    "mailbox_full": r"mailbox (is )?(full|over quota)",
    "relay_denied": r"relay(ing)?\b.{0,30}\b(denied|prohibited|not (permitted|allowed))|unable to relay|rcpthosts",
    "sender_refused": r"sender address rejected|not owned by user|sendasdenied|address is not verified",
    "quota_exceeded": r"quota|throttl|\btoo (many|much) (e?-?mails?|messages|recipients)"
    r"|\b(rate|sending|daily|hourly|relay|recipient)\b.{0,20}\blimit|exceeded the max (emails|defers)",
}
_WORDS = {reason: re.compile(pattern, re.IGNORECASE | re.DOTALL) for reason, pattern in WORDS.items()}

REASONS = (
    frozenset(PLACES.values())
    | frozenset(WORDS)
    | {
        "address_invalid",
        "auth_required",
        "certificate_invalid",
        "connection_failed",
        "connection_lost",
        "connection_refused",
        "invalid_reply",
        "name_not_resolved",
        "smtp_error",
        "timeout",
        "tls_failed",
    }
)


def complaint(error: aiosmtplib.SMTPResponseException) -> str | None:
    """What the server complains of, beyond the place where it does, if it is one of the things that matter here."""
    text = error.message[:1000]
    found = STATUS.match(text)
    status = found[1] if found else ""
    if error.code in AUTH_WANTED:
        return "auth_required"
    if status == MAILBOX_FULL:
        return "mailbox_full"
    for reason, known in (
        ("quota_exceeded", QUOTA_STATUS),
        ("relay_denied", RELAY_STATUS),
        ("sender_refused", SENDER_STATUS),
    ):
        if status in known:
            return reason
    if OF_THE_MAIL.fullmatch(status):
        return None
    return next((reason for reason, words in _WORDS.items() if words.search(text)), None)


def passes(error: aiosmtplib.SMTPResponseException, what: str | None) -> bool:
    """Whether this no passes by itself."""
    return error.code < 500 or what in ("quota_exceeded", "mailbox_full")


def final_for_a_recipient(error: aiosmtplib.SMTPRecipientRefused) -> bool:
    """Whether this recipient, among others, need not be asked again.

    A full mailbox is emptied, and a server asks for less at a time; an address that is wrong stays wrong.
    """
    return error.code != TOO_MANY_RECIPIENTS and not passes(error, complaint(error))


def all_refused(errors: Sequence[aiosmtplib.SMTPRecipientRefused], *, others_have_it: bool) -> DeliveryError:
    """What it means that nobody was accepted, of those asked this time.

    ``others_have_it``: the channel's other recipients took the message earlier, so that what is wrong is these.
    """
    for error in errors:
        if not final_for_a_recipient(error):
            return transient(_named(complaint(error), error), error.code)
    what = complaint(errors[0])
    if others_have_it and what != "sender_refused":
        return rejected("recipients_refused", errors[0].code)
    return misconfigured(_named(what, errors[0]), errors[0].code)


def judge(error: Exception, *, sent: bool) -> DeliveryError:
    """What an error of the conversation means; ``sent`` when the whole mail had been written before it."""
    connecting = isinstance(error, aiosmtplib.SMTPConnectError)
    if isinstance(error, aiosmtplib.SMTPResponseException):
        return _judge_reply(error, sent=sent)
    if connecting and isinstance(error.__cause__, Exception):
        error = error.__cause__  # aiosmtplib wraps what the socket said
    match error:
        case ssl.SSLCertVerificationError():
            return misconfigured("certificate_invalid")
        case ssl.SSLEOFError() | ssl.SSLZeroReturnError():
            return transient("connection_lost", may_be_taken=sent, unreachable=connecting)
        case ssl.SSLError():
            return transient("tls_failed", may_be_taken=True) if sent else misconfigured("tls_failed")
        case TimeoutError():
            return transient("timeout", may_be_taken=sent, unreachable=connecting)
        case socket.gaierror():
            return transient("name_not_resolved", unreachable=True)
        case ConnectionRefusedError():
            return transient("connection_refused", unreachable=True)
        case ConnectionError():
            return transient("connection_lost", may_be_taken=sent, unreachable=connecting)
        case OSError() if connecting:
            return transient("connection_failed", unreachable=True)
        case OSError():
            return transient("connection_lost", may_be_taken=sent)
        case ValueError():
            return misconfigured("address_invalid")
    return transient("smtp_error", may_be_taken=sent)


def _judge_reply(error: aiosmtplib.SMTPResponseException, *, sent: bool) -> DeliveryError:
    if not 400 <= error.code <= 599:  # not an answer that SMTP knows
        return transient("invalid_reply", may_be_taken=sent)
    # Before MAIL, what a server asks for is said by its place; "auth_failed" says more than "auth_required".
    in_envelope = isinstance(
        error, (aiosmtplib.SMTPSenderRefused, aiosmtplib.SMTPRecipientRefused, aiosmtplib.SMTPDataError)
    )
    what = complaint(error) if in_envelope else None
    reason = _named(what, error)
    if passes(error, what):
        return transient(reason, error.code, unreachable=isinstance(error, aiosmtplib.SMTPConnectError))
    if sent and what is None:
        return rejected(reason, error.code)
    return misconfigured(reason, error.code)


def _named(what: str | None, error: aiosmtplib.SMTPResponseException) -> str:
    return what or PLACES.get(type(error), "starttls_refused")
