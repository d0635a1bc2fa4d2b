"""What a message says, as facts: what the store hands to the renderers. No markup, no limits of any provider."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class Told(StrEnum):
    """What a message says of one alert."""

    FIRING = "firing"
    RESOLVED = "resolved"
    FIRED_AND_RESOLVED = "fired_and_resolved"


@dataclass(frozen=True, slots=True)
class Line:
    """One alert in a message.

    ``again`` marks an episode that was reopened ("firing again"). ``urgent``: its opening matched the channel's
    ``urgent``. ``reminder``: its firing was told before. ``after_mute``: it was held by a mute that has ended ("still
    firing after mute"). ``severity`` is the level's name as configured, never the raw label. All other texts are
    hostile input.
    """

    told: Told
    severity: str
    labels: Mapping[str, str]
    annotations: Mapping[str, str]
    starts_at: int
    ends_at: int | None
    last_seen: int
    generator_url: str = ""
    fingerprint: str = ""
    links: Mapping[str, str] = field(default_factory=dict)
    defect: str | None = None
    again: bool = False
    urgent: bool = False
    reminder: bool = False
    after_mute: bool = False


@dataclass(frozen=True, slots=True)
class Failover:
    """``news`` alerts are told in place of ``channel``, a ``channel_kind`` that failed for ``reason`` last.

    ``since`` is when it began to fail, in UTC milliseconds; None where it works again, or refused only these.
    """

    channel: str
    channel_kind: str
    news: int
    reason: str
    code: int | None = None
    since: int | None = None


@dataclass(frozen=True, slots=True)
class Totals:
    """What all of a message's news is: so many of each severity, so many of each name, the most frequent names first.

    ``names`` are the alertnames as they came, hostile and perhaps empty; ``other_names`` counts those that are not
    among them.
    """

    severities: tuple[tuple[str, int], ...]
    names: tuple[tuple[str, int], ...]
    other_names: int = 0


@dataclass(frozen=True, slots=True)
class Ended:
    """A group of a digest that has a ``thread`` and is over: nothing of it fires now. Empty labels are left out."""

    thread: str
    group: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Content:
    """The content of one message.

    ``kind`` is ``group``, or ``digest`` for the news of several ``groups``, which then may have no ``group`` in common;
    ``group`` holds the values of the ``group_by`` labels that are not empty, ``lacking`` names the others. ``lines``
    are the first of the news in the order they matter (at most 500, or all urgent ones), ``firing``, ``resolved`` and
    ``fired_and_resolved`` count all of it, ``urgent`` the urgent ones. ``also_firing`` counts the groups' other firing
    alerts, told before; ``also_firing_lines`` are the first of them, ``also_confirmed_at`` is when the one that was not
    seen for longest was last seen. ``truncated`` counts the alerts that Alertmanager's ``max_alerts`` cut off before
    they reached us. ``composed_at`` is in UTC milliseconds. ``mutes`` counts the mutes that are active on this channel.
    ``failovers`` are the channels in whose place this one tells something. ``mentions`` are whom the channel's
    configuration has mentioned for urgent news like this, in the provider's own notation: trusted text, unlike all of
    the alerts'. ``thread`` is what the channel said of the message that began the group's thread; None where this one
    begins it. ``note`` is a sentence of the receiver's about this rendering itself. ``totals`` are there where
    ``lines`` are not all of the news. ``ended`` are the first of a digest's groups that are over.
    """

    channel: str
    uid: str
    kind: str
    reason: str
    composed_at: int
    group: Mapping[str, str]
    firing: int
    resolved: int
    fired_and_resolved: int
    lines: tuple[Line, ...]
    also_firing: int = 0
    also_firing_lines: tuple[Line, ...] = ()
    also_confirmed_at: int | None = None
    truncated: int = 0
    external_url: str = ""
    groups: int = 1
    urgent: int = 0
    mutes: int = 0
    failovers: tuple[Failover, ...] = ()
    mentions: tuple[str, ...] = ()
    thread: str | None = None
    note: str = ""
    totals: Totals | None = None
    lacking: tuple[str, ...] = ()
    ended: tuple[Ended, ...] = ()

    @property
    def news(self) -> int:
        """How many alerts this message tells as news."""
        return self.firing + self.resolved + self.fired_and_resolved


class NoticeKind(StrEnum):
    """What a notice of the receiver is about."""

    REFUSED = "refused_notifications"
    UNKNOWN_CHANNEL = "unknown_channel"
    DEAD_LETTERS = "dead_letters"
    STORE_TROUBLE = "store_trouble"


@dataclass(frozen=True, slots=True)
class Incidents:
    """What a notice is to say: so many things of this ``kind`` have happened; ``details`` has one line for some.

    ``first_at`` and ``last_at`` say when, in UTC milliseconds.
    """

    channel: str
    uid: str
    composed_at: int
    kind: NoticeKind
    n: int
    details: tuple[str, ...]
    first_at: int
    last_at: int


@dataclass(frozen=True, slots=True)
class Notice:
    """What the receiver says of itself: that something needs a person, or that a test message has arrived.

    ``title`` and ``lines`` are sentences, which may quote hostile text. ``composed_at`` is in UTC milliseconds.
    """

    channel: str
    uid: str
    composed_at: int
    title: str
    lines: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Rendered:
    """A message as people will read it; each channel takes the parts it can carry.

    ``blocks`` and ``attachments`` are Slack's, already escaped and within its limits. ``first`` is how the message that
    began the group's thread is to look from now on, where a channel edits what it has sent. ``quiet``: nothing new
    fires in it, so that a reply in the thread is enough. ``edits``: how messages that began other threads are to look,
    each by its thread.
    """

    subject: str
    text: str
    html: str = ""
    blocks: tuple[Mapping[str, object], ...] = ()
    attachments: tuple[Mapping[str, object], ...] = ()
    first: "Rendered | None" = None
    quiet: bool = False
    edits: "tuple[tuple[str, Rendered], ...]" = ()
