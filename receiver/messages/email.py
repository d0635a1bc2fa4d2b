"""A message as a mail: subject, text and HTML, small enough for every server and every phone."""

from collections.abc import Sequence

from receiver.core.content import Content, Rendered
from receiver.messages import templating
from receiver.messages.bounds import Bounds
from receiver.messages.excerpt import Excerpt, fitting

SIZE_LIMIT = 90_000
"""Bytes of text and HTML together, as a mail carries them. With headers the mail stays below 100,000."""

_ESCAPED = bytes((ord("="), *range(127, 256)))
"""What quoted-printable makes three bytes of each."""

LADDER = (
    Bounds(alerts=100, also=50, labels=64, short=500, long=4000, url=2000),
    Bounds(alerts=100, also=50, labels=24, short=200, long=1000, url=1000),
    Bounds(alerts=50, also=25, labels=16, short=150, long=500, url=600),
    Bounds(alerts=25, also=10, labels=12, short=120, long=300, url=400),
    Bounds(alerts=10, also=5, labels=10, short=100, long=200, url=300),
    Bounds(alerts=5, also=3, labels=6, short=60, long=150, url=200),
    Bounds(alerts=2, also=2, labels=4, short=40, long=100, url=150),
)

DIGEST_LADDER = (
    Bounds(alerts=10, also=20, labels=24, short=200, long=1000, url=1000, rows=500, kinds=500, row=200),
    Bounds(alerts=10, also=10, labels=16, short=150, long=500, url=600, rows=500, kinds=500, row=120),
    Bounds(alerts=10, also=5, labels=10, short=100, long=200, url=300, rows=500, kinds=500, row=75),
    Bounds(alerts=5, also=5, labels=8, short=80, long=150, url=200, rows=400, kinds=400, row=75),
    Bounds(alerts=5, also=3, labels=6, short=60, long=150, url=200, rows=400, kinds=200, row=50),
    Bounds(alerts=5, also=3, labels=6, short=60, long=150, url=200, rows=200, kinds=100, row=50, kind=80),
    Bounds(alerts=2, also=2, labels=4, short=40, long=100, url=150, rows=80, kinds=40, row=40, kind=40),
    Bounds(alerts=0, also=0, labels=4, short=40, long=100, url=150, kind=12),
)


def render(content: Content) -> Rendered:
    """The mail's subject, text and HTML."""
    subject, text, html = fitting(content, ladder(content), _layout, _size, SIZE_LIMIT)
    return Rendered(subject=subject, text=text, html=html)


def ladder(content: Content) -> Sequence[Bounds]:
    """How much a mail shows, from all there is down to what always fits."""
    return DIGEST_LADDER if content.kind == "digest" else LADDER


def _layout(excerpt: Excerpt) -> tuple[str, str, str]:
    return excerpt.subject, templating.text(excerpt), templating.html(excerpt)


def size(*parts: str) -> int:
    """Bytes that a mail of these parts has at most, without its headers."""
    return sum(map(_encoded, parts))


def _size(mail: tuple[str, str, str]) -> int:
    return size(*mail)


def _encoded(part: str) -> int:
    """Bytes of a part in a mail, at most, in the shorter of the two encodings and with CRLF at the ends of lines."""
    data = part.encode()
    length = len(data) + data.count(b"\n")
    escaped = len(data) - len(data.translate(None, _ESCAPED))
    base64, quoted_printable = 1.37 * length, 1.05 * (length + 2 * escaped)
    return int(base64 if 6 * escaped > len(data) else quoted_printable)
