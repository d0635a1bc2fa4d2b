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
    """One alert in a message. ``again`` marks an episode that was reopened ("firing again").

    ``severity`` is the level's name as configured, never the raw label. All other texts are hostile input.
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


@dataclass(frozen=True, slots=True)
class Content:
    """The content of one message.

    ``lines`` are the first of the news in the order they matter (at most 500), ``firing``, ``resolved`` and
    ``fired_and_resolved`` count all of it. ``also_firing`` counts the group's other firing alerts, told before;
    ``also_firing_lines`` are the first of them. ``truncated`` counts the alerts that Alertmanager's ``max_alerts``
    cut off before they reached us. ``group`` holds the values of the ``group_by`` labels that are not empty.
    ``composed_at`` is in UTC milliseconds.
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
    truncated: int = 0
    external_url: str = ""

    @property
    def news(self) -> int:
        """How many alerts this message tells as news."""
        return self.firing + self.resolved + self.fired_and_resolved


@dataclass(frozen=True, slots=True)
class Rendered:
    """A message as people will read it; each channel takes the parts it can carry.

    ``blocks`` is Slack's Block Kit, already escaped and within its limits.
    """

    subject: str
    text: str
    html: str = ""
    blocks: tuple[Mapping[str, object], ...] = ()
