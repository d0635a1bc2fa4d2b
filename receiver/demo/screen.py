"""What the demo prints: plain lines for a file, a little colour for a terminal, at most 100 columns."""

import os
import re
import shutil
import textwrap
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from email.message import EmailMessage
from itertools import chain
from typing import Any, TextIO

WIDEST, NARROWEST = 100, 40
_INDENT = " " * 8

_LINK = re.compile(r"<[^|>]+\|([^>]+)>")
_ENTITIES = {"&lt;": "<", "&gt;": ">", "&amp;": "&"}

BOLD, DIM, RED, GREEN, CYAN = "1", "2", "31", "32", "36"


class Screen:
    """Prints line by line to ``stream``. ``mail_lines`` and ``slack_lines`` say how much of each is shown."""

    def __init__(self, stream: TextIO, environ: Mapping[str, str] = os.environ) -> None:
        """Use colours only on a terminal whose user has not said NO_COLOR."""
        terminal = stream.isatty()
        columns = shutil.get_terminal_size((WIDEST, 24)).columns if terminal else WIDEST
        self.width = max(NARROWEST, min(WIDEST, columns))
        self.mail_lines = self.slack_lines = 0
        self._stream = stream
        self._colours = terminal and not environ.get("NO_COLOR") and environ.get("TERM") != "dumb"
        self._began = time.monotonic()

    def line(self, text: str = "", colour: str = "") -> None:
        """One line, in one colour if in any; what can't be printed shows as U+FFFD."""
        text = "".join(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in text)
        if self._colours and colour and text:
            text = f"\033[{colour}m{text}\033[0m"
        encoding = self._stream.encoding or "utf-8"
        self._stream.write(text.encode(encoding, "replace").decode(encoding) + "\n")
        self._stream.flush()

    def paragraph(self, text: str, colour: str = "") -> None:
        """Running text, wrapped."""
        for line in textwrap.wrap(text, self.width, break_on_hyphens=False):
            self.line(line, colour)

    def title(self, text: str, sentence: str) -> None:
        """What begins now, and a sentence on it."""
        self.line()
        self.line(text, BOLD)
        self.paragraph(sentence)

    def verbatim(self, text: str) -> None:
        """A text as it is, line by line, set off."""
        for line in text.splitlines():
            self.line(f"  {line}", CYAN)

    def event(self, sign: str, text: str, colour: str = "") -> None:
        """Something that happened now: ``→`` came in, ``=`` what became of it, ``✗`` went wrong."""
        first, *more = textwrap.wrap(text, self.width - len(_INDENT) - 2, break_on_hyphens=False)
        self.line(f"{self._now()} {sign} {first}", colour)
        for line in more:
            self.line(f"{_INDENT}  {line}", colour)

    def mail(self, mail: EmailMessage) -> None:
        """A mail as its reader sees it: who, what, and the first lines of its text."""
        subject = str(mail["Subject"])
        text = mail.get_body(("plain",))
        lines = str(text.get_content()).rstrip().splitlines() if text else []
        also = ", and the same as HTML" if mail.get_body(("html",)) else ""
        title = f"Mail from {mail['From']} to {mail['To']}"
        self._box(title, f"Subject: {subject}", lines, self.mail_lines, also, _colour_of(subject))

    def slack(self, payload: Mapping[str, Any]) -> None:
        """A Slack message as its reader sees it."""
        header, *lines = list(_slack_lines(payload, self.width - len(_INDENT) - 2)) or [str(payload.get("text", ""))]
        self._box("Slack message", header, lines, self.slack_lines, "", _colour_of(header))

    def table(self, header: Sequence[str], rows: Iterable[tuple[str, Sequence[int]]]) -> None:
        """Numbers by row and column."""
        rows = list(rows)
        first = max(len(name) for name, _ in rows)
        widths = [max(len(title), 8) for title in header]
        self.line("  " + " " * first + "".join(f"  {t:>{w}}" for t, w in zip(header, widths, strict=True)), BOLD)
        for name, numbers in rows:
            cells = "".join(f"  {n:>{w},}" for n, w in zip(numbers, widths, strict=True))
            self.line(f"  {name:<{first}}{cells}")

    def _now(self) -> str:
        return f"{time.monotonic() - self._began:5.1f}s "

    def _box(self, title: str, head: str, lines: list[str], limit: int, also: str, colour: str) -> None:
        """The head, of the lines the first and the one that counts the rest; below, how many are left out."""
        room = self.width - len(_INDENT) - 2
        rule = _cut(f"{self._now()} ┌─ {title} ", self.width)
        self.line(rule + "─" * (self.width - len(rule)), DIM)
        self.line(f"{_INDENT}│ {_cut(head, room)}", f"{BOLD};{colour}")
        shown, left = _first(lines, limit)
        for line in shown:
            for part in _wrapped(line, room):
                self.line(f"{_INDENT}│ {part}")
        self.line(f"{_INDENT}└─ {f'{left:,} more lines' if left else 'all of it'}{also}", DIM)


def _first(lines: list[str], limit: int) -> tuple[list[str], int]:
    """The first lines, and the one further down that counts what the message itself leaves out."""
    filled = [line for line in lines if line.strip()]
    shown = filled[:limit]
    if limit:
        shown += [line for line in filled[limit:] if line.startswith("… and")][:1]
    return shown, len(filled) - len(shown)


def _wrapped(line: str, width: int) -> list[str]:
    text = line.lstrip()
    indent = line[: len(line) - len(text)]
    if len(line) <= width:
        return [line]
    return textwrap.wrap(text, width, initial_indent=indent, subsequent_indent=indent, break_on_hyphens=False)


def _cut(text: str, width: int) -> str:
    return text if len(text) <= width else text[: width - 1] + "…"


def _colour_of(subject: str) -> str:
    return RED if subject.startswith("[FIRING") else GREEN


def _slack_lines(payload: Mapping[str, Any], width: int) -> Iterator[str]:
    """The lines of all blocks: fields two in a row, links by their names."""
    attachments = payload.get("attachments", ())
    for block in chain(payload.get("blocks", ()), *(attachment.get("blocks", ()) for attachment in attachments)):
        if "text" in block:
            yield from _shown(block["text"]).splitlines()
        fields = [_shown(each).replace("\n", " ") for each in block.get("fields", ())]
        for left, right in zip(fields[::2], [*fields[1::2], ""], strict=False):
            yield f"  {_cut(left, width // 2 - 3):<{width // 2}}{right}".rstrip()
        if block["type"] == "context":
            yield "  ".join(_shown(each) for each in block["elements"])


def _shown(text: Mapping[str, str]) -> str:
    if text["type"] != "mrkdwn":
        return text["text"]
    named = _LINK.sub(r"[\1]", text["text"].strip("*"))
    return re.sub("&(?:lt|gt|amp);", lambda entity: _ENTITIES[entity[0]], named)
