"""The first of five hops: the bytes of a webhook POST become a Notification, or are refused with a reason.

The body is decoded whole first, straight into typed structs. Only when that fails is it taken apart: the list of
alerts stays raw, each alert is decoded alone, and an odd one field by field, so that it costs neither itself nor
its neighbours. Past this module there are no dicts of unknown shape.

Unknown fields are accepted. As with Go's encoding/json, of duplicate keys the last one wins and null is as good as
absent. Neither a reason nor a defect repeats anything of the body. What a body may cost in memory and in the store
is bounded here: how many values and alerts it has, how long what is kept for every alert is.
"""

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Raw, Struct, field

from receiver.core.alerts import Alert, Notification, Status

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)
_RAW_CHARACTERS = 1_000

MOST_ALERTS = 100_000
# Two or three bytes can cost a hundred once they are objects; even 100,000 alerts seldom have more commas than this.
MOST_COMMAS = 2_000_000
LONGEST_URL = 4_096
LONGEST_FINGERPRINT = 128
# Of an alert's labels, names and values together.
LONGEST_LABELS = 65_536
LONGEST_CUT_LABEL = 1_000

# A pair of surrogates, one that is alone, or any other escape, which may be of a backslash.
_ESCAPE = re.compile(
    rb"\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|(?P<lone>u[dD][89a-fA-F][0-9a-fA-F]{2})|.)"
)

_Time = Annotated[datetime, Meta(tz=True)] | None


class NotANotification(Exception):
    """The body is not a notification; the text says why, on one line, with no content of the body."""


class TooManyAlerts(Exception):
    """The body holds more than one notification may; the text says what to do."""

    def __init__(self) -> None:
        """Name the limit."""
        super().__init__(f"more than {MOST_ALERTS} alerts, or values enough for as many: set max_alerts")


# Decoded bodies hold no reference cycles: gc=False spares the collector from walking them.
class _SentAlert(Struct, gc=False):
    """An alert as Alertmanager or Grafana sends it; only labels, its identity, are required."""

    labels: Annotated[dict[str, str], Meta(min_length=1)]
    annotations: dict[str, str] = {}
    status: Status = Status.FIRING
    starts_at: _Time = field(default=None, name="startsAt")
    ends_at: _Time = field(default=None, name="endsAt")
    generator_url: str = field(default="", name="generatorURL")
    fingerprint: str = ""
    dashboard_url: str = field(default="", name="dashboardURL")
    panel_url: str = field(default="", name="panelURL")
    silence_url: str = field(default="", name="silenceURL")


class _SentNotification(Struct, gc=False):
    """What is used of a body. Its status and common labels are not: max_alerts cuts before they are computed."""

    alerts: list[_SentAlert]
    external_url: str = field(default="", name="externalURL")
    truncated: Annotated[int, Meta(ge=0, le=2**31 - 1)] = field(default=0, name="truncatedAlerts")


class _Outline(Struct, gc=False):
    """A notification's alerts, unread."""

    alerts: Raw


_Readers = Mapping[str, tuple[str, "msgspec.json.Decoder[Any]"]]


def _readers(struct: type[Struct], *apart: str) -> _Readers:
    """For each field of ``struct`` but those ``apart``, by its name in JSON: its attribute and its decoder."""
    return {
        declared.encode_name: (declared.name, msgspec.json.Decoder(declared.type))
        for declared in msgspec.structs.fields(struct)
        if declared.name not in apart
    }


_NOTIFICATION = msgspec.json.Decoder(_SentNotification)
_OUTLINE = msgspec.json.Decoder(_Outline)
_ALERT = msgspec.json.Decoder(_SentAlert)
_OBJECT = msgspec.json.Decoder(dict[str, Raw])
_ARRAY = msgspec.json.Decoder(list[Raw])
_TEXT = msgspec.json.Decoder(str)
_NOTIFICATION_READERS = _readers(_SentNotification, "alerts")
_ALERT_READERS = _readers(_SentAlert, "labels", "annotations")


