"""Mails as bytes: headers that hold any text, and a plain and an HTML part.

Made of the older of the library's two kinds of message. The newer one parses each header that it is given: that takes
longer than sending the mail, and decodes what looks like an encoded word in a subject, line breaks within it included
(CVE-2024-6923).
"""

import base64
import binascii
import re
from collections.abc import Mapping
from email.charset import BASE64, Charset
from email.generator import BytesGenerator
from email.header import Header
from email.message import Message
from email.policy import Compat32
from email.utils import formataddr, parseaddr
from io import BytesIO

# Base64 for headers: to find out which encoding is shorter takes the library three times as long.
_UTF_8 = Charset("utf-8")
_UTF_8.header_encoding = BASE64

# Words that a header can hold as they are, short enough to be folded between, and nothing like an encoded word.
_PLAIN = re.compile(r"(?!.*=\?)(?:[!-~]{1,60}(?: [!-~]{1,60})*)?")

# What ends a line somewhere, or is no character: none of it belongs into a header.
_NOT_FOR_A_HEADER = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")

# What quoted-printable makes three bytes of each.
_ESCAPED = bytes((ord("="), *range(127, 256)))

# The escaped blank at the end of a line that is too long with it: RFC 2045, 6.7 allows 76, binascii lets 77 happen.
_TOO_LONG = re.compile(rb"=(20|09)(?=\r\n)(?<=[^\n]{77})")


class _Policy(Compat32):
    """Folds what is a ``Header``; a string is a value that needs none of that, which is most of a mail's headers."""

    def fold_binary(self, name: str, value: str | Header) -> bytes:
        """The header's lines."""
        if isinstance(value, str):
            return f"{name}: {value}{self.linesep}".encode("ascii")
        return super().fold_binary(name, value)  # type: ignore[arg-type]


_POLICY = _Policy(linesep="\r\n", max_line_length=76, mangle_from_=False)


def mail(headers: Mapping[str, str | Header], boundary: str, *, text: str, html: str) -> bytes:
    """The mail; all bytes are 7-bit, every line is short enough, and the same arguments give the same bytes.

    A header that is a string is short and holds no text of others. ``boundary`` begins with ``=_``, which occurs in
    neither encoding (RFC 2045, 6.7), so that no text can hold it.
    """
    message: Message[str | Header, str | Header] = Message(_POLICY)
    for name, value in headers.items():
        message[name] = value
    message["MIME-Version"] = "1.0"
    message["Content-Type"] = Header(f'multipart/alternative; boundary="{boundary}"', header_name="Content-Type")
    message.attach(_part("plain", text))
    message.attach(_part("html", html))
    written = BytesIO()
    _Generator(written, policy=_POLICY).flatten(message)
    return written.getvalue()


class _Generator(BytesGenerator):
    """Writes a part's lines, which end as they should already, all at once: half the time of a digest."""

    def _write_lines(self, lines: str) -> None:
        self.write(lines)


def words(name: str, text: str) -> Header:
    """The text as the value of the header of this name: in encoded words (RFC 2047) unless it reads the same without.

    Control characters and lone surrogates become spaces.
    """
    text = _NOT_FOR_A_HEADER.sub(" ", text)
    return Header(text, "us-ascii" if _PLAIN.fullmatch(text) else _UTF_8, header_name=name)


def mailbox(name: str, sender: str) -> Header:
    """``Name <user@host>`` as the value of the header of this name."""
    who, address = parseaddr(sender)
    if _PLAIN.fullmatch(who):
        return Header(formataddr((who, address)), header_name=name)
    value = words(name, who)
    value.append(f"<{address}>", "us-ascii")
    return value


def _part(subtype: str, text: str) -> Message:
    data = b"\r\n".join(text.encode("utf-8", "replace").splitlines()) + b"\r\n"
    escaped = len(data) - len(data.translate(None, _ESCAPED))
    # The shorter of the two 7-bit encodings.
    if 6 * escaped > len(data):
        encoding, payload = "base64", base64.encodebytes(data).replace(b"\n", b"\r\n")
    else:
        encoding, payload = "quoted-printable", _TOO_LONG.sub(rb"=\r\n=\1", binascii.b2a_qp(data, istext=True))
    part = Message(_POLICY)
    part["Content-Type"] = f'text/{subtype}; charset="utf-8"'
    part["Content-Transfer-Encoding"] = encoding
    part.set_payload(payload.decode("ascii"))
    return part
