r"""Takes credentials out of finished text: what was a secret once, in every spelling, and what looks like one.

A known value is found raw, percent-encoded, HTML-escaped, escaped as JSON or Python's repr write it, several of
these on top of each other, and in base64 at any offset, as in the ``user:password`` of an Authorization header. No
encoder touches ASCII letters and digits, so only the other characters need spellings, and a text without the
longest run of letters and digits of any value needs no further look.

A value of fewer than four characters goes only where it stands alone, between characters that are neither letters
nor digits, and not in base64: a password ``a`` taken out of every word would make the log unreadable and, by the
holes, tell itself.
"""

import re
from base64 import b64encode
from collections.abc import Iterator
from contextlib import suppress
from functools import lru_cache
from html.entities import codepoint2name
from urllib.parse import unquote, urlsplit

from receiver.secret import known_values

REDACTED = "<secret>"
_SHORT = 4

# An escape is escaped again by each format that wraps another; fifteen backslashes are four formats deep. Bounds
# everywhere: hostile text must not make the search slow.
_MAYBE_BACKSLASHES = r"\\{0,15}"
_BACKSLASHES = r"\\{1,15}"
_BACKSLASH = r"(?:\\|(?i:%(?:25){0,3}5c|&(?:amp;){0,3}#(?:0{0,6}92|x0{0,6}5c);))"
_LETTER_ESCAPES = {"\a": "a", "\b": "b", "\t": "t", "\n": "n", "\v": "v", "\f": "f", "\r": "r"}
_BASE64 = "[A-Za-z0-9+/_-]"

_PATTERNS = (
    # Slack's webhook URL is the credential.
    re.compile(r"(?i)(hooks\.slack(?:-gov)?\.com(?::\d{1,5})?(?:\\{0,15}/|%(?:25){0,3}2f))()[^\s\"'<>,;)\]}]+"),
    re.compile(r"()()xox[a-z](?:\.xox[a-z])?-[A-Za-z0-9%-]+"),
    re.compile(r"(?i)(authorization\W{1,12}(?:b\W)?(?:basic|bearer)\W{1,8})()[^\s\"'\\,;)\]}]+"),
    re.compile(r"(:\\{0,15}/\\{0,15}/[^\s/?#:@\"'<>]{0,256}:)()[^\s/?#\"'<>]{1,512}(?=@)"),
    re.compile(
        r"(?i)((?:password|passwd|passphrase|pwd|secret|token|api[_-]?key)"
        r"(?:\s{0,4}=|\\{0,15}[\"']\s{0,4}:)\s{0,4})"
        r"(?:(\\{0,15}[\"'])(?:(?!(?<!\\)\2).){1,4096}|[^\s\"'&,;\\)\]}]+)"
    ),
)


def scrub(text: str) -> str:
    """The text without any value that was ever a Secret of this process, and without what looks like one."""
    return remove(text, known_values())


def remove(text: str, values: frozenset[str]) -> str:
    """The text with ``<secret>`` for every spelling of ``values``, then for every known pattern of a credential."""
    needles, spellings = _search(values)
    if any(needle in text for needle in needles):
        text = spellings.sub(REDACTED, text)
    for pattern in _PATTERNS:
        text = pattern.sub(rf"\1\2{REDACTED}", text)
    return text


@lru_cache(maxsize=8)
def _search(values: frozenset[str]) -> tuple[frozenset[str], re.Pattern[str]]:
    """The runs of letters and digits of which one occurs wherever a value does, and what then finds the values."""
    patterns: dict[str, str] = {}
    for text in {text for value in values for text in _texts(value)}:
        if len(text) < _SHORT:
            patterns[text] = rf"(?<![\w\\%]){_spellings(text)}(?!\w)"
        else:
            patterns[text] = _spellings(text)
            for core, partial in _base64_cores(text):
                patterns[core] = f"{partial}{_spellings(core)}{_BASE64}?={{0,2}}"
    # Of two that begin at the same place the longer one wins, or its end would stay behind.
    longest_first = sorted(patterns, key=len, reverse=True)
    needles = frozenset(max(re.findall("[A-Za-z0-9]+", text), key=len, default="") for text in patterns)
    return needles, re.compile("|".join(patterns[text] for text in longest_first))


def _texts(value: str) -> Iterator[str]:
    """The value without the white space of its file; of a URL also its password and the telling path segments."""
    if text := value.strip():
        yield text
    try:
        url = urlsplit(text)
        password = url.password
    except ValueError:
        return
    if password:
        yield from {password, unquote(password)}
    if url.scheme in {"http", "https"}:
        for segment in url.path.split("/"):
            # "services" and "hooks" in Slack's path say nothing; its ids and the token do.
            if len(segment) >= _SHORT and not (segment.isalpha() and segment.islower() and len(segment) < 12):
                yield segment


def _spellings(text: str) -> str:
    # A run of backslashes is one piece: one by one, each with its maybe-backslashes, they would backtrack for hours.
    return "".join(_spellings_of(piece) for piece in re.findall(r"\\+|[^\\]", text))


@lru_cache(maxsize=1024)
def _spellings_of(char: str) -> str:
    """A pattern for one character or one run of backslashes, longest spellings first."""
    if char.isascii() and char.isalnum():
        return char
    if char.startswith("\\"):
        return rf"{_BACKSLASH}{{{len(char)},{16 * len(char)}}}"
    code, octets = ord(char), char.encode("utf-8", "surrogatepass")
    units = char.encode("utf-16-be", "surrogatepass")
    names = [f"#0{{0,6}}{code}", f"#x0{{0,6}}{code:x}"]
    names += [name for name in (codepoint2name.get(code), "apos" if char == "'" else None) if name]
    found = [
        "".join(f"%(?:25){{0,3}}{octet:02x}" for octet in octets),
        f"&(?:amp;){{0,3}}(?:{'|'.join(names)});",
        "".join(rf"{_BACKSLASHES}u{units[at : at + 2].hex()}" for at in range(0, len(units), 2)),
        rf"{_BACKSLASHES}U{code:08x}",
        "".join(rf"{_BACKSLASHES}x{octet:02x}" for octet in octets),
    ]
    if code < 256:
        found.append(rf"{_BACKSLASHES}x{code:02x}")
    if char in _LETTER_ESCAPES:
        found.append(rf"{_BACKSLASHES}{_LETTER_ESCAPES[char]}")
    if char == " ":
        found.append(r"\+")
    found.append(rf"{_MAYBE_BACKSLASHES}{re.escape(char)}")
    return f"(?:(?i:{'|'.join(found)}))"


def _base64_cores(text: str) -> Iterator[tuple[str, str]]:
    """For each offset in base64: the characters that the text alone decides, and a pattern for one it shares."""
    encodings = {text.encode("utf-8", "surrogatepass")}
    # Some clients encode credentials so, where they can; a part of the value would only hide the rest from us.
    with suppress(UnicodeEncodeError):
        encodings.add(text.encode("latin-1"))
    for octets in encodings:
        for offset, first in ((0, 0), (1, 2), (2, 3)):
            whole = b64encode(bytes(offset) + octets).decode()
            core = whole[first : (offset + len(octets)) * 8 // 6]
            for alphabet in (core, core.replace("+", "-").replace("/", "_")):
                yield alphabet, f"{_BASE64}?" if offset else ""
