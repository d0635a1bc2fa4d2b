"""The configuration as the decisions see it: resolved, immutable, free of secrets. Read once per transaction."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from receiver.core.matchers import Matcher, Pattern


@dataclass(frozen=True, slots=True)
class SeverityScale:
    """The order of severities.

    ``levels`` from least to most severe, ``aliases`` from other spellings to a level, ``default`` the level that a
    missing or unknown severity counts as. All in lower case.
    """

    label: str
    levels: tuple[str, ...]
    default: str
    aliases: Mapping[str, str]

    def known(self, value: str) -> bool:
        """Whether the value names a level, itself or by an alias."""
        lowered = value.lower()
        return self.aliases.get(lowered, lowered) in self.levels

    def rank(self, value: str) -> int:
        """The place of a severity label's value in ``levels``; of the default when it is missing or unknown."""
        lowered = value.lower()
        level = self.aliases.get(lowered, lowered)
        return self.levels.index(level if level in self.levels else self.default)

    def rank_of(self, labels: Mapping[str, str]) -> int:
        """The place of an alert's severity."""
        return self.rank(labels.get(self.label, ""))


@dataclass(frozen=True, slots=True)
class Throttle:
    """A token bucket: ``messages`` per ``per`` milliseconds, at most ``burst`` of them saved up."""

    messages: int
    per: int
    burst: int


@dataclass(frozen=True, slots=True)
class ChannelPolicy:
    """What is decided for one channel. Durations in milliseconds.

    ``group_by`` is None for ``['...']``, every label. ``min_severity`` is a rank of the severity scale. ``urgent``
    are matcher sets, any one of which is enough. ``fallback`` names the channel that is given what this one does not
    get through within ``fallback_after``. ``mentions``: whom urgent news of a level mentions.
    """

    name: str
    kind: str
    alias: str | None
    matchers: tuple[Matcher, ...]
    min_severity: int
    group_by: tuple[str, ...] | None
    group_wait: int
    group_threshold: int
    group_interval: int
    repeat_interval: int
    urgent: tuple[tuple[Matcher, ...], ...]
    urgent_interval: int
    digest_interval: int
    throttle: Throttle
    send_resolved: bool
    retry_for: int
    fallback: str | None = None
    fallback_after: int = 600_000
    mentions: Mapping[str, str] = field(default_factory=dict)

    def is_urgent(self, labels: Mapping[str, str]) -> bool:
        """Whether the opening of an alert with these labels is urgent here."""
        return any(all(matcher.matches(labels) for matcher in matchers) for matchers in self.urgent)


@dataclass(frozen=True, slots=True)
class Policy:
    """All that decisions need of the configuration, channels in its order. Durations in milliseconds.

    ``compile_pattern`` compiles the regular expressions of mutes, which the store keeps as texts. ``notices`` names
    the channels that are told what the receiver has to say of itself.
    """

    channels: tuple[ChannelPolicy, ...]
    severity: SeverityScale
    ignore_labels: frozenset[str]
    expire_after: int
    reorder_window: int
    compile_pattern: Callable[[str], Pattern] = field(compare=False, repr=False)
    notices: tuple[str, ...] = ()
