"""A mail's bytes as mail programs read them: headers, parts, threads."""

import re
import unicodedata
from email import message_from_bytes
from email.header import decode_header, make_header
from email.message import EmailMessage, Message
from email.policy import default

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from receiver.core.content import Rendered
from tests.messages.mail import mail_channel

AT = 1_795_239_000_000  # 2026-11-21 05:30:00 UTC

INJECTION = "=?utf-8?q?x=0D=0ABcc:_victim@example.com?="
HOSTILE = (
    "\r\nBcc: victim@example.com",
    "\r\n\r\nbody",
    INJECTION,
    "=?utf-8?b?eA0KQmNjOiB4?=",
    "--=_01ABC",
    "\r\n--=_01ABC--\r\n",
    "\n.\n",
    "From here\n",
    "=",
    "=20",
    " \t \n",
    "x" * 74 + " \n",
    "y" * 1_000,
    "温度 🔥",
    "\x00\x0b\x0c\x1b\x85\u2028\u2029",
    "\ud800 lone \udfff",
)
texts = st.lists(st.sampled_from(HOSTILE) | st.text(st.characters(), max_size=80), max_size=6).map("".join)

TO = ("ann@example.org", "bob@example.org")
INTENDED = {
    "From": "Alerts <alerts@example.com>",
    "To": ", ".join(TO),
    "Date": "Sat, 21 Nov 2026 05:30:00 +0000",
    "Message-ID": "<01ABC@example.com>",
    "Auto-Submitted": "auto-generated",
    "X-Auto-Response-Suppress": "OOF, AutoReply",
    "MIME-Version": "1.0",
    "Content-Type": 'multipart/alternative; boundary="=_01ABC"',
}


def parsed(data: bytes) -> EmailMessage:
    message = message_from_bytes(data, policy=default)
    assert isinstance(message, EmailMessage)
    assert not [*message.defects, *(defect for part in message.walk() for defect in part.defects)]
    return message


def built(subject: str = "s", text: str = "t", html: str = "h", thread: str | None = None) -> bytes:
    return mail_channel(recipients=TO).build(Rendered(subject=subject, text=text, html=html), "01ABC", AT, thread)


def on_one_line(text: str) -> str:
    """What a header may hold of a text."""
    return "".join(" " if unicodedata.category(one) in {"Cc", "Cs", "Zl", "Zp"} else one for one in text)


def lines(text: str) -> list[str]:
    """A part's lines, what is no character replaced; the last one's end is optional."""
    found = re.split("\r\n|\r|\n", text.encode("utf-8", "replace").decode())
    return found[:-1] if len(found) > 1 and found[-1] == "" else found


def part_lines(part: Message) -> list[str]:
    payload = part.get_payload(decode=True)
    assert isinstance(payload, bytes)
    assert payload.endswith(b"\r\n")
    return payload.decode().removesuffix("\r\n").split("\r\n")


@given(subject=texts, text=texts, html=texts)
@example(subject=INJECTION, text=INJECTION, html=INJECTION)
@example(subject="a\r\nBcc: victim@example.com", text="x" * 74 + " \n", html="x" * 73 + "\t\n" + " " * 500 + "\n")
@example(subject="y" * 2_000, text="\ud800", html="=" * 500)
@example(subject="a,b;c " * 50, text="", html="\n\n")
def test_whatever_a_mail_says_it_has_the_intended_headers_and_parts(subject: str, text: str, html: str) -> None:
    payload = built(subject, text, html)
    assert payload.isascii()
    assert not set(b"\r\n") & set(payload.replace(b"\r\n", b""))
    assert max(map(len, payload.split(b"\r\n"))) <= 76

    message = parsed(payload)
    assert sorted(message.keys()) == sorted([*INTENDED, "Subject"])
    assert {name: str(message[name]) for name in INTENDED} == INTENDED
    assert message["Subject"] == on_one_line(subject)
    plain, rich = message.iter_parts()
    assert (plain.get_content_type(), rich.get_content_type()) == ("text/plain", "text/html")
    assert (part_lines(plain), part_lines(rich)) == (lines(text), lines(html))


