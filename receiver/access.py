"""Who may ask for what: the scopes that the paths need, and the tokens that carry them."""

from dataclasses import dataclass
from enum import StrEnum

from receiver.secret import Secret


class Scope(StrEnum):
    """What a token may be good for: handing over notifications, asking, changing what the receiver does."""

    WEBHOOK = "webhook"
    READ = "read"
    ADMIN = "admin"


@dataclass(frozen=True, slots=True)
class Token:
    """An accepted bearer token.

    ``source`` names whose alerts those are that come with it. ``values`` are all valid: the new one and, as long as
    not everybody has it, the old one.
    """

    name: str
    source: str
    scopes: frozenset[Scope]
    values: tuple[Secret, ...]
