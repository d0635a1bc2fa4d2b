r"""Takes credentials out of finished text: what was a secret once, in every spelling, and what looks like one.

A known value is found raw, percent-encoded, HTML-escaped, escaped as JSON or Python's repr write it, several of
these on top of each other, and in base64 at any offset, as in the ``user:password`` of an Authorization header. No
encoder touches ASCII letters and digits, so only the other characters need spellings, and a text without the
longest run of letters and digits of any value needs no further look.

Parts of a value tell it too, as when a library prints the first forty characters of what it was given. A run of twelve
characters or more is found by comparing text and values as they are with every escape undone: every fourth place of
the text is looked up among all groups of four characters that the values hold, which costs the same for one value as
for a hundred.

A value of fewer than four characters goes only where it stands alone, between characters that are neither letters
nor digits, and not in base64: a password ``a`` taken out of every word would make the log unreadable and, by the
holes, tell itself.
"""

import re
from base64 import b64encode
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from functools import lru_cache
from html import unescape
from html.entities import codepoint2name
from typing import NamedTuple
from urllib.parse import SplitResult, unquote, urlsplit, urlunsplit

from receiver.secret import known_values

REDACTED = "<secret>"
_SHORT = 4
_WEB = frozenset({"http", "https"})

# An escape is escaped again by each format that wraps another; fifteen backslashes are four formats deep. Bounds
# everywhere: hostile text must not make the search slow.
_MAYBE_BACKSLASHES = r"\\{0,15}"
_BACKSLASHES = r"\\{1,15}"
_BACKSLASH = r"(?:\\|(?i:%(?:25){0,3}5c|&(?:amp;){0,3}#(?:0{0,6}92|x0{0,6}5c);))"
_LETTER_ESCAPES = {"\a": "a", "\b": "b", "\t": "t", "\n": "n", "\v": "v", "\f": "f", "\r": "r"}
_BASE64 = "[A-Za-z0-9+/_-]"

# Two fewer than the twelve promised: an escape that is cut in half at an edge hides a character of the run.
_FRAGMENT = 10
_FRAGMENT_IN_BASE64 = 14
_GRAM = 4
# The same few characters over and over must not make the search slow.
_PLACES_OF_A_GRAM = 4
_LAYERS = 4
_HEX = "[0-9A-Fa-f]"
# Begins with the one class of characters, which the search then skips to.
_ESCAPE = re.compile(
    rf"[%\\&](?:(?<=%)(?P<percent>(?:25){{0,3}}{_HEX}{{2}}(?:%(?:25){{0,3}}{_HEX}{{2}})*)"
    rf"|(?<=\\)\\{{0,14}}(?:(?P<octets>x{_HEX}{{2}}(?:{_BACKSLASHES}x{_HEX}{{2}})*)"
    rf"|(?P<units>u{_HEX}{{4}}(?:{_BACKSLASHES}u{_HEX}{{4}})*)"
    rf"|U(?P<code>000{_HEX}{{5}}|0010{_HEX}{{4}})|(?P<letter>[abtnvfr])|)"
    r"|(?<=&)(?:amp;){0,3}(?P<entity>(?:#[0-9]{1,10}|#[xX][0-9A-Fa-f]{1,8}|[A-Za-z]{2,8});))"
)
_CODES = {
    "percent": re.compile(rf"%(?:25){{0,3}}({_HEX}{{2}})"),
    "octets": re.compile(rf"\\+x({_HEX}{{2}})"),
    "units": re.compile(rf"\\+u({_HEX}{{4}})"),
}
_MEANT = {letter: char for char, letter in _LETTER_ESCAPES.items()}
# As forms write it.
_SPACE = str.maketrans("+", " ")