def decode(body: bytes, *, source: str = "default", addressed_to: str | None = None, received_at: int) -> Notification:
    """Read one webhook body; of all its fields only ``alerts``, a list, is required.

    ``received_at`` is in UTC milliseconds. It stands in for a start that is missing, of year 1 or unreadable, and
    for the end of a resolved alert that has none; an alert that fires never has an end. Raises NotANotification
    and TooManyAlerts.
    """
    try:
        _refuse_too_many(body)
        sent = _NOTIFICATION.decode(body)
        alerts = [_alert(alert, received_at) for alert in sent.alerts]
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        sent, raws = _taken_apart(body)
        alerts = [_alert_alone(raw, f"$.alerts[{index}]", received_at) for raw, index in _distinct(raws).items()]
    return Notification(tuple(alerts), _link(sent.external_url), sent.truncated, source, addressed_to)


def _refuse_too_many(body: bytes) -> None:
    commas = body.count(b",")
    if commas > MOST_COMMAS:
        raise TooManyAlerts
    if commas >= MOST_ALERTS and len(_ARRAY.decode(_OUTLINE.decode(body).alerts)) > MOST_ALERTS:
        raise TooManyAlerts


def _distinct(raws: list[Raw]) -> dict[bytes, int]:
    """Each text of an alert, with the first place where it stands: repeated, it says nothing new."""
    places: dict[bytes, int] = {}
    for index, raw in enumerate(raws):
        places.setdefault(bytes(raw), index)
    return places


def _alert(sent: _SentAlert, received_at: int, defect: str | None = None) -> Alert:
    links = {}
    if sent.dashboard_url or sent.panel_url or sent.silence_url:
        urls = {"dashboard": sent.dashboard_url, "panel": sent.panel_url, "silence": sent.silence_url}
        links = {name: link for name, url in urls.items() if (link := _link(url))}
    labels = sent.labels
    if sum(map(len, labels)) + sum(map(len, labels.values())) > LONGEST_LABELS:
        labels = _cut(labels)
        defect = defect or f"$.alerts[...].labels: longer than {LONGEST_LABELS} characters together"
    return Alert(
        sent.status,
        labels,
        sent.annotations,
        _milliseconds(sent.starts_at, received_at),
        _milliseconds(sent.ends_at, received_at) if sent.status is Status.RESOLVED else None,
        _link(sent.generator_url),
        sent.fingerprint if len(sent.fingerprint) <= LONGEST_FINGERPRINT else "",
        links,
        defect,
        start_known=not _is_unknown(sent.starts_at),
    )


def _link(url: str) -> str:
    """The URL; half of one leads nowhere, so that one which is too long is dropped."""
    return url if len(url) <= LONGEST_URL else ""


def _cut(labels: dict[str, str]) -> dict[str, str]:
    """As many labels as there is room for, the short ones first; the hash of them all keeps two alerts two alerts."""
    whole = msgspec.json.encode(labels, order="sorted")
    cut = {"raw_sha256": sha256(whole).hexdigest()[:16]}
    room = LONGEST_LABELS
    for name in sorted(labels, key=lambda name: len(name) + len(labels[name])):
        value = labels[name]
        if len(value) > LONGEST_CUT_LABEL:
            value = f"{value[:LONGEST_CUT_LABEL]}…"
        room -= len(name) + len(value)
        if room >= 0:
            cut.setdefault(name, value)
    return cut


def _is_unknown(time: datetime | None) -> bool:
    return time is None or time.year == 1  # as Go writes no time


def _milliseconds(time: datetime | None, otherwise: int) -> int:
    """UTC milliseconds; ``otherwise`` for no time."""
    return otherwise if time is None or _is_unknown(time) else (time - _EPOCH) // _MILLISECOND


