"""The fault matrix as data: how each provider says no, and what is promised of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from receiver.core.retrying import FailureClass
from tests.smtp_server import DROP, HANG, SLOW

TRANSIENT, MISCONFIGURED, REJECTED = FailureClass.TRANSIENT, FailureClass.MISCONFIGURED, FailureClass.REJECTED

# What happens to the connection, or to the certificate, beside what the servers' scripts can say.
REFUSED = "<refused>"
UNRESOLVED = "<unresolved>"
STRIPPED = "<stripped>"
NO_TLS = "220 go ahead"
EXPIRED, SELF_SIGNED, WRONG_HOST = "<expired>", "<self-signed>", "<wrong host>"
TARPIT = "<tarpit>"
ELSEWHERE = "<elsewhere>"

IN_WORDS = {
    DROP: "the connection is dropped",
    HANG: "no answer",
    SLOW: "the mail is taken, and the answer comes after our patience has ended",
    REFUSED: "the connection is refused",
    UNRESOLVED: "the name does not resolve",
    STRIPPED: "not offered",
    NO_TLS: "220, and then no TLS",
    EXPIRED: "expired",
    SELF_SIGNED: "self-signed",
    WRONG_HOST: "of another host",
    TARPIT: "each answer comes just in time",
    ".": "after the final dot",
}

WAITING, SENDING = "waiting", "sending"

LOG_EVENTS = {
    TRANSIENT: ("warn", "delivery failed, everything in it stays pending"),
    MISCONFIGURED: ("error", "delivery fails until somebody puts it right, everything stays pending"),
    REJECTED: ("warn", "delivery failed, everything in it stays pending"),
    None: ("info", "message sent"),
}
DEFERRED_EVENT = ("warn", "some recipients said later, they are asked again and the others have it")
DEAD_EVENT = ("error", "a message was refused twice while others were taken, its alerts are dead")


@dataclass(frozen=True, slots=True)
class Row:
    """One fault of one provider.

    ``at`` and ``answer`` make the fault; ``some`` of the three recipients get the answer, or all. Promised are the
    failure's class and reason (None where nothing failed), what stays ``pending`` (None: nothing), and that after
    recovery everything has arrived once, or with so many more ``copies`` of the same bytes. ``dead``: the fault comes
    back for this message alone, while others are taken.
    """

    provider: str
    at: str
    answer: str
    kind: FailureClass | None
    reason: str | None
    pending: str | None
    headers: Mapping[str, str] = field(default_factory=dict)
    some: int = 0
    copies: int = 0
    retry_in: int | None = None
    dead: bool = False

    def __str__(self) -> str:
        """The row's name."""
        return f"{self.provider}, {self.fault}"

    @property
    def refused_for_good(self) -> int:
        """How many recipients have said no for good, while others have the mail."""
        return self.some if self.kind is None and self.pending is None else 0

    @property
    def events(self) -> list[tuple[str, str]]:
        """What is logged of the first attempt: level and message."""
        if self.kind is None and self.pending is not None:
            return [DEFERRED_EVENT]
        return [LOG_EVENTS[self.kind]]

    @property
    def ledger(self) -> dict[str, int]:
        """The channel's accounts in the end."""
        return {"accepted": 2, "delivered": 1, "dead": 1} if self.dead else {"accepted": 1, "delivered": 1}

    def arrivals(self, recipients: Sequence[str]) -> dict[str, int]:
        """How often the message has come to each recipient in the end."""
        return dict.fromkeys(recipients[: len(recipients) - self.refused_for_good], 1 + self.copies)

    @property
    def fault(self) -> str:
        """The fault in words."""
        who = f" of {self.some} of 3 recipients" if self.some else ""
        told = "".join(f", {name}: {value.strip('<>')}" for name, value in self.headers.items())
        again = ", again while others are taken" if self.dead else ""
        return f"{IN_WORDS.get(self.at, self.at)}{who}: {IN_WORDS.get(self.answer, self.answer)}{told}{again}"

    @property
    def found_by_a_check(self) -> bool:
        """Whether it shows without a message."""
        early = self.at in ("connect", "greeting", "EHLO", "STARTTLS", "certificate", "AUTH")
        return early or (self.provider == "Slack" and self.kind is not REJECTED)

    @property
    def unreachable(self) -> bool:
        """Whether nobody answers at all."""
        return self.at == "connect" or (self.at == "greeting" and self.kind is TRANSIENT)

    @property
    def takes_patience(self) -> bool:
        """Whether the attempt ends because our patience does."""
        return self.reason == "timeout"