_PATTERNS = (
    # Slack's webhook URL is the credential.
    re.compile(r"(?i)(hooks\.slack(?:-gov)?\.com(?::\d{1,5})?(?:\\{0,15}/|%(?:25){0,3}2f))()[^\s\"'<>,;)\]}]+"),
    re.compile(r"()()xox[a-z](?:\.xox[a-z])?-[A-Za-z0-9%-]+"),
    re.compile(r"(?i)(authorization\W{1,12}(?:b\W)?(?:basic|bearer)\W{1,8})()[^\s\"'\\,;)\]}]+"),
    re.compile(r"(:\\{0,15}/\\{0,15}/[^\s/?#:@\"'<>]{0,256}:)()[^\s/?#\"'<>]{1,512}(?=@)"),
    re.compile(
        # After a colon without a space it is a mapping's key in YAML, and as such it may be told.
        r"(?i)((?:password|passwd|passphrase|pwd|secret|token|api[_-]?key|webhook_url)"
        r"(?:\s{0,4}=|\\{0,15}[\"']\s{0,4}:|(?:(?<=word)|(?<=_url)):(?=[^\s\"'\\]))\s{0,4})"
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
    text = _without_fragments(text, _grams(values))
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
    if url := _split(text):
        if url.password:
            yield from {url.password, unquote(url.password)}
        yield from _telling(url)


def _split(value: str) -> SplitResult | None:
    try:
        url = urlsplit(value)
        _ = url.password  # reading it checks it
    except ValueError:
        return None
    return url


def _telling(url: SplitResult) -> Iterator[str]:
    """The segments of a path that tell something: not "services" and "hooks" in Slack's, but its ids and the token."""
    if url.scheme in _WEB:
        for segment in url.path.split("/"):
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


class _Plain(NamedTuple):
    """A text with its escapes undone, and where in the text as it was each character began; last where it ended."""

    text: str
    edges: Sequence[int]


class _Part(NamedTuple):
    """What must not be told in part; the least part that counts, in characters as they were written."""

    plain: _Plain
    least: int


_Grams = Mapping[str, Sequence[tuple[_Part, int]]]


def _without_fragments(text: str, grams: _Grams) -> str:
    """The text with ``<secret>`` for each run that is part of a value."""
    plain = _plain(text)
    places = range(0, len(plain.text) - _GRAM + 1, _GRAM)
    if grams.keys().isdisjoint([plain.text[at : at + _GRAM] for at in places]):
        return text
    pieces, done, reached = [], 0, 0
    for at in places:
        # What begins within a run and goes on after it is met again there.
        if at >= reached and (run := _run(plain.text, at, grams)):
            begin, reached = run
            pieces += [text[done : max(done, plain.edges[begin])], REDACTED]
            done = plain.edges[reached]
    return "".join([*pieces, text[done:]])


def _run(text: str, at: int, grams: _Grams) -> tuple[int, int] | None:
    """From where to where the longest part of a value goes that holds the group of characters at this place."""
    found: tuple[int, int] | None = None
    for part, place in grams.get(text[at : at + _GRAM], ()):
        value, edges = part.plain
        before, after = 0, _GRAM
        while before < min(at, place) and text[at - before - 1] == value[place - before - 1]:
            before += 1
        while at + after < len(text) and place + after < len(value) and text[at + after] == value[place + after]:
            after += 1
        enough = edges[place + after] - edges[place - before] >= part.least
        if enough and (found is None or before + after > found[1] - found[0]):
            found = at - before, at + after
    return found


@lru_cache(maxsize=8)
def _grams(values: frozenset[str]) -> _Grams:
    """Every group of four characters that a value holds, with where it stands."""
    found: dict[str, list[tuple[_Part, int]]] = {}
    # By their text: base64's two alphabets mostly give the same.
    for part in {part.plain.text: part for value in values for part in _parts(value.strip())}.values():
        times: Counter[str] = Counter()
        for at in range(len(part.plain.text) - _GRAM + 1):
            gram = part.plain.text[at : at + _GRAM]
            times[gram] += 1
            if times[gram] <= _PLACES_OF_A_GRAM:
                found.setdefault(gram, []).append((part, at))
    return found


def _parts(value: str) -> Iterator[_Part]:
    for text in _secret_text(value):
        yield _Part(_plain(text), _FRAGMENT)
        for core, _ in _base64_cores(text):
            yield _Part(_plain(core), _FRAGMENT_IN_BASE64)


def _secret_text(value: str) -> Iterator[str]:
    """What of the value is secret in parts: of a URL the password, and what follows the host if it tells something."""
    url = _split(value)
    if url and url.password:
        yield url.password
    if url and url.scheme in _WEB:
        after = urlunsplit(("", "", url.path, url.query, url.fragment))
        place = after.find(next(_telling(url), "?"))
        yield after[place:] if place >= 0 else ""
    elif not (url and url.password):
        yield value


def _plain(text: str) -> _Plain:
    plain = _Plain(text, range(len(text) + 1))
    for layer in range(_LAYERS):
        if not any(char in plain.text for char in "\\%&"):
            break
        inner = _unescaped(plain.text)
        plain = _Plain(inner.text, [plain.edges[edge] for edge in inner.edges] if layer else inner.edges)
    return _Plain(plain.text.translate(_SPACE), plain.edges)


def _unescaped(text: str) -> _Plain:
    """One layer less. Backslashes that escape nothing go, as part of the character after them."""
    pieces: list[str] = []
    edges, done = [0], 0
    for match in _ESCAPE.finditer(text):
        begin, end = match.span()
        pieces.append(text[done:begin])
        edges += range(done + 1, begin + 1)
        done = end
        if match.lastgroup:
            for char, ends in _meant(match):
                pieces.append(char)
                edges.append(ends)
    pieces.append(text[done:])
    edges += range(done + 1, len(text) + 1)
    return _Plain("".join(pieces), edges)


def _meant(match: re.Match[str]) -> Iterator[tuple[str, int]]:
    """The characters that an escape, or several of a kind in a row, stand for, and where each one ends."""
    end = match.end()
    match match.lastgroup:
        case "percent" | "octets" | "units" as kind:
            codes = list(_CODES[kind].finditer(match[0]))
            coding = ("utf-16-be", "surrogatepass") if kind == "units" else ("utf-8", "surrogateescape")
            unit, read = len(codes[0][1]) // 2, 0
            for char in bytes.fromhex("".join(code[1] for code in codes)).decode(*coding):
                read += len(char.encode(*coding)) // unit
                # An octet that is no UTF-8 was Latin-1, as in Python's repr.
                own = chr(ord(char) - 0xDC00) if kind != "units" and "\udc80" <= char <= "\udcff" else char
                yield own, match.start() + codes[read - 1].end()
        case "code":
            yield chr(int(match["code"], 16)), end
        case "letter":
            yield _MEANT[match[0][-1]], end
        case "entity":
            meant = unescape(f"&{match['entity']}")
            # One that HTML does not know stands for nothing else.
            known = not meant.startswith("&") or len(meant) == 1
            for at, char in enumerate(meant if known else match[0], match.start() + 1):
                yield char, end if known else at
