"""What the schema can't say of ``auth.tokens``, and the tokens that follow from it."""

import re
from collections.abc import Iterator, Sequence

from msgspec import UNSET

from receiver.access import Scope, Token
from receiver.config.credentials import twins
from receiver.config.draft import Draft
from receiver.config.problems import Finding, Path
from receiver.config.types import Config
from receiver.secret import Secret

# The new value and the old one.
_MOST_VALUES = 2
_SHORTEST = 16
_HOW = "make one by: openssl rand -hex 32"
_PATH: Path = ("auth", "tokens")

# Visible ASCII: with anything else in it a header can't carry the token, or not to everybody alike.
_CARRIED = re.compile(r"[\x21-\x7e]+")


def tokens(config: Config) -> tuple[Token, ...]:
    """The tokens of a loaded configuration, in its order."""
    return tuple(
        Token(one.name, one.source, _scopes(one.scopes), () if one.token is UNSET else one.token.values)
        for one in config.auth.tokens
    )


def _scopes(written: Sequence[str]) -> frozenset[Scope]:
    """Whoever may change things may look at them."""
    scopes = {Scope(name) for name in written}
    return frozenset(scopes | {Scope.READ} if Scope.ADMIN in scopes else scopes)


def findings(draft: Draft) -> Iterator[Finding]:
    """Everything that is wrong with the tokens."""
    owners: dict[Secret, str] = {}
    for i, token in enumerate(draft.config.auth.tokens):
        place = _place(draft, i)
        if place is None:
            yield Finding((*_PATH, i, "token"), "is missing", "or give token_file or token_env")
        # What could not be read was told of before.
        elif token.token is not UNSET:
            yield from _values(place, token.token.values)
            for value in token.token.values:
                if (owner := owners.setdefault(value, token.name)) != token.name:
                    yield Finding(place, f'holds a value that the token "{owner}" has too', _HOW)


def _values(place: Path, values: Sequence[Secret]) -> Iterator[Finding]:
    if not values:
        yield Finding(place, "holds no token, but blank lines only", _HOW)
    if len(values) > _MOST_VALUES:
        yield Finding(place, "holds more than two lines", "the new token and, until everybody has it, the old one")
    if not all(value.passes(lambda text: _CARRIED.fullmatch(text) is not None) for value in values):
        yield Finding(place, "holds a character that no header carries: letters, digits and signs only", _HOW)


def warnings(draft: Draft) -> Iterator[Finding]:
    """What the author of tokens without mistakes should know of them."""
    if not draft.written("auth"):
        return
    accepted = tokens(draft.config)
    if not accepted:
        yield Finding(("auth",), "has no tokens: whoever reaches the port may send alerts", "give one, or leave it out")
        return
    for i, token in enumerate(accepted):
        if not all(value.passes(lambda text: len(text) >= _SHORTEST) for value in token.values):
            yield Finding(_place(draft, i) or (*_PATH, i), f"is shorter than {_SHORTEST} characters", _HOW)
    carried = frozenset[Scope]().union(*(token.scopes for token in accepted))
    if Scope.WEBHOOK not in carried:
        yield Finding(
            _PATH,
            "no token has the scope webhook: nobody can send notifications",
            "give Alertmanager one, and name its file in http_config.authorization.credentials_file",
        )
    if Scope.READ not in carried:
        yield Finding(
            _PATH,
            "no token has the scope read: nobody can scrape /metrics",
            "give Prometheus one, and name its file in authorization.credentials_file",
        )


def _place(draft: Draft, i: int) -> Path | None:
    """Where the value of the token at place ``i`` is written."""
    return next(((*_PATH, i, key) for key in twins("token") if draft.written(*_PATH, i, key)), None)