@given(subject=texts)
def test_the_older_parser_reads_the_same_subject(subject: str) -> None:
    message = message_from_bytes(built(subject))
    assert sorted(message.keys()) == sorted([*INTENDED, "Subject"])
    assert str(make_header(decode_header(message["Subject"]))) == on_one_line(subject)


@pytest.mark.parametrize(
    ("sender", "name"),
    [
        ("alerts@example.com", ""),
        ("Alerts <alerts@example.com>", "Alerts"),
        ('"Acme, Inc." <alerts@example.com>', "Acme, Inc."),
        ('"Überwachung, Süd" <alerts@example.com>', "Überwachung, Süd"),
        ("温度 " * 100 + "<alerts@example.com>", ("温度 " * 100).strip()),
        ("=?utf-8?q?Bcc=3A?= <alerts@example.com>", "=?utf-8?q?Bcc=3A?="),
    ],
)
def test_the_sender_is_one_mailbox_whatever_its_name(sender: str, name: str) -> None:
    payload = mail_channel(recipients=TO, sender=sender).build(Rendered(subject="s", text="t", html="h"), "01ABC", AT)
    assert payload.isascii()
    assert max(map(len, payload.split(b"\r\n"))) <= 76
    [mailbox] = parsed(payload)["From"].addresses
    assert mailbox.addr_spec == "alerts@example.com"
    # Without blanks: Python 3.11 shows those between encoded words of a name, which RFC 2047, 6.2 says to ignore.
    assert mailbox.display_name.replace(" ", "") == name.replace(" ", "")


def conversations(mails: list[EmailMessage]) -> list[set[str]]:
    """Mails by thread, as https://www.jwz.org/doc/threading.html finds them: each under its last known reference."""
    ids = [str(mail["Message-ID"]) for mail in mails]
    parents = dict.fromkeys(ids, "")
    for mail in mails:
        references = f"{mail['References'] or mail['In-Reply-To'] or ''}".split()
        for parent, child in zip(["", *references], [*references, str(mail["Message-ID"])], strict=True):
            parents[child] = parents.get(child) or parent

    def root(message_id: str) -> str:
        return root(parents[message_id]) if parents[message_id] else message_id

    return [{one for one in ids if root(one) == first} for first in sorted({root(one) for one in ids})]


def test_the_life_of_a_group_is_one_thread_and_that_of_the_next_another() -> None:
    def told(subject: str, uid: str, thread: str | None) -> EmailMessage:
        return parsed(mail_channel(recipients=TO).build(Rendered(subject=subject, text="t", html="h"), uid, AT, thread))

    life = [
        told("[FIRING:1] DiskFull", "01A", None),
        told("[FIRING:3] DiskFull", "01B", "01A"),
        told("[RESOLVED] DiskFull", "01C", "01A"),
    ]
    next_life = [told("[FIRING:1] DiskFull", "01D", None), told("[RESOLVED] DiskFull", "01E", "01D")]
    first, second = ({str(mail["Message-ID"]) for mail in mails} for mails in (life, next_life))
    assert conversations([*life, *next_life]) == [first, second]
    # A reader who has deleted some, or gets them in another order, sees the same threads.
    assert conversations([life[2], next_life[1], life[1]]) == [first - {"<01A@example.com>"}, {"<01E@example.com>"}]
    for mail in life[1:]:
        assert mail["References"] == mail["In-Reply-To"] == life[0]["Message-ID"] == "<01A@example.com>"
    assert "References" not in life[0]
    assert "In-Reply-To" not in life[0]


@pytest.mark.parametrize("thread", ["", "1795239000.000100", "01A\n", "01A>\r\nBcc: victim@example.com", "０１"])
def test_a_thread_of_another_kind_of_channel_is_none(thread: str) -> None:
    assert built(thread=thread) == built()
