"""Secrets made up anew for every run, and how they are looked for: in every encoding, whole and in parts."""

import html
import json
import random
import string
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from urllib.parse import quote, quote_plus

PART = 12
"""So many characters in a row of a secret tell it."""

AWKWARD = '%&<"\\+/ é'
"""Each is escaped by some encoding, and by no two in the same way."""


def _json(text: str) -> str:
    return json.dumps(text)[1:-1]


def _html(text: str) -> str:
    return html.escape(text)


def _percent(text: str) -> str:
    return quote(text, safe="")


def _lower(text: str) -> str:
    """Percent-encoded with lower-case digits; the rest of the text stays."""
    return "".join(quote(char, safe="").lower() if quote(char, safe="") != char else char for char in text)


SPELLINGS: dict[str, Callable[[str], str]] = {
    "raw": str,
    "percent": _percent,
    "percent of a path": quote,
    "percent of a form": quote_plus,
    "percent, lower-case": _lower,
    "percent, twice": lambda text: _percent(_percent(text)),
    "JSON": _json,
    "JSON, UTF-8": lambda text: json.dumps(text, ensure_ascii=False)[1:-1],
    "JSON in JSON": lambda text: _json(_json(text)),
    "JSON of Go": lambda text: _json(text).replace("<", r"\u003c").replace("&", r"\u0026"),
    "HTML": _html,
    "HTML, decimal": lambda text: _html(text).encode("ascii", "xmlcharrefreplace").decode(),
    "HTML in JSON": lambda text: _json(_html(text)),
    "repr": lambda text: repr(text)[1:-1],
    "repr in JSON": lambda text: json.dumps(repr(text)[1:-1], ensure_ascii=False)[1:-1],
    "ascii": lambda text: ascii(text)[1:-1],
    "repr of bytes": lambda text: repr(text.encode())[2:-1],
    "repr of bytes in JSON": lambda text: _json(repr(text.encode())[2:-1]),
}


def in_base64(text: str) -> Iterator[tuple[str, str]]:
    """What base64 holds of the text and of nothing else, for each offset and alphabet, with its name."""
    octets = text.encode()
    for name, encode in (("base64", b64encode), ("base64 of URLs", urlsafe_b64encode)):
        for offset, first in ((0, 0), (1, 2), (2, 3)):
            encoded = encode(bytes(offset) + octets).decode()
            yield f"{name} at {offset}", encoded[first : (offset + len(octets)) * 8 // 6]


@dataclass(frozen=True)
class Canary:
    """A secret that must turn up nowhere; ``value`` is what of it is secret."""

    name: str
    value: str

    @cached_property
    def needles(self) -> dict[bytes, str]:
        """The bytes that tell the secret, each with what it is called."""
        parts = {self.value[at : at + PART] for at in range(max(1, len(self.value) - PART + 1))}
        found: dict[bytes, str] = {}
        for part in sorted(parts):
            for name, spell in SPELLINGS.items():
                found.setdefault(spell(part).encode(), name)
            for name, core in in_base64(part):
                found.setdefault(core.encode(), name)
            for coding in ("utf-16-le", "utf-16-be"):
                found.setdefault(part.encode(coding), coding)
        return found

    def told_by(self, text: bytes) -> str | None:
        """How the text tells the secret, with what stands around it; None if it does not."""
        for needle, name in self.needles.items():
            if (at := text.find(needle)) >= 0:
                return f"{self.name} ({name}): …{text[max(0, at - 120) : at + 120]!r}…"
        return None


class Canaries:
    """What a receiver is given to keep to itself: passwords, one of them all digits, a Slack webhook, tokens."""

    def __init__(self, seed: int) -> None:
        """Make them up; the same seed makes the same."""
        rng = random.Random(seed)
        self.password = Canary("password", _awkward(rng, AWKWARD))
        path = f"T{_token(rng, 10)}/B{_token(rng, 10)}/{_token(rng, 9)}%2F{_token(rng, 8)}+&-{_token(rng, 9)}"
        self.webhook = Canary("webhook", path)
        self.digits = Canary("digits", "".join(rng.choices(string.digits, k=16)))
        # No secret, so nobody takes it out; but what alerts say belongs in messages and not in logs.
        self.label = Canary("label", _awkward(rng, AWKWARD))
        # What a header carries (RFC 9110, section 5.5) and no sender would quote.
        self.token, self.old_token = (Canary(name, _awkward(rng, AWKWARD[:-2])) for name in ("token", "old token"))
        self.bot = Canary("bot token", f"xoxb-{_awkward(rng, AWKWARD[:-2])}")
        self.all = (self.password, self.webhook, self.digits, self.token, self.old_token, self.bot)

    @property
    def url(self) -> str:
        """The webhook's URL, as somebody would have copied it."""
        return f"https://hooks.example.com/services/{self.webhook.value}"

    def keep(self, folder: Path) -> None:
        """Write the files that configurations name."""
        (folder / "password").write_text(self.password.value)
        (folder / "digits").write_text(self.digits.value)
        (folder / "webhook").write_text(self.url)
        (folder / "bot").write_text(self.bot.value)
        (folder / "token").write_text(f"{self.token.value}\n{self.old_token.value}\n")


def _token(rng: random.Random, length: int) -> str:
    return "".join(rng.choices(string.ascii_letters + string.digits, k=length))


def _awkward(rng: random.Random, signs: str) -> str:
    """Of a length that base64 may end at any of its three offsets with, and with these signs somewhere inside."""
    chars = list(_token(rng, rng.randint(20, 34)))
    for char in signs:
        chars.insert(rng.randrange(1, len(chars)), char)
    return "".join(chars)


def leaks(places: dict[str, bytes], canaries: tuple[Canary, ...]) -> list[str]:
    """Every place that tells a secret, and how."""
    return [
        f"{place}: {told}"
        for place, text in places.items()
        for canary in canaries
        if (told := canary.told_by(text)) is not None
    ]
