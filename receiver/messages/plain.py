"""The plainest form of a message: what goes out when a better rendering fails. Counts and names, no layout."""

from collections import Counter

from receiver.core.content import Content, Rendered

NAMES_SHOWN = 20
NAME_LENGTH = 100


def render(content: Content) -> Rendered:
    """Subject and text alone; every character that is not printable is replaced."""
    counts = (("FIRING", content.firing + content.fired_and_resolved), ("RESOLVED", content.resolved))
    subject = "[" + ", ".join(f"{word}:{n}" for word, n in counts if n) + "] alerts (plain form)"
    names = Counter(f"{line.told} {line.labels.get('alertname', '')[:NAME_LENGTH]}" for line in content.lines)
    shown = [f"{n} × {_printable(name)}" for name, n in names.most_common(NAMES_SHOWN)]
    rest = content.news - sum(n for _, n in names.most_common(NAMES_SHOWN))
    text = "\n".join(
        [
            "This message could not be rendered as usual; the receiver's log says why.",
            f"{content.news} alerts:",
            *shown,
            *([f"and {rest} more"] if rest else []),
        ]
    )
    section = {"type": "section", "text": {"type": "plain_text", "text": text[:3000]}}
    return Rendered(subject, text, blocks=(section,))


def _printable(text: str) -> str:
    return "".join(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in text)
