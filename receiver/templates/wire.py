"""What goes over the pipes between the receiver and the process that renders: length-prefixed MessagePack.

What comes back is data alone; nothing in it is ever executed.
"""

from typing import Any

import msgspec
from msgspec import Struct

LENGTH = 4
"""Bytes of a length, big-endian."""

LONGEST_ANSWER = 2_000_000
"""Bytes of one answer; its text is bounded far below."""

FEWER = "show the first alerts only, alerts[:10], and how many there are, counts.total"
"""What to do about a part that is too large."""


class Request(Struct):
    """Templates by the name of their part, what they see, and the characters that each part may have."""

    sources: dict[str, str]
    values: dict[str, Any]
    limits: dict[str, int]


class Answer(Struct):
    """What became of one part: its ``text``, or what is ``wrong`` and in which line of the template, if in one.

    ``wrong`` and ``advice`` repeat nothing but the template's own words; ``detail`` may quote what it was given.
    """

    part: str
    text: str = ""
    wrong: str = ""
    line: int | None = None
    advice: str = ""
    detail: str = ""


def framed(message: Request | Answer) -> bytes:
    """The message with its length before it."""
    body = msgspec.msgpack.encode(message)
    return len(body).to_bytes(LENGTH, "big") + body
