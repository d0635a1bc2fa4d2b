"""What Alertmanager hands over, once past the door: notifications of alerts, and the identity of an alert."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from hashlib import blake2b


class Status(StrEnum):
    """The status an alert is sent with."""

    FIRING = "firing"
    RESOLVED = "resolved"


@dataclass(frozen=True, slots=True)
class Alert:
    """One alert of one notification.

    ``ends_at`` is None while the alert fires. ``links`` are further URLs that the sender names (Grafana's
    dashboard, panel and silence), by name. ``defect`` says why an alert that could not be read as sent is told
    in a plain form; None for every sound alert. Without ``start_known``, ``starts_at`` is the time of arrival. All
    texts are hostile input.
    """

    status: Status
    labels: Mapping[str, str]
    annotations: Mapping[str, str]
    starts_at: int
    ends_at: int | None
    generator_url: str = ""
    fingerprint: str = ""
    links: Mapping[str, str] = field(default_factory=dict)
    defect: str | None = None
    start_known: bool = True


@dataclass(frozen=True, slots=True)
class Notification:
    """One webhook POST.

    ``source`` is the sender's name, ``default`` without a token of its own. ``addressed_to`` is the channel of
    ``/webhook/{channel}``, None for ``/webhook``. ``truncated`` counts the alerts that Alertmanager's
    ``max_alerts`` cut off.
    """

    alerts: tuple[Alert, ...]
    external_url: str = ""
    truncated: int = 0
    source: str = "default"
    addressed_to: str | None = None


def identity(source: str, labels: Mapping[str, str], ignore_labels: Collection[str] = ()) -> str:
    """The key by which one alert is known: its source and its labels without ``ignore_labels``.

    Joined with the byte 0xFF, which never occurs in UTF-8, two different label sets never look the same; Prometheus
    hashes its label sets the same way. Texts hold no lone surrogates: the decoder lets none in.
    """
    parts = [source]
    for name in sorted(labels):
        if name not in ignore_labels:
            parts += (name, labels[name])
    # U+DCFF is how surrogateescape spells that byte.
    joined = "\udcff".join(parts).encode(errors="surrogateescape")
    return blake2b(joined, digest_size=16).hexdigest()
