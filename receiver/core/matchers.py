"""Matchers in Alertmanager's syntax: ``team="ops", severity=~"warning|critical"``.

The grammar, with white space allowed between the tokens:

    matchers = [ "{" ] [ matcher { "," matcher } [ "," ] ] [ "}" ]     the braces both or neither
    matcher  = text ( "=" | "!=" | "=~" | "!~" ) text
    text     = bare | quoted                                           bare: no white space, none of {}!=~,\\"'`

Alertmanager reads a value after a bare label name as it always has: a backslash is itself except in \\n, \\" and
\\\\, so ``host=~"db\\d+\\.example"`` means what it says. After a quoted label name, its newer UTF-8 syntax, the
escapes are Go's and an unknown one is an error. So do we.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol


class Pattern(Protocol):
    """A compiled regular expression; RE2's in production, so that no pattern can take exponential time."""

    def fullmatch(self, text: str, /) -> object | None:
        """Something when the whole text matches, else None."""


class MatcherError(ValueError):
    """A text that is no matcher; says at which column (from 1) and what was expected there."""

    def __init__(self, column: int, problem: str) -> None:
        """Name the first place that can't be understood."""
        super().__init__(f"column {column}: {problem}")
        self.column = column


@dataclass(frozen=True, slots=True)
class Matcher:
    """One condition on one label; a missing label has the empty value. ``pattern`` is set for ``=~`` and ``!~``.

    ``str()`` gives a text that ``parse`` reads back as an equal matcher.
    """

    name: str
    operator: str
    value: str
    pattern: Pattern | None = field(default=None, compare=False, repr=False)

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Whether the label set fulfils the condition."""
        value = labels.get(self.name, "")
        found = value == self.value if self.pattern is None else self.pattern.fullmatch(value) is not None
        return found is not self.operator.startswith("!")

    def __str__(self) -> str:
        """The matcher as Alertmanager prints it."""
        if _BARE.fullmatch(self.name):
            return f"{self.name}{self.operator}{_quote(self.value, _CLASSIC)}"
        return f"{_quote(self.name, _GO)}{self.operator}{_quote(self.value, _GO)}"


def parse(text: str, compile_pattern: Callable[[str], Pattern]) -> tuple[Matcher, ...]:
    """All matchers of a text; none for an empty one.

    ``compile_pattern`` turns the value of ``=~`` and ``!~`` into a Pattern and raises ValueError for a bad one.
    Raises MatcherError for a text that Alertmanager would not take either.
    """
    tokens = _scan(text)
    token = next(tokens)
    braced = token.kind == "{"
    if braced:
        token = next(tokens)
    found = []
    while token.kind in _TEXT:
        matcher, token = _matcher(token, tokens, compile_pattern)
        found.append(matcher)
        if token.kind != ",":
            break
        token = next(tokens)
    if braced:
        _expect(token, ("}",), 'a comma or a closing "}"' if found else 'a label name or a closing "}"')
        token = next(tokens)
    _expect(token, ("end",), _expected_at_end(found, braced))
    return tuple(found)


class _Token(NamedTuple):
    kind: str
    text: str
    column: int


_TEXT = ("bare", "quoted")
_OPERATORS = ("=", "!=", "=~", "!~")
_BARE = re.compile(r"""[^\s{}!=~,\\"'`]+""")
_LEXEME = re.compile(
    r"""\s*(?:(?P<bare>[^\s{}!=~,\\"'`]+)|(?P<quoted>"(?:[^"\\]|\\.)*")|(?P<sign>=~|!~|!=|=|[{},])|(?P<end>\Z))""",
    re.DOTALL,
)


def _scan(text: str) -> Iterator[_Token]:
    """The tokens; the last is ``end``."""
    at = 0
    while True:
        lexeme = _LEXEME.match(text, at)
        if lexeme is None:
            at = len(text) - len(text[at:].lstrip())
            if text[at] == '"':
                raise MatcherError(at + 1, "the closing quote is missing")
            raise MatcherError(at + 1, f"unexpected {text[at]}; put names and values that hold it in double quotes")
        kind = lexeme.lastgroup or ""
        token = lexeme[kind]
        yield _Token(token if kind == "sign" else kind, token, lexeme.start(kind) + 1)
        at = lexeme.end()


def _matcher(
    name: _Token, tokens: Iterator[_Token], compile_pattern: Callable[[str], Pattern]
) -> tuple[Matcher, _Token]:
    """The matcher that begins with ``name``, and the token after it."""
    operator = next(tokens)
    _expect(operator, _OPERATORS, "an operator: =, !=, =~ or !~")
    value = next(tokens)
    _expect(value, _TEXT, 'a value ("" is the empty one)')
    label = _unquoted(name, _GO)
    if not label:
        raise MatcherError(name.column, "a label name can't be empty")
    wanted = _unquoted(value, _GO if name.kind == "quoted" else _CLASSIC)
    pattern = None
    if operator.kind.endswith("~"):
        try:
            pattern = compile_pattern(wanted)
        except ValueError as error:
            raise MatcherError(value.column, f"not a regular expression: {error}") from None
    return Matcher(label, operator.kind, wanted, pattern), next(tokens)


def _expect(token: _Token, kinds: tuple[str, ...], what: str) -> None:
    if token.kind not in kinds:
        found = "the end" if token.kind == "end" else token.text[:50]
        raise MatcherError(token.column, f"expected {what}, found {found}")


def _expected_at_end(found: list[Matcher], braced: bool) -> str:
    if braced:
        return 'nothing after the closing "}"'
    return "a comma between matchers, and double quotes around values with spaces" if found else "a label name"


_CLASSIC = {"n": "\n", '"': '"', "\\": "\\"}
_GO = _CLASSIC | {"a": "\a", "b": "\b", "f": "\f", "r": "\r", "t": "\t", "v": "\v"}
# Numbers of bytes (which together must be UTF-8) and of code points, as Go writes them; then any other escape.
_ESCAPES = re.compile(
    r"(?P<octets>(?:\\x[0-9a-fA-F]{2}|\\[0-3][0-7]{2})+)"
    r"|\\u(?P<short>[0-9a-fA-F]{4})|\\U(?P<long>[0-9a-fA-F]{8})|\\(?P<letter>.)",
    re.DOTALL,
)


def _unquoted(token: _Token, escapes: Mapping[str, str]) -> str:
    if token.kind == "bare":
        return token.text
    inner = token.text[1:-1]
    if escapes is _CLASSIC:
        return re.sub(r"\\(.)", lambda found: _CLASSIC.get(found[1], found[0]), inner, flags=re.DOTALL)
    try:
        return _ESCAPES.sub(_unescaped, inner)
    except ValueError:
        raise MatcherError(token.column, "an escape that Go does not know; write \\\\ for a backslash") from None


def _unescaped(found: re.Match[str]) -> str:
    """What one of Go's escapes stands for; raises ValueError for others."""
    if found["octets"]:
        numbers = re.findall(r"\\(x..|\d{3})", found["octets"])
        octets = bytes(int(n[1:], 16) if n[0] == "x" else int(n, 8) for n in numbers)
        return octets.decode()
    if code := found["short"] or found["long"]:
        # Decoding refuses what is no character: surrogates, and numbers past the last.
        return bytes.fromhex(code.zfill(8)).decode("utf-32-be")
    if found["letter"] not in _GO:
        raise ValueError
    return _GO[found["letter"]]


def _quote(text: str, escapes: Mapping[str, str]) -> str:
    written = {plain: f"\\{letter}" for letter, plain in escapes.items()}
    return '"' + "".join(written.get(character, character) for character in text) + '"'
