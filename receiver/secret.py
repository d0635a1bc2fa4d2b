"""Credentials that don't show: a ``Secret`` keeps its value to itself until somebody asks for it by name."""

from collections.abc import Callable
from hmac import compare_digest
from typing import Never

# Every value that was ever a secret of this process: one that was rotated may still be logged.
_known: set[str] = set()


class Secret:
    """A credential. Prints ``<secret>``; its value comes out by ``reveal()`` alone.

    It can't be pickled, copied or concatenated, and compares in constant time, with other secrets only.
    """

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        """Keep ``value`` and make it known to ``known_values()``; raises ValueError for an empty one."""
        if not value:
            raise ValueError("a secret can't be empty")
        self._value = value
        _known.add(value)

    def reveal(self) -> str:
        """The value itself: for the provider, and for nobody else."""
        return self._value

    def passes(self, check: Callable[[str], bool]) -> bool:
        """Whether the value fulfils a condition, for judging a configuration without holding its secrets."""
        return check(self._value)

    def __repr__(self) -> str:
        """Never the value."""
        return "<secret>"

    def __format__(self, spec: str) -> str:
        """Never the value, however wide."""
        return format("<secret>", spec)

    def __eq__(self, other: object) -> bool:
        """Whether both hold the same value, in a time that does not tell where they differ."""
        if not isinstance(other, Secret):
            return NotImplemented
        return compare_digest(self._value.encode(), other._value.encode())

    def __hash__(self) -> int:
        """Equal secrets hash alike; Python's hash of a text differs in every process."""
        return hash(self._value)

    def __reduce_ex__(self, protocol: object) -> Never:
        """Refuse pickling and copying, which goes the same way."""
        raise TypeError("a secret can't be pickled or copied")


def known_values() -> frozenset[str]:
    """Every value that is or was a Secret in this process, for the redaction of logs."""
    return frozenset(_known)