def smtp(
    at: str,
    answer: str,
    kind: FailureClass | None,
    reason: str | None,
    pending: str | None = WAITING,
    *,
    some: int = 0,
    copies: int = 0,
    dead: bool = False,
) -> Row:
    """A row of the mail channel."""
    return Row("SMTP", at, answer, kind, reason, pending, some=some, copies=copies, dead=dead)


def slack(
    answer: str,
    kind: FailureClass,
    reason: str,
    pending: str = WAITING,
    *,
    at: str = "answer",
    headers: Mapping[str, str] | None = None,
    copies: int = 0,
    retry_in: int | None = None,
    dead: bool = False,
) -> Row:
    """A row of the Slack channel; the answer is a status and a word."""
    more = headers or {}
    return Row("Slack", at, answer, kind, reason, pending, headers=more, copies=copies, retry_in=retry_in, dead=dead)


SMTP_ROWS = (
    smtp("connect", UNRESOLVED, TRANSIENT, "name_not_resolved"),
    smtp("connect", REFUSED, TRANSIENT, "connection_refused"),
    smtp("connect", HANG, TRANSIENT, "timeout"),
    smtp("greeting", "421 4.3.2 Service shutting down", TRANSIENT, "greeting_refused"),
    smtp("greeting", "554 5.7.1 No SMTP service for you", MISCONFIGURED, "greeting_refused"),
    smtp("greeting", DROP, TRANSIENT, "connection_lost"),
    smtp("greeting", HANG, TRANSIENT, "timeout"),
    smtp("EHLO", "421 4.3.2 Service shutting down", TRANSIENT, "greeting_refused"),
    smtp("EHLO", "451 4.3.0 Try again later", TRANSIENT, "greeting_refused"),
    smtp("EHLO", "550 5.7.1 Access denied", MISCONFIGURED, "greeting_refused"),
    smtp("EHLO", DROP, TRANSIENT, "connection_lost"),
    smtp("EHLO", HANG, TRANSIENT, "timeout"),
    smtp("STARTTLS", STRIPPED, MISCONFIGURED, "starttls_not_offered"),
    smtp("STARTTLS", "454 4.7.0 TLS not available now", TRANSIENT, "starttls_refused"),
    smtp("STARTTLS", "501 5.5.4 No", MISCONFIGURED, "starttls_refused"),
    smtp("STARTTLS", NO_TLS, MISCONFIGURED, "tls_failed"),
    smtp("STARTTLS", DROP, TRANSIENT, "connection_lost"),
    smtp("STARTTLS", HANG, TRANSIENT, "timeout"),
    smtp("certificate", EXPIRED, MISCONFIGURED, "certificate_invalid"),
    smtp("certificate", SELF_SIGNED, MISCONFIGURED, "certificate_invalid"),
    smtp("certificate", WRONG_HOST, MISCONFIGURED, "certificate_invalid"),
    smtp("AUTH", "421 4.3.2 Service shutting down", TRANSIENT, "auth_failed"),
    smtp("AUTH", "454 4.7.0 Temporary authentication failure", TRANSIENT, "auth_failed"),
    smtp("AUTH", "535 5.7.8 Credentials invalid", MISCONFIGURED, "auth_failed"),
    smtp("AUTH", DROP, TRANSIENT, "connection_lost"),
    smtp("AUTH", HANG, TRANSIENT, "timeout"),
    smtp("MAIL", "421 4.3.2 Service shutting down", TRANSIENT, "sender_refused"),
    smtp("MAIL", "451 4.3.0 Try again later", TRANSIENT, "sender_refused"),
    smtp("MAIL", "550 5.4.5 Daily user sending limit exceeded", TRANSIENT, "quota_exceeded"),
    smtp("MAIL", "530 5.7.0 Authentication required", MISCONFIGURED, "auth_required"),
    smtp("MAIL", "550 5.1.0 Sender rejected", MISCONFIGURED, "sender_refused"),
    smtp("MAIL", DROP, TRANSIENT, "connection_lost"),
    smtp("MAIL", HANG, TRANSIENT, "timeout"),
    smtp("RCPT", "450 4.2.0 Later, please", None, None, SENDING, some=1),
    smtp("RCPT", "552 5.2.2 Mailbox full", None, None, SENDING, some=1),
    smtp("RCPT", "550 5.1.1 User unknown", None, None, None, some=1),
    smtp("RCPT", "554 5.7.1 Relay access denied", None, None, None, some=1),
    smtp("RCPT", DROP, TRANSIENT, "connection_lost", some=1),
    smtp("RCPT", HANG, TRANSIENT, "timeout", some=1),
    smtp("RCPT", "450 4.2.0 Later, please", None, None, SENDING, some=2),
    smtp("RCPT", "550 5.1.1 User unknown", None, None, None, some=2),
    smtp("RCPT", DROP, TRANSIENT, "connection_lost", some=2),
    smtp("RCPT", HANG, TRANSIENT, "timeout", some=2),
    smtp("RCPT", TARPIT, TRANSIENT, "timeout"),
    smtp("RCPT", "421 4.3.2 Service shutting down", TRANSIENT, "recipients_refused"),
    smtp("RCPT", "450 4.7.1 Greylisted, see you in five minutes", TRANSIENT, "recipients_refused"),
    smtp("RCPT", "550 5.1.1 User unknown", MISCONFIGURED, "recipients_refused"),
    smtp("RCPT", "554 5.7.1 Relay access denied", MISCONFIGURED, "relay_denied"),
    smtp("RCPT", "553 5.7.1 Sender address rejected: not owned by user", MISCONFIGURED, "sender_refused"),
    smtp("RCPT", "552 5.2.2 Mailbox full", TRANSIENT, "mailbox_full"),
    smtp("RCPT", DROP, TRANSIENT, "connection_lost"),
    smtp("RCPT", HANG, TRANSIENT, "timeout"),
    smtp("DATA", "421 4.3.2 Service shutting down", TRANSIENT, "data_refused"),
    smtp("DATA", "451 4.3.0 Try again later", TRANSIENT, "data_refused"),
    smtp("DATA", "554 5.5.1 No valid recipients", MISCONFIGURED, "data_refused"),
    smtp("DATA", "550 5.4.5 Daily user sending limit exceeded", TRANSIENT, "quota_exceeded"),
    smtp("DATA", DROP, TRANSIENT, "connection_lost"),
    smtp("DATA", HANG, TRANSIENT, "timeout"),
    smtp(".", "421 4.3.2 Service shutting down", TRANSIENT, "data_refused"),
    smtp(".", "452 4.3.1 Insufficient system storage", TRANSIENT, "data_refused"),
    smtp(".", "554 5.6.0 Content rejected", REJECTED, "data_refused"),
    smtp(".", "554 5.6.0 Content rejected", REJECTED, "data_refused", dead=True),
    smtp(".", "550 5.4.5 Daily user sending limit exceeded", TRANSIENT, "quota_exceeded"),
    smtp(".", "550 5.7.60 No permission to send as this sender", MISCONFIGURED, "sender_refused"),
    smtp(".", "what?", TRANSIENT, "invalid_reply", SENDING, copies=1),
    smtp(".", DROP, TRANSIENT, "connection_lost", SENDING, copies=1),
    smtp(".", HANG, TRANSIENT, "timeout", SENDING, copies=1),
    smtp(".", SLOW, TRANSIENT, "timeout", SENDING, copies=1),
)

