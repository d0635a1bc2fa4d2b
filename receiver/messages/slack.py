"""A message as Slack's Block Kit.

Header and counts stand in blocks at the top level, which are always shown whole. The alerts follow in attachments, for
the sake of their coloured bars. Clients may hide what comes late in an attachment behind "Show more"
(https://api.slack.com/reference/messaging/attachments), so each alert, and in a digest each kind of alerts, has one
of its own: none hides another.

What an alert says goes into ``plain_text`` objects, in which Slack reads no mention, link or format
(https://docs.slack.dev/reference/block-kit/composition-objects/text-object). ``mrkdwn`` holds checked links, the
configured mentions, and headings in which nothing can be markup. No ``rich_text``: whether an attachment may hold that
is not documented, and a refused message would be told in its plainest form alone. Links are no buttons: a click on
a button is an event that an app must answer, and who only posts to a webhook can't, so that Slack would put a warning
beside it (https://github.com/slackapi/node-slack-sdk/issues/869).

The limits are documented one by one in ``receiver.demo.block_kit``, by which the tests judge.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from html import escape
from textwrap import wrap

from receiver.core.content import Content, Ended, Rendered, Told
from receiver.messages import wording
from receiver.messages.bounds import Bounds
from receiver.messages.excerpt import AlertText, AlsoText, Excerpt, fitting
from receiver.messages.kinds import Kind
from receiver.messages.labels import Labels
from receiver.messages.links import Link
from receiver.messages.wording import Tone

Block = Mapping[str, object]

BLOCKS_LIMIT = 50
FIELDS_LIMIT = 10
TEXT_LIMIT = 3000
CHARACTERS_LIMIT = 11_000
"""Characters of all texts in all blocks, attachments included. Slack refuses above some 12,000; how it counts is not
documented."""

FALLBACK_LIMIT = 500
MENTIONS_LIMIT = 1000

# Six digits each: Slack's own names for colours show none beside blocks. Words say it all the same.
BARS = {
    Tone.CRITICAL: "#b3002d",
    Tone.ERROR: "#e0433f",
    Tone.WARNING: "#f2a600",
    Tone.INFO: "#2f80ed",
    Tone.RESOLVED: "#2a9d5c",
    Tone.OTHER: "#8a8f98",
}

# What could be a format, an emoji, a link or a mention (https://docs.slack.dev/messaging/formatting-message-text).
_MARKUP = re.compile(r"[*~`<>&@#|]|(?<![^\W_])_|_(?![^\W_])|:(?! )")

LADDER = (
    Bounds(alerts=10, also=8, labels=10, short=300, long=1500, url=1500),
    Bounds(alerts=10, also=8, labels=10, short=150, long=400, url=1000),
    # Rather fewer alerts than no links to silence them: of an alert's characters these take the most.
    Bounds(alerts=8, also=5, labels=10, short=150, long=400, url=1000),
    Bounds(alerts=5, also=5, labels=10, short=150, long=300, url=1000),
    Bounds(alerts=5, also=3, labels=6, short=100, long=200, url=300),
    Bounds(alerts=5, also=3, labels=4, short=80, long=150, url=150),
    Bounds(alerts=5, also=0, labels=2, short=60, long=100, url=100),
)

# Attachments are as many as alerts and kinds together, and one; Slack takes 100, and advises against more than 20
# (https://docs.slack.dev/tools/python-slack-sdk/reference/models/messages/message.html).
DIGEST_LADDER = (
    Bounds(alerts=8, also=5, labels=10, short=300, long=1500, url=1500, rows=40, kinds=11, row=150),
    Bounds(alerts=8, also=5, labels=10, short=150, long=400, url=500, rows=40, kinds=11, row=100),
    Bounds(alerts=8, also=5, labels=6, short=100, long=200, url=300, rows=40, kinds=11, row=60),
    Bounds(alerts=5, also=3, labels=4, short=80, long=150, url=150, rows=40, kinds=14, row=60),
    Bounds(alerts=3, also=0, labels=2, short=60, long=100, url=100, rows=20, kinds=10, row=40, kind=40),
    Bounds(alerts=0, also=0, labels=2, short=60, long=100, url=100, kind=12),
)


def render(content: Content) -> Rendered:
    """Blocks and attachments, and as ``text`` the fallback that a phone shows in its notification."""
    ladder = DIGEST_LADDER if content.kind == "digest" else LADDER
    rendered = fitting(content, ladder, partial(_layout, content.mentions), size, CHARACTERS_LIMIT)
    return replace(rendered, quiet=not (content.firing or content.fired_and_resolved))


def render_threaded(content: Content) -> Rendered:
    """As ``render``, and with how the first messages of threads are to look now: of its own, of those that it ends."""
    rendered = render(content)
    if content.thread is not None:
        rendered = replace(rendered, first=_first(content))
    return replace(rendered, edits=tuple((ended.thread, _over(content, ended)) for ended in content.ended))


def mention(mentions: Iterable[str]) -> Iterator[Block]:
    """The section that mentions these: the only markup that can mention, and none of it is an alert's.

    Who configures more mentions than fit gets the first of them.
    """
    for whom in wrap(" ".join(mentions), MENTIONS_LIMIT, break_long_words=False, break_on_hyphens=False)[:1]:
        yield {"type": "section", "text": {"type": "mrkdwn", "text": whom}}


def standing(content: Content) -> Content:
    """How the group stands now: what still fires, then what has just resolved. An edit mentions nobody."""
    firing = [line for line in content.lines if line.told is Told.FIRING]
    told = [replace(line, reminder=True) for line in content.also_firing_lines]
    over = [line for line in content.lines if line.told is not Told.FIRING]
    return replace(
        content,
        firing=content.firing + content.also_firing,
        lines=(*firing, *told, *over),
        also_firing=0,
        also_firing_lines=(),
        reason="",
        failovers=(),
        mentions=(),
    )


def _first(content: Content) -> Rendered:
    present = standing(content)
    subject = _standing(present)
    updated = f"Updated at {wording.utc(content.composed_at)}; the news is in the thread"

    def layout(excerpt: Excerpt) -> Rendered:
        return _layout((), replace(excerpt, subject=subject, reason="", sent=updated))

    return fitting(present, LADDER, layout, size, CHARACTERS_LIMIT)


def _over(digest: Content, ended: Ended) -> Rendered:
    """How the first message of a group looks that is over, as a digest tells."""
    group = replace(digest, kind="group", group=ended.group, lines=(), firing=0, resolved=1, fired_and_resolved=0)
    subject = wording.subject(group)
    updated = f"All of it is over, as a digest tells at {wording.utc(digest.composed_at)}"
    header: Block = {"type": "header", "text": _plain(subject)}
    return Rendered(subject, subject, blocks=(header,), attachments=(_bar(Tone.RESOLVED, _section(updated)),))


def _standing(present: Content) -> str:
    """The subject of what is true now: ``[FIRING:4] HighErrorRate``, or ``[RESOLVED] HighErrorRate``."""
    if not present.firing:
        return wording.subject(replace(present, resolved=1, fired_and_resolved=0))
    firing = (line for line in present.lines if line.told is Told.FIRING)
    anew = tuple(replace(line, again=False, reminder=False, after_mute=False) for line in firing)
    return wording.subject(replace(present, lines=anew, resolved=0, fired_and_resolved=0))


def _layout(mentions: Iterable[str], excerpt: Excerpt) -> Rendered:
    return Rendered(
        subject=excerpt.subject,
        text=": ".join(filter(None, (excerpt.subject, _gist(excerpt)))),
        blocks=(*mention(mentions), *_top(excerpt)),
        attachments=tuple(_attachments(excerpt)),
    )


def _gist(excerpt: Excerpt) -> str:
    first = excerpt.alerts[0] if excerpt.alerts else None
    said = first.summary or first.description if first else excerpt.summary or excerpt.also_heading
    return wording.one_line(said, FALLBACK_LIMIT)


def _top(excerpt: Excerpt) -> Iterator[Block]:
    yield {"type": "header", "text": _plain(excerpt.subject)}
    facts = (excerpt.note, excerpt.reason, excerpt.summary, *excerpt.totals, excerpt.mutes)
    if said := "\n".join(filter(None, facts)):
        yield _section(said)


def _attachments(excerpt: Excerpt) -> Iterator[Block]:
    for alert in excerpt.alerts:
        # Where there is but one alert, the rest is about it, too.
        yield _bar(alert.tone, *_alert(alert), *(_closing(excerpt) if excerpt.sole else ()))
    for kind in excerpt.kinds:
        yield _bar(kind.tone, *_kind(kind))
    if not excerpt.sole:
        yield _bar(Tone.OTHER, *_others(excerpt), *_closing(excerpt))


def _bar(tone: Tone, *blocks: Block) -> Block:
    return {"color": BARS[tone], "blocks": list(blocks)}


def _alert(alert: AlertText) -> Iterator[Block]:
    defect = f"This alert could not be read as it was sent: {alert.defect}" if alert.defect else ""
    dead = (f"{link.name}: {link.url}" for link in alert.links if not _markup(link))
    yield _heading(f"{alert.state}: {alert.name} ({alert.level})")
    words = "\n".join(filter(None, (alert.summary, defect, alert.description, alert.when, *dead)))
    yield _section(words, _fields(alert.labels, alert.more_labels))
    yield from _links(alert.links)


def _kind(kind: Kind) -> Iterator[Block]:
    columns = (f"{kind.columns}:",) if kind.columns else ()
    rest = (f"… {kind.rest}",) if kind.rest else ()
    rows = (f"• {row}" for row in kind.rows)
    yield from _list(kind.heading, "\n".join(filter(None, (kind.common, *columns, *rows, *rest))))


def _others(excerpt: Excerpt) -> Iterator[Block]:
    """What the message does not show in detail, and where it is to be seen."""
    if excerpt.rest:
        yield from _sections(f"… {excerpt.rest}")
    if excerpt.truncated:
        yield _section(excerpt.truncated)
    yield from _links(filter(None, (excerpt.source, excerpt.silence)))
    if excerpt.also_heading:
        rest = (f"… {excerpt.also_rest}",) if excerpt.also_rest else ()
        heading = excerpt.also_heading + (":" if excerpt.also else "")
        yield from _list(heading, "\n".join((*map(_also_row, excerpt.also), *rest)))


def _also_row(alert: AlsoText) -> str:
    labels = ", ".join(f"{name}={value}" for name, value in alert.labels)
    return f"• {alert.name} ({alert.level}) {wording.one_line(labels, 80)}, {alert.when}"


def _closing(excerpt: Excerpt) -> Iterator[Block]:
    if excerpt.common:
        heading = "Labels" if excerpt.sole else "Labels common to all"
        yield _section(heading, _fields(excerpt.common, excerpt.more_common))
    source = [excerpt.source] if excerpt.source and (excerpt.sole or not _markup(excerpt.source)) else []
    yield {"type": "context", "elements": [_plain(excerpt.sent), *map(_beside, source)]}


def _beside(link: Link) -> Block:
    markup = _markup(link)
    return _mrkdwn(markup) if markup else _plain(f"{link.name}: {link.url}")


def _fields(labels: Labels, more: int) -> list[Block]:
    """The labels, and in the last field how many are left out."""
    if more and len(labels) == FIELDS_LIMIT:
        labels, more = labels[:-1], more + 1
    fields = [_plain(f"{name}: {value}") for name, value in labels]
    return [*fields, _plain(f"… and {wording.number(more, 'more label', 'more labels')}")] if more else fields


def _links(links: Iterable[Link]) -> Iterator[Block]:
    """The live ones, on lines of their own."""
    row = ""
    for markup in filter(None, map(_markup, links)):
        if len(row) + len(markup) + 5 > TEXT_LIMIT:
            yield {"type": "section", "text": _mrkdwn(row)}
            row = ""
        row += f"  ·  {markup}" if row else markup
    if row:
        yield {"type": "section", "text": _mrkdwn(row)}


def _markup(link: Link) -> str:
    """The link as markup; "" where it may only be shown as text."""
    # A bar would end the address; as %7C it means the same.
    url, name = escape(link.url.replace("|", "%7C"), quote=False), escape(link.name, quote=False)
    markup = f"<{url}|{name}>"
    return markup if link.live and len(markup) <= TEXT_LIMIT else ""


def _mrkdwn(text: str) -> Block:
    return {"type": "mrkdwn", "text": text, "verbatim": True}


def _list(heading: str, text: str) -> Iterator[Block]:
    """A bold heading and the lines below it, in as many blocks as they need."""
    yield _heading(heading)
    if text:
        yield from _sections(text)


def _heading(text: str) -> Block:
    """Bold, where that can be said without anything else in it being read as markup."""
    return _section(text) if _MARKUP.search(text) else {"type": "section", "text": _mrkdwn(f"*{text}*")}


def _sections(text: str) -> Iterator[Block]:
    return map(_section, _cut(text))


def _cut(text: str) -> Iterator[str]:
    """The text in parts that one block takes, cut between its lines or between the items of a list."""
    while len(text) > TEXT_LIMIT:
        end = text.rfind("\n", 0, TEXT_LIMIT) + 1 or text.rfind(", ", 0, TEXT_LIMIT) + 2
        yield text[:end].rstrip()
        text = text[end:]
    yield text


def _section(text: str, fields: Sequence[Block] = ()) -> Block:
    section: dict[str, object] = {"type": "section", "text": _plain(text)}
    if fields:
        section["fields"] = list(fields)
    return section


def _plain(text: str) -> Block:
    return {"type": "plain_text", "text": text[:TEXT_LIMIT], "emoji": False}


def size(rendered: Rendered) -> int:
    """Characters of all texts; more than CHARACTERS_LIMIT where the blocks are too many."""
    # The ladders keep to the number of attachments whatever the texts are.
    blocks = [*rendered.blocks, *(block for bar in rendered.attachments for block in _inner(bar))]
    return _characters(blocks) if len(blocks) <= BLOCKS_LIMIT else CHARACTERS_LIMIT + 1


def _inner(attachment: Block) -> Sequence[Block]:
    blocks = attachment["blocks"]
    assert isinstance(blocks, list)
    return blocks


def _characters(value: object) -> int:
    """Characters of every ``text`` within these."""
    if isinstance(value, Mapping):
        text = value.get("text")
        own = len(text) if isinstance(text, str) else 0
        return own + sum(_characters(inner) for inner in value.values())
    return sum(map(_characters, value)) if isinstance(value, (list, tuple)) else 0
