"""Mail over SMTP.

What decides between a loss, a copy and neither is where a conversation broke. Until the dot that ends DATA has been
written, the server surely has not taken the mail. From then on only its answer tells; without one it may have.
So DATA is spoken here step by step, and not by aiosmtplib's ``sendmail``, which does not tell the two apart.
"""

import asyncio
import ipaddress
import re
import socket
import ssl
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime, parseaddr
from pathlib import Path
from typing import Literal

import aiosmtplib

from receiver.channels.base import COMMON_REASONS, DeliveryError, Receipt, Refusal, misconfigured, rejected, transient
from receiver.core.content import Rendered
from receiver.core.retrying import FailureClass
from receiver.secret import Secret

FINAL_ANSWER_PATIENCE = 60.0
"""Seconds to wait for the answer to the final dot, if ``timeout`` is shorter.

RFC 5321, 4.5.3.2.6 asks for ten minutes, because giving up early makes copies. Ours are byte-identical and carry one
Message-ID, so that one minute is a fair price for not holding up what comes next.
"""

KEPT_IDLE = 30.0
"""Seconds a connection is kept without a mail. Servers wait for five minutes (RFC 5321, 4.5.3.2.7), NATs for less."""

START_MAIL_INPUT = 354
SERVICE_CLOSING = 421

AUTH_WANTED = frozenset({530, 534, 535, 538})
"""Replies to any command that ask for credentials or encryption (RFC 4954, 6; RFC 3207, 4)."""

# Whose no it was: the reason, and what a 5xx of it means. A 4xx is always transient (RFC 5321, 4.2.1).
REPLIES: dict[type[aiosmtplib.SMTPResponseException], tuple[str, FailureClass]] = {
    aiosmtplib.SMTPConnectResponseError: ("greeting_refused", FailureClass.MISCONFIGURED),
    aiosmtplib.SMTPHeloError: ("greeting_refused", FailureClass.MISCONFIGURED),
    aiosmtplib.SMTPAuthenticationError: ("auth_failed", FailureClass.MISCONFIGURED),
    aiosmtplib.SMTPSenderRefused: ("sender_refused", FailureClass.REJECTED),
    aiosmtplib.SMTPRecipientRefused: ("recipients_refused", FailureClass.REJECTED),
    aiosmtplib.SMTPDataError: ("data_refused", FailureClass.REJECTED),
    # The only other command that we send is STARTTLS.
    aiosmtplib.SMTPResponseException: ("starttls_refused", FailureClass.MISCONFIGURED),
}

REASONS = (
    COMMON_REASONS
    | frozenset(reason for reason, _ in REPLIES.values())
    | {
        "address_invalid",
        "auth_not_offered",
        "auth_required",
        "ca_file_unreadable",
        "certificate_invalid",
        "connection_lost",
        "connection_refused",
        "credentials_unencrypted",
        "invalid_reply",
        "name_not_resolved",
        "recipients_refused",
        "smtp_error",
        "starttls_not_offered",
        "timeout",
        "tls_failed",
    }
)