IN_90_SECONDS = {"Retry-After": "Sat, 21 Nov 2026 05:31:30 GMT", "Date": "Sat, 21 Nov 2026 05:30:00 GMT"}

SLACK_ROWS = (
    slack(UNRESOLVED, TRANSIENT, "name_not_resolved", at="connect"),
    slack(REFUSED, TRANSIENT, "connection_refused", at="connect"),
    slack(HANG, TRANSIENT, "timeout", at="connect"),
    slack("400 invalid_payload", REJECTED, "invalid_payload"),
    slack("400 invalid_payload", REJECTED, "invalid_payload", dead=True),
    slack("403 action_prohibited", MISCONFIGURED, "action_prohibited"),
    slack("403 invalid_token", MISCONFIGURED, "invalid_token"),
    slack("404 no_service", MISCONFIGURED, "no_service"),
    slack("410 channel_is_archived", MISCONFIGURED, "channel_is_archived"),
    slack("429 rate_limited", TRANSIENT, "rate_limited", retry_in=1),
    slack("429 rate_limited", TRANSIENT, "rate_limited", headers={"Retry-After": "30"}, retry_in=30),
    slack("429 rate_limited", TRANSIENT, "rate_limited", headers=IN_90_SECONDS, retry_in=90),
    slack("500 rollup_error", TRANSIENT, "rollup_error"),
    slack("503 Service Unavailable", TRANSIENT, "http_error"),
    slack("502 Bad Gateway", TRANSIENT, "http_error", SENDING, copies=1),
    slack("504 Gateway Timeout", TRANSIENT, "http_error", SENDING, copies=1),
    slack(HANG, TRANSIENT, "timeout", SENDING, copies=1),
    slack(DROP, TRANSIENT, "connection_lost", SENDING, copies=1),
    slack("200 Please log in", MISCONFIGURED, "unexpected_body", SENDING, copies=1),
    slack("302 Moved", MISCONFIGURED, "http_error", headers={"Location": ELSEWHERE}),
    slack("307 Moved", MISCONFIGURED, "http_error", headers={"Location": ELSEWHERE}),
)

ROWS = SMTP_ROWS + SLACK_ROWS
