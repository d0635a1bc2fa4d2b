"""A message as a mail: subject, text and HTML, small enough for every server and every phone."""

from receiver.core.content import Content, Rendered
from receiver.messages import templating
from receiver.messages.excerpt import Bounds, Excerpt, fitting

RAW_LIMIT = 64_000
"""UTF-8 bytes of text and HTML together.

Base64 makes 1.37 of them, line ends included, and the channel takes quoted-printable only where that is about
as short. With headers the mail stays below 100,000 bytes.
"""

LADDER = (
    Bounds(alerts=100, also=50, labels=64, short=500, long=4000, url=2000),
    Bounds(alerts=100, also=50, labels=24, short=200, long=1000, url=1000),
    Bounds(alerts=50, also=25, labels=16, short=150, long=500, url=600),
    Bounds(alerts=25, also=10, labels=12, short=120, long=300, url=400),
    Bounds(alerts=10, also=5, labels=10, short=100, long=200, url=300),
    Bounds(alerts=5, also=3, labels=6, short=60, long=150, url=200),
    Bounds(alerts=2, also=2, labels=4, short=40, long=100, url=150),
)


def render(content: Content) -> Rendered:
    """The mail's subject, text and HTML."""
    subject, text, html = fitting(content, LADDER, _layout, _size, RAW_LIMIT)
    return Rendered(subject=subject, text=text, html=html)


def _layout(excerpt: Excerpt) -> tuple[str, str, str]:
    return excerpt.subject, templating.text(excerpt), templating.html(excerpt)


def _size(mail: tuple[str, str, str]) -> int:
    return sum(len(part.encode()) for part in mail)
