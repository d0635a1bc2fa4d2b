"""Mail over SMTP.

What decides between a loss, a copy and neither is where a conversation broke. Until the dot that ends DATA has been
written, the server surely has not taken the mail. From then on only its answer tells; without one it may have.
So DATA is spoken here step by step, and not by aiosmtplib's ``sendmail``, which does not tell the two apart.
"""

import asyncio
import ipaddress
import re
import ssl
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime
from email.header import Header
from email.utils import format_datetime, parseaddr
from pathlib import Path
from typing import Literal

import aiosmtplib

from receiver.channels import mime, smtp_replies
from receiver.channels.base import COMMON_REASONS, Receipt, Refusal, misconfigured
from receiver.channels.smtp_replies import AUTH_WANTED, SERVICE_CLOSING, all_refused, final_for_a_recipient, judge
from receiver.core.content import Rendered
from receiver.secret import Secret

OFFER_PATIENCE = 120.0
"""Seconds for all that comes before the mail itself, from the name's resolution to the answer to DATA.

``timeout`` bounds each step, yet a server that takes its time with each of a hundred recipients would hold the channel
for long. A second for each is generous. With the patience after the final dot an attempt ends within four minutes,
so that it never takes longer than the longest rest between two attempts.
"""

FINAL_ANSWER_PATIENCE = 120.0
"""Seconds to wait for the answer to the final dot, if ``timeout`` is shorter.

RFC 5321, 4.5.3.2.6 asks for ten minutes, because giving up early makes copies; servers that scan what they take for
spam and viruses answer within one. Two leave them room, and keep what comes next waiting no longer than that. Copies,
should there be any, are byte-identical and carry one Message-ID.
"""

KEPT_IDLE = 30.0
"""Seconds a connection is kept without a mail. Servers wait for five minutes (RFC 5321, 4.5.3.2.7), NATs for less."""

START_MAIL_INPUT = 354

UNKNOWN_COMMAND = frozenset({500, 502})
"""Replies to EHLO of a server that knows HELO alone (RFC 5321, 3.2)."""

# A message's uid; another channel of this name may have had threads of another kind.
_UID = re.compile("[0-9A-Za-z]+")

REASONS = (
    COMMON_REASONS
    | smtp_replies.REASONS
    | {"auth_not_offered", "ca_file_unreadable", "credentials_unencrypted", "starttls_not_offered"}
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
        self._address = parseaddr(sender)[1]
        self._from = mime.mailbox("From", sender)
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

    def build(self, rendered: Rendered, uid: str, at: int, thread: str | None = None) -> bytes:
        """The mail; the same arguments give the same bytes, all of them 7-bit and every line short enough."""
        headers: dict[str, str | Header] = {
            "From": self._from,
            "To": Header(", ".join(self.recipients), header_name="To"),
            "Subject": mime.words("Subject", rendered.subject),
            "Date": format_datetime(datetime.fromtimestamp(at // 1000, UTC)),
            "Message-ID": self._message_id(uid),
            # No vacation notices in return: RFC 3834, 5, and for Exchange [MS-OXCMAIL] 2.1.3.2.20, where "All" would
            # suppress the reports of mails that could not be delivered, too.
            "Auto-Submitted": "auto-generated",
            "X-Auto-Response-Suppress": "OOF, AutoReply",
        }
        if thread is not None and _UID.fullmatch(thread):
            # RFC 5322, 3.6.4. All refer to the first: of the others any may have been deleted.
            headers["In-Reply-To"] = headers["References"] = self._message_id(thread)
        return mime.mail(headers, f"=_{uid}", text=rendered.text, html=rendered.html)

    def _message_id(self, uid: str) -> str:
        return f"<{uid}@{self._address.rpartition('@')[2]}>"

    async def send(self, payload: bytes, recipients: Sequence[str]) -> Receipt:
        """Hand over exactly these bytes. Raises DeliveryError unless at least one recipient was accepted."""
        async with self._turn:
            self._stay()
            sent = False
            try:
                async with asyncio.timeout(max(self._timeout, OFFER_PATIENCE)):
                    protocol, refusals = await self._offer(recipients)
                protocol.write(stuffed(payload))
                sent = True
                answer = await protocol.read_response(max(self._timeout, FINAL_ANSWER_PATIENCE))
                if answer.code // 100 != 2:
                    raise aiosmtplib.SMTPDataError(answer.code, answer.message)
            except (aiosmtplib.SMTPException, OSError, ValueError) as error:
                self._hang_up()
                raise judge(error, sent=sent) from None
            except BaseException:
                # Cancelled or refused by us in the middle of a conversation: the connection is in no known state.
                self._hang_up()
                raise
            self._idle = asyncio.get_running_loop().call_later(KEPT_IDLE, self._hang_up)
            return Receipt(answer.code, refusals)

    async def check(self) -> None:
        """Connect afresh, encrypt and log in as for a mail, and leave again."""
        try:
            async with asyncio.timeout(max(self._timeout, OFFER_PATIENCE)):
                smtp = await self._connected()
        except (aiosmtplib.SMTPException, OSError, ValueError) as error:
            raise judge(error, sent=False) from None
        await self._leave(smtp)

    async def close(self) -> None:
        """Say goodbye and close the kept connection, if there is one."""
        self._stay()
        if self._smtp is not None and self._smtp.is_connected:
            await self._leave(self._smtp)
        self._hang_up()

    async def _leave(self, smtp: aiosmtplib.SMTP) -> None:
        try:
            with suppress(aiosmtplib.SMTPException, OSError):  # the server's goodbye is a courtesy
                await smtp.quit(timeout=self._timeout)
        finally:
            smtp.close()

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
            await _greet(smtp)
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
        offered = smtp.supported_auth_methods
        if not offered:
            raise misconfigured("auth_not_offered")
        password = self._password.reveal() if self._password else ""
        ways = {"cram-md5": smtp.auth_crammd5, "plain": smtp.auth_plain, "login": smtp.auth_login}
        for name in offered:
            try:
                await ways[name](username, password)
            except aiosmtplib.SMTPAuthenticationError as error:
                # Servers offer ways that they can't go for every user; but "later" is meant for all of them.
                if error.code < 500 or name == offered[-1]:
                    raise
            else:
                return

    async def _envelope(
        self, smtp: aiosmtplib.SMTP, recipients: Sequence[str]
    ) -> tuple[aiosmtplib.protocol.SMTPProtocol, tuple[Refusal, ...]]:
        await smtp.mail(self._address)
        refusals, errors = [], []
        for address in recipients:
            try:
                await smtp.rcpt(address)
            except aiosmtplib.SMTPRecipientRefused as error:
                if error.code == SERVICE_CLOSING or error.code in AUTH_WANTED:
                    raise
                errors.append(error)
                refusals.append(Refusal(address, error.code, final_for_a_recipient(error)))
        if len(refusals) == len(recipients):
            raise all_refused(errors, others_have_it=len(recipients) < len(self.recipients))
        answer = await smtp.execute_command(b"DATA")
        if answer.code != START_MAIL_INPUT:
            raise aiosmtplib.SMTPDataError(answer.code, answer.message)
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


async def _greet(smtp: aiosmtplib.SMTP) -> None:
    try:
        await smtp.ehlo()
    except aiosmtplib.SMTPHeloError as error:
        if error.code not in UNKNOWN_COMMAND:
            raise
        await smtp.helo()


def stuffed(payload: bytes) -> bytes:
    """The mail as DATA carries it: a dot more on lines that begin with one, and the final dot (RFC 5321, 4.5.2)."""
    return re.sub(rb"(?m)^\.", b"..", payload) + b".\r\n"
