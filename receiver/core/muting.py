"""A mute holds back what its matchers match, for a time, on some channels or on all."""

from collections.abc import Mapping
from dataclasses import dataclass

from receiver.core.matchers import Matcher


class MuteError(ValueError):
    """A mute that can't be meant; says what would be right."""


@dataclass(frozen=True, slots=True)
class Mute:
    """One mute. Active from ``starts_at`` until just before ``ends_at``, UTC milliseconds; ``channels`` None: all."""

    matchers: tuple[Matcher, ...]
    starts_at: int
    ends_at: int
    channels: tuple[str, ...] | None = None
    comment: str = ""
    created_by: str = ""

    def is_active(self, channel: str, now: int) -> bool:
        """Whether it holds anything back on this channel now."""
        return self.starts_at <= now < self.ends_at and (self.channels is None or channel in self.channels)

    def covers(self, labels: Mapping[str, str]) -> bool:
        """Whether its matchers match."""
        return all(matcher.matches(labels) for matcher in self.matchers)


def check(mute: Mute) -> None:
    """Raise MuteError for a mute that would match every alert, or that ends before it begins."""
    if all(matcher.matches({}) for matcher in mute.matchers):
        raise MuteError('one matcher at least must not match the empty value, as alertname=~".+" does not')
    if mute.ends_at <= mute.starts_at:
        raise MuteError("a mute must end after it begins")
