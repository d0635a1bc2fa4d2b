"""What each kind of channel makes of the parts that its templates gave, and what it refuses of them."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from receiver.core.content import Content, Rendered
from receiver.messages import console, email, slack
from receiver.messages.wording import SUBJECT_LIMIT, one_line, paragraph
from receiver.templates.markup import unsafe
from receiver.templates.wire import FEWER

UNCUT_SUBJECT = 2_000
UNCUT_FALLBACK = 100_000
"""Characters of what is cut anyway, beyond which rendering is not worth going on."""

CONSOLE_LIMIT = 40_000
"""Characters on a terminal."""

SLACK_LIMIT = 10_000
"""Characters of Slack's message; with the header and the mentions it stays below the 12,000 that Slack takes."""

FALLBACK_LIMIT = 500
"""Characters of what a phone's notification shows of a Slack message."""


class Refused(Exception):
    """A part that can't go out like this; the text says why, and quotes nothing."""

    def __init__(self, part: str, wrong: str, advice: str = "") -> None:
        """Name the part; ``advice`` says what to do."""
        super().__init__(wrong)
        self.part = part
        self.advice = advice


@dataclass(frozen=True, slots=True)
class Form:
    """A kind of channel: its name for people, its built-in rendering, the parts that it takes a template for.

    ``limits`` are by parts: what comes out longer is a failure. ``assemble`` makes a message of the built-in one and
    of the parts' texts; raises Refused.
    """

    name: str
    builtin: Callable[[Content], Rendered]
    limits: Mapping[str, int]
    assemble: Callable[[Rendered, Mapping[str, str], Content], Rendered]

    @property
    def parts(self) -> tuple[str, ...]:
        """The names of the parts."""
        return tuple(self.limits)


def _email(builtin: Rendered, texts: Mapping[str, str], content: Content) -> Rendered:
    own = {part: paragraph(texts[part], email.SIZE_LIMIT) for part in ("text", "html") if part in texts}
    if found := unsafe(own.get("html", "")):
        raise Refused("html", *found)
    text, html = own.get("text", builtin.text), own.get("html", builtin.html)
    rendered = replace(builtin, subject=_subject(builtin, texts), text=text, html=html)
    size = email.size(rendered.subject, rendered.text, rendered.html)
    if own and size > email.SIZE_LIMIT:
        raise Refused(list(own)[-1], f"makes a mail of {size:,} bytes, more than {email.SIZE_LIMIT:,}", FEWER)
    return rendered


def _console(builtin: Rendered, texts: Mapping[str, str], content: Content) -> Rendered:
    rendered = replace(builtin, subject=_subject(builtin, texts))
    if "text" not in texts:
        return rendered
    return replace(rendered, text=paragraph(texts["text"], CONSOLE_LIMIT))


def _slack(builtin: Rendered, texts: Mapping[str, str], content: Content) -> Rendered:
    rendered = replace(builtin, subject=_subject(builtin, texts))
    if "text" in texts:
        rendered = replace(rendered, text=one_line(texts["text"], FALLBACK_LIMIT))
    else:
        # It begins with the subject.
        rendered = replace(rendered, text=rendered.subject + builtin.text.removeprefix(builtin.subject))
    if "slack" not in texts:
        return replace(rendered, blocks=_with_header(builtin.blocks, rendered.subject))
    sections = (_section(piece) for piece in pieces(literal(texts["slack"])))
    blocks = (*slack.mention(content.mentions), _header(rendered.subject), *sections)
    rendered = replace(rendered, blocks=blocks, attachments=())
    if (size := slack.size(rendered)) > slack.CHARACTERS_LIMIT:
        raise Refused("slack", f"makes a message of {size:,} characters, more than {slack.CHARACTERS_LIMIT:,}", FEWER)
    return rendered


def _subject(builtin: Rendered, texts: Mapping[str, str]) -> str:
    return one_line(texts.get("subject", builtin.subject), SUBJECT_LIMIT)


# https://docs.slack.dev/messaging/formatting-message-text: everything special is in angle brackets. Links and dates
# stay; mentions come from the channel's configuration alone.
_SPECIAL = re.compile(r"<(?!https?://|mailto:|!date\^\d)")
_SECTION = 3000


def literal(mrkdwn: str) -> str:
    """The text, in which nothing mentions anybody and no link is live that is not http, https or mailto."""
    return _SPECIAL.sub("&lt;", paragraph(mrkdwn, SLACK_LIMIT))


def pieces(text: str) -> Iterator[str]:
    """The text in sections that Slack takes, cut at the ends of lines, else between words, else anywhere."""
    while len(text) > _SECTION:
        end = text.rfind("\n", 0, _SECTION) + 1 or text.rfind(" ", 0, _SECTION) + 1 or _SECTION
        for begins, ends in (("<", ">"), ("&", ";")):
            # Half a link is none, nor is half an escaped character.
            at = text.rfind(begins, 0, end)
            end = at if at > 0 and ends not in text[at:end] else end
        if piece := text[:end].strip():
            yield piece
        text = text[end:]
    if piece := text.strip():
        yield piece


def _header(subject: str) -> Mapping[str, object]:
    return {"type": "header", "text": {"type": "plain_text", "text": subject, "emoji": False}}


def _with_header(blocks: Iterable[Mapping[str, object]], subject: str) -> tuple[Mapping[str, object], ...]:
    return tuple(_header(subject) if block.get("type") == "header" else block for block in blocks)


def _section(mrkdwn: str) -> Mapping[str, object]:
    return {"type": "section", "text": {"type": "mrkdwn", "text": mrkdwn, "verbatim": True}}


_EMAIL = {"subject": UNCUT_SUBJECT, "text": email.SIZE_LIMIT, "html": email.SIZE_LIMIT}
_SLACK = {"subject": UNCUT_SUBJECT, "text": UNCUT_FALLBACK, "slack": SLACK_LIMIT}
_CONSOLE = {"subject": UNCUT_SUBJECT, "text": CONSOLE_LIMIT}

FORMS: Mapping[str, Form] = {
    "email": Form("an email channel", email.render, _EMAIL, _email),
    "slack": Form("a Slack channel", slack.render, _SLACK, _slack),
    "slack_bot": Form("a Slack channel", slack.render_threaded, _SLACK, _slack),
    "console": Form("a console channel", console.render, _CONSOLE, _console),
}

_OTHER = Form("this kind of channel", console.render, _CONSOLE, _console)


def form_of(kind: str) -> Form:
    """The form of a kind of channel; one that another package brings takes what every channel can."""
    return FORMS.get(kind, _OTHER)