def _taken_apart(body: bytes) -> tuple[_SentNotification, list[Raw]]:
    """The notification without its alerts, and its alerts, each raw; raises NotANotification."""
    path = "$"
    try:
        fields = _members(body)
        if "alerts" not in fields:
            raise NotANotification("$.alerts: missing; has Alertmanager's `payload:` option replaced the body?")
        path = "$.alerts"
        raws = _ARRAY.decode(fields["alerts"])
        if len(raws) > MOST_ALERTS:
            raise TooManyAlerts
    except msgspec.ValidationError as error:
        raise NotANotification(f"{path}: {_complaint(error)}") from None
    except RecursionError:
        raise NotANotification("$: nested too deeply") from None
    except ValueError:
        raise NotANotification("$: not JSON" if body.strip() else "$: empty body") from None
    values, _ = _readable(fields, _NOTIFICATION_READERS, "$")
    return _SentNotification([], **values), raws


def _members(body: bytes) -> dict[str, Raw]:
    # msgspec skips over what stays raw without a look at its encoding; this is the look.
    body.decode()
    try:
        return _OBJECT.decode(body)
    except msgspec.ValidationError:
        raise
    except msgspec.DecodeError:
        return _OBJECT.decode(_without_lone_surrogates(body))


def _alert_alone(raw: bytes, path: str, received_at: int) -> Alert:
    """One alert by itself: as sent when it is sound, else what can be read of it, with the defect named."""
    try:
        return _alert(_ALERT.decode(raw), received_at)
    except ValueError:
        pass
    try:
        fields, defect = _OBJECT.decode(raw), None
    except ValueError as error:
        fields, defect = {}, f"{path}: {_complaint(error)}"
    labels, bad_label = _texts(fields, "labels", path)
    annotations, bad_annotation = _texts(fields, "annotations", path)
    values, bad_value = _readable(fields, _ALERT_READERS, path)
    defect = defect or bad_label or bad_annotation or bad_value
    if not labels:
        # The hash keeps two unreadable alerts two alerts: alike, the second would be taken for a duplicate.
        labels = {"alertname": "UnreadableAlert", "raw_sha256": sha256(raw).hexdigest()[:16]}
        annotations["raw"] = _json(raw)[:_RAW_CHARACTERS]
        defect = defect or f"{path}.labels: none"
    return _alert(_SentAlert(labels, annotations, **values), received_at, defect)


def _readable(fields: Mapping[str, Raw], readers: _Readers, path: str) -> tuple[dict[str, Any], str | None]:
    """The values that can be read, by attribute, and what is wrong with the first that cannot."""
    values: dict[str, Any] = {}
    defect = None
    for name, (attribute, decoder) in readers.items():
        raw = fields.get(name)
        if raw is None or bytes(raw) == b"null":
            continue
        try:
            values[attribute] = decoder.decode(raw)
        except ValueError as error:
            defect = defect or f"{path}.{name}: {_complaint(error)}"
    return values, defect


def _texts(fields: Mapping[str, Raw], name: str, path: str) -> tuple[dict[str, str], str | None]:
    """The labels or annotations, and what is wrong with the first that is no text.

    A value of another type becomes its JSON text rather than nothing: without it two alerts could look the same.
    """
    raw = fields.get(name)
    if raw is None or bytes(raw) == b"null":
        return {}, None
    texts: dict[str, str] = {}
    defect = None
    try:
        members = _OBJECT.decode(raw)
    except ValueError as error:
        return {}, f"{path}.{name}: {_complaint(error)}"
    for key, value in members.items():
        try:
            texts[key] = _TEXT.decode(value)
        except ValueError as error:
            defect = defect or f"{path}.{name}[...]: {_complaint(error)}"
            if bytes(value) != b"null":
                texts[key] = _json(value)
    return texts, defect


def _json(raw: bytes | Raw) -> str:
    return bytes(raw).decode()


def _complaint(error: Exception) -> str:
    """What msgspec finds wrong with a type, without the value: that it quotes, between ``'`` and ``'``."""
    if not isinstance(error, msgspec.ValidationError):
        return "unreadable"
    what = str(error).partition(" - at `")[0].partition(" '")[0].replace("`", "")
    return what[:1].lower() + what[1:]


def _without_lone_surrogates(body: bytes) -> bytes:
    r"""Lone surrogates such as ``\ud800`` become U+FFFD: JSON's grammar has them, msgspec and UTF-8 do not."""
    return _ESCAPE.sub(lambda found: rb"\ufffd" if found["lone"] else found[0], body)
