"""The plainest form of a message: what goes out when a better one can't be made, or was refused by the provider.

Counts and names, no layout; whom the configuration has mentioned is mentioned all the same.
"""

from collections import Counter

from receiver.core.content import Content, Line, Rendered
from receiver.messages import slack

NAMES_SHOWN = 20
NAME_LENGTH = 100
TEXT_LIMIT = 3000
"""Characters of a section in Slack."""


REFUSED = "This is the plain form of the message, because its provider refused the usual one."
BROKEN = "This is the plain form of the message, because the usual one could not be made; the receiver's log says why."


def render(content: Content, why: str = BROKEN) -> Rendered:
    """Subject and text alone; every character that is not printable is replaced."""
    names = Counter(map(_name, content.lines))
    # Urgent ones stand first, so that they are named whatever else there is.
    shown = sorted(names.items(), key=lambda named: (not named[0][0], -named[1]))[:NAMES_SHOWN]
    rest = content.news - sum(amount for _, amount in shown)
    text = "\n".join(
        [
            why,
            f"{_much(content)}:",
            *(f"{amount} × {name}" for (_, name), amount in shown),
            *([f"and {rest} more"] if rest else []),
        ]
    )
    section = {"type": "section", "text": {"type": "plain_text", "text": text[:TEXT_LIMIT]}}
    return Rendered(f"[{_tag(content)}] alerts (plain form)", text, blocks=(*slack.mention(content.mentions), section))


def _tag(content: Content) -> str:
    if content.kind == "digest":
        return f"DIGEST: {content.news} in {content.groups} groups"
    counts = (("FIRING", content.firing + content.fired_and_resolved), ("RESOLVED", content.resolved))
    return ", ".join(f"{word}:{amount}" for word, amount in counts if amount)


def _much(content: Content) -> str:
    urgent = f" ({content.urgent} urgent)" if content.urgent else ""
    return f"{content.news} {'alert' if content.news == 1 else 'alerts'}{urgent}"


def _name(line: Line) -> tuple[bool, str]:
    name = _printable(line.labels.get("alertname", "")[:NAME_LENGTH])
    return line.urgent, f"{line.told.replace('_', ' ')} {name}{', urgent' if line.urgent else ''}"


def _printable(text: str) -> str:
    return "".join(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in text)