class EmailChannel:
    """Sends each message as one mail to all its recipients, over a connection that it keeps."""

    reasons = REASONS

    def __init__(
        self,
        name: str,
        *,
        sender: str,
        recipients: tuple[str, ...],
        host: str,
        port: int,
        security: Literal["starttls", "tls", "none"],
        username: str | None,
        password: Secret | None,
        ca_file: Path | None,
        timeout: float,
    ) -> None:
        """Send as ``sender`` (``Alerts <alerts@example.com>``) through ``host``.

        STARTTLS is required where it is named, never opportunistic. Certificates are verified against ``ca_file``,
        or else against the system's authorities. Credentials go unencrypted to loopback only. ``timeout`` is in
        seconds, for each step of the conversation.
        """
        self.name = name
        self.recipients: Sequence[str] = recipients
        self._sender = sender
        self._host = host
        self._port = port
        self._security = security
        self._username = username
        self._password = password
        self._ca_file = ca_file
        self._timeout = timeout
        self._smtp: aiosmtplib.SMTP | None = None
        self._idle: asyncio.TimerHandle | None = None
        self._turn = asyncio.Lock()

    def build(self, rendered: Rendered, uid: str, at: int) -> bytes:
        """The mail; the same arguments give the same bytes, all of them 7-bit and every line short enough."""
        _, address = parseaddr(self._sender)
        mail = EmailMessage(policy=SMTP)
        mail["From"] = self._sender
        mail["To"] = ", ".join(self.recipients)
        mail["Subject"] = rendered.subject
        mail["Date"] = format_datetime(datetime.fromtimestamp(at // 1000, UTC))
        mail["Message-ID"] = f"<{uid}@{address.rpartition('@')[2]}>"
        mail["Auto-Submitted"] = "auto-generated"  # RFC 3834: no vacation notices in return
        mail.set_content(rendered.text, cte=_transfer_encoding(rendered.text))
        mail.add_alternative(rendered.html, subtype="html", cte=_transfer_encoding(rendered.html))
        # "=_" occurs in neither encoding (RFC 2045, 6.7), so no text can hold the boundary.
        mail.set_boundary(f"=_{uid}")
        return mail.as_bytes()

    async def send(self, payload: bytes, recipients: Sequence[str]) -> Receipt:
        """Hand over exactly these bytes. Raises DeliveryError unless at least one recipient was accepted."""
        async with self._turn:
            self._stay()
            sent = False
            try:
                protocol, refusals = await self._offer(recipients)
                protocol.write(stuffed(payload))
                sent = True
                answer = await protocol.read_response(max(self._timeout, FINAL_ANSWER_PATIENCE))
                if answer.code // 100 != 2:
                    raise aiosmtplib.SMTPDataError(answer.code, "")
            except (aiosmtplib.SMTPException, OSError, ValueError) as error:
                self._hang_up()
                raise judge(error, sent=sent) from None
            except BaseException:
                # Cancelled or refused by us in the middle of a conversation: the connection is in no known state.
                self._hang_up()
                raise
            self._idle = asyncio.get_running_loop().call_later(KEPT_IDLE, self._hang_up)
            return Receipt(answer.code, refusals)

    async def close(self) -> None:
        """Say goodbye and close the kept connection, if there is one."""
        self._stay()
        if self._smtp is not None and self._smtp.is_connected:
            with suppress(aiosmtplib.SMTPException, OSError):  # the server's goodbye is a courtesy
                await self._smtp.quit(timeout=self._timeout)
        self._hang_up()

    async def _offer(self, recipients: Sequence[str]) -> tuple[aiosmtplib.protocol.SMTPProtocol, tuple[Refusal, ...]]:
        """Bring the server to expect the mail. A kept connection may have died unnoticed: then once more, afresh.

        Nothing has been handed over at this point, so that the second try makes no copy.
        """
        if self._smtp is not None and self._smtp.is_connected:
            try:
                return await self._envelope(self._smtp, recipients)
            except (ConnectionError, TimeoutError):
                self._hang_up()
            except aiosmtplib.SMTPResponseException as error:
                if error.code != SERVICE_CLOSING:
                    raise
                self._hang_up()
        self._smtp = await self._connected()
        return await self._envelope(self._smtp, recipients)

    async def _connected(self) -> aiosmtplib.SMTP:
        smtp = aiosmtplib.SMTP(
            hostname=self._host,
            port=self._port,
            timeout=self._timeout,
            use_tls=self._security == "tls",
            start_tls=False,  # not None, which means "if offered", so that an attacker could take the offer away
            tls_context=await self._tls_context() if self._security != "none" else None,
        )
        try:
            await smtp.connect()
            if self._security == "starttls":
                await smtp.ehlo()
                if not smtp.supports_extension("starttls"):
                    raise misconfigured("starttls_not_offered")
                await smtp.starttls()
            if self._username is not None:
                await self._log_in(smtp, self._username)
        except BaseException:
            smtp.close()
            raise
        return smtp

    async def _tls_context(self) -> ssl.SSLContext:
        try:  # reads files; anew for every connection, so that a renewed ca_file is seen
            return await asyncio.to_thread(ssl.create_default_context, cafile=self._ca_file)
        except OSError:
            raise misconfigured("ca_file_unreadable") from None

    async def _log_in(self, smtp: aiosmtplib.SMTP, username: str) -> None:
        peer = smtp.get_transport_info("peername")[0]
        if self._security == "none" and not ipaddress.ip_address(peer).is_loopback:
            raise misconfigured("credentials_unencrypted")
        await smtp.ehlo()
        if not smtp.supported_auth_methods:
            raise misconfigured("auth_not_offered")
        await smtp.login(username, self._password.reveal() if self._password else "")

    async def _envelope(
        self, smtp: aiosmtplib.SMTP, recipients: Sequence[str]
    ) -> tuple[aiosmtplib.protocol.SMTPProtocol, tuple[Refusal, ...]]:
        await smtp.mail(parseaddr(self._sender)[1])
        refusals = []
        for address in recipients:
            try:
                await smtp.rcpt(address)
            except aiosmtplib.SMTPRecipientRefused as error:
                if error.code == SERVICE_CLOSING or error.code in AUTH_WANTED:
                    raise
                refusals.append(Refusal(address, error.code, final=error.code // 100 == 5))
        if len(refusals) == len(recipients):
            raise _all_refused(refusals)
        answer = await smtp.execute_command(b"DATA")
        if answer.code != START_MAIL_INPUT:
            raise aiosmtplib.SMTPDataError(answer.code, "")
        if smtp.protocol is None:
            raise aiosmtplib.SMTPServerDisconnected("")
        return smtp.protocol, tuple(refusals)

    def _stay(self) -> None:
        if self._idle is not None:
            self._idle.cancel()
            self._idle = None

    def _hang_up(self) -> None:
        self._stay()
        if self._smtp is not None:
            self._smtp.close()
            self._smtp = None


def stuffed(payload: bytes) -> bytes:
    """The mail as DATA carries it: a dot more on lines that begin with one, and the final dot (RFC 5321, 4.5.2)."""
    return re.sub(rb"(?m)^\.", b"..", payload) + b".\r\n"


def judge(error: Exception, *, sent: bool) -> DeliveryError:
    """What an error of the conversation means; ``sent`` when the whole mail had been written before it."""
    if type(error) is aiosmtplib.SMTPConnectError and isinstance(error.__cause__, Exception):
        error = error.__cause__  # aiosmtplib wraps what the socket said
    match error:
        case aiosmtplib.SMTPResponseException():
            return _judge_reply(error, sent=sent)
        case ssl.SSLCertVerificationError():
            return misconfigured("certificate_invalid")
        case ssl.SSLEOFError() | ssl.SSLZeroReturnError():
            return transient("connection_lost", may_be_taken=sent)
        case ssl.SSLError():
            return transient("tls_failed", may_be_taken=True) if sent else misconfigured("tls_failed")
        case TimeoutError():
            return transient("timeout", may_be_taken=sent)
        case socket.gaierror():
            return transient("name_not_resolved")
        case ConnectionRefusedError():
            return transient("connection_refused")
        case OSError():
            return transient("connection_lost", may_be_taken=sent)
        case ValueError():
            return misconfigured("address_invalid")
    return transient("smtp_error", may_be_taken=sent)


def _judge_reply(error: aiosmtplib.SMTPResponseException, *, sent: bool) -> DeliveryError:
    reason, final = REPLIES.get(type(error), REPLIES[aiosmtplib.SMTPResponseException])
    if not 400 <= error.code <= 599:  # not an answer that SMTP knows
        return transient("invalid_reply", may_be_taken=sent)
    if error.code < 500:
        return transient(reason, error.code)
    if error.code in AUTH_WANTED and final is FailureClass.REJECTED:
        return misconfigured("auth_required", error.code)
    return misconfigured(reason, error.code) if final is FailureClass.MISCONFIGURED else rejected(reason, error.code)


def _all_refused(refusals: Sequence[Refusal]) -> DeliveryError:
    temporary = next((refusal for refusal in refusals if not refusal.final), None)
    if temporary is not None:
        return transient("recipients_refused", temporary.code)
    return rejected("recipients_refused", refusals[0].code if refusals else None)


def _transfer_encoding(text: str) -> str:
    """The shorter of the two 7-bit encodings: quoted-printable makes three bytes of each that it escapes."""
    data = text.encode()
    escaped = sum(byte > 126 or byte == ord("=") for byte in data)
    return "base64" if 6 * escaped > len(data) else "quoted-printable"
