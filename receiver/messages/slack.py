"""A message as Slack's Block Kit.

What an alert says goes into ``plain_text`` objects, in which Slack reads no mention, link or format
(https://docs.slack.dev/reference/block-kit/composition-objects/text-object). ``mrkdwn`` holds checked links
only. The limits are documented one by one in ``receiver.demo.slack_endpoint``, which the tests post to.
"""

from collections.abc import Iterator, Mapping, Sequence

from receiver.core.content import Content, Rendered
from receiver.messages import wording
from receiver.messages.bounds import Bounds
from receiver.messages.excerpt import AlertText, AlsoText, Excerpt, fitting
from receiver.messages.kinds import Kind
from receiver.messages.labels import Labels
from receiver.messages.links import Link

Block = Mapping[str, object]

BLOCKS_LIMIT = 50
TEXT_LIMIT = 3000
CHARACTERS_LIMIT = 11_000
"""Characters of all texts in all blocks. Slack refuses above some 12,000; how it counts is not documented."""

FALLBACK_LIMIT = 500

LADDER = (
    Bounds(alerts=10, also=8, labels=9, short=300, long=1500, url=1500),
    Bounds(alerts=10, also=8, labels=9, short=150, long=400, url=500),
    Bounds(alerts=8, also=5, labels=6, short=100, long=200, url=300),
    Bounds(alerts=5, also=3, labels=4, short=80, long=150, url=150),
    Bounds(alerts=5, also=0, labels=2, short=60, long=100, url=100),
)

DIGEST_LADDER = (
    Bounds(alerts=8, also=5, labels=9, short=300, long=1500, url=1500, rows=60, kinds=20, row=150),
    Bounds(alerts=8, also=5, labels=9, short=150, long=400, url=500, rows=60, kinds=20, row=100),
    Bounds(alerts=8, also=5, labels=6, short=100, long=200, url=300, rows=60, kinds=20, row=60),
    Bounds(alerts=5, also=3, labels=4, short=80, long=150, url=150, rows=40, kinds=20, row=60),
    Bounds(alerts=3, also=0, labels=2, short=60, long=100, url=100, rows=20, kinds=10, row=40, kind=40),
    Bounds(alerts=0, also=0, labels=2, short=60, long=100, url=100, kind=12),
)


def render(content: Content) -> Rendered:
    """The blocks, and as ``text`` the fallback that a phone shows in its notification."""
    ladder = DIGEST_LADDER if content.kind == "digest" else LADDER
    return fitting(content, ladder, _layout, _size, CHARACTERS_LIMIT)


def escape(text: str) -> str:
    """Escape the three characters that Slack asks for (https://docs.slack.dev/messaging/formatting-message-text)."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _layout(excerpt: Excerpt) -> Rendered:
    return Rendered(
        subject=excerpt.subject,
        text=escape(": ".join(filter(None, (excerpt.subject, _gist(excerpt))))),
        blocks=tuple(_blocks(excerpt)),
    )


def _gist(excerpt: Excerpt) -> str:
    first = excerpt.alerts[0] if excerpt.alerts else None
    said = first.summary or first.description if first else excerpt.summary or excerpt.also_heading
    return wording.one_line(said, FALLBACK_LIMIT)


def _blocks(excerpt: Excerpt) -> Iterator[Block]:
    yield {"type": "header", "text": _plain(excerpt.subject)}
    if facts := "\n".join(filter(None, (excerpt.reason, excerpt.summary, *excerpt.totals, excerpt.mutes))):
        yield _section(facts)
    for alert in excerpt.alerts:
        yield from _alert(alert)
    for kind in excerpt.kinds:
        yield from _sections("\n".join(_kind(kind)))
    if excerpt.rest:
        yield from _sections(f"… {excerpt.rest}")
    if excerpt.truncated:
        yield _section(excerpt.truncated)
    if excerpt.common:
        heading = "Labels" if excerpt.sole else "Labels common to all"
        yield _section(heading, _fields(excerpt.common, excerpt.more_common))
    if excerpt.also_heading:
        yield _section("\n".join(_also(excerpt)))
    yield _context(excerpt.sent, (excerpt.source,) if excerpt.source else ())


def _alert(alert: AlertText) -> Iterator[Block]:
    defect = f"This alert could not be read as it was sent: {alert.defect}" if alert.defect else ""
    heading = f"{alert.state}: {alert.name} ({alert.level})"
    lines = (heading, alert.summary, defect, alert.description)
    yield _section("\n".join(filter(None, lines)), _fields(alert.labels, alert.more_labels))
    yield _context(alert.when, alert.links)


def _kind(kind: Kind) -> Iterator[str]:
    yield kind.heading
    if kind.common:
        yield kind.common
    if kind.columns:
        yield f"{kind.columns}:"
    for row in kind.rows:
        yield f"• {row}"
    if kind.rest:
        yield f"… {kind.rest}"


def _also(excerpt: Excerpt) -> Iterator[str]:
    yield excerpt.also_heading + (":" if excerpt.also else "")
    for alert in excerpt.also:
        yield _also_row(alert)
    if excerpt.also_rest:
        yield f"… {excerpt.also_rest}"


def _also_row(alert: AlsoText) -> str:
    labels = ", ".join(f"{name}={value}" for name, value in alert.labels)
    return f"• {alert.name} ({alert.level}) {wording.one_line(labels, 80)}, {alert.when}"


def _fields(labels: Labels, more: int) -> list[Block]:
    fields = [_plain(f"{name}: {value}") for name, value in labels]
    return [*fields, _plain(f"… and {more:,} more labels")] if more else fields


def _sections(text: str) -> Iterator[Block]:
    """A long text, cut between its lines or between the items of a list."""
    while len(text) > TEXT_LIMIT:
        end = text.rfind("\n", 0, TEXT_LIMIT) + 1 or text.rfind(", ", 0, TEXT_LIMIT) + 2
        yield _section(text[:end].rstrip())
        text = text[end:]
    yield _section(text)


def _section(text: str, fields: Sequence[Block] = ()) -> Block:
    section: dict[str, object] = {"type": "section", "text": _plain(text)}
    if fields:
        section["fields"] = list(fields)
    return section


def _context(words: str, links: tuple[Link, ...]) -> Block:
    return {"type": "context", "elements": [_plain(words), *map(_link, links)]}


def _link(link: Link) -> Block:
    # A bar would end the address; as %7C it means the same.
    markup = f"<{escape(link.url.replace('|', '%7C'))}|{escape(link.name)}>"
    if link.live and len(markup) <= TEXT_LIMIT:
        return {"type": "mrkdwn", "text": markup, "verbatim": True}
    return _plain(f"{link.name}: {link.url}")


def _plain(text: str) -> Block:
    return {"type": "plain_text", "text": text[:TEXT_LIMIT], "emoji": False}


def _size(rendered: Rendered) -> int:
    if len(rendered.blocks) > BLOCKS_LIMIT:
        return CHARACTERS_LIMIT + 1
    return sum(_characters(block) for block in rendered.blocks)


def _characters(value: object) -> int:
    """Characters of every ``text`` within a block."""
    if isinstance(value, Mapping):
        text = value.get("text")
        own = len(text) if isinstance(text, str) else 0
        return own + sum(_characters(inner) for inner in value.values())
    return sum(map(_characters, value)) if isinstance(value, list) else 0
