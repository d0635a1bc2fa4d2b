"""Timelines in a few words, run through the real command: what was sent, and the books, which always balance."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from click.testing import CliRunner, Result

from receiver.cli import main
from receiver.config import durations

BEGIN = datetime(2026, 11, 20, 21, tzinfo=UTC)
OUTCOMES = (
    "delivered",
    "duplicate",
    "superseded",
    "unannounced",
    "stale",
    "muted",
    "failed_over",
    "withdrawn",
    "dead",
)
AM1, AM2 = "http://am-1:9093", "http://am-2:9093"

FIRING, RESOLVED, FIRED_AND_RESOLVED = "firing", "resolved", "fired_and_resolved"


def length(text: str) -> timedelta:
    """A duration as the configuration writes it, ``-`` before it for one into the past."""
    sign = -1 if text.startswith("-") else 1
    return sign * timedelta(milliseconds=durations.parse(text.lstrip("+-")))


def written(at: datetime) -> str:
    """The instant as RFC 3339 has it."""
    return at.isoformat(timespec="milliseconds" if at.microsecond else "seconds").replace("+00:00", "Z")


@dataclass(frozen=True, slots=True)
class Said:
    """One alert of a notification. ``since`` and ``until`` are measured from the beginning of the timeline."""

    status: str
    name: str
    since: str | None
    until: str | None
    labels: Mapping[str, str]

    @property
    def labelled(self) -> dict[str, str]:
        """All of its labels."""
        return {"alertname": self.name.rstrip("0123456789"), "alert": self.name, **self.labels}


def firing(name: str, since: str | None = None, **labels: str) -> Said:
    """A firing alert: ``Disk1`` and ``Disk2`` share an alertname; starts when first said, if not ``since``."""
    return Said(FIRING, name, since, None, labels)


def resolved(name: str, since: str | None = None, until: str | None = None, **labels: str) -> Said:
    """A resolved alert; ended when it is said, if not ``until``."""
    return Said(RESOLVED, name, since, until, labels)


def many(name: str, n: int, **labels: str) -> list[Said]:
    """So many firing alerts: ``Disk1``, ``Disk2``…"""
    return [firing(f"{name}{i}", **labels) for i in range(1, n + 1)]


def config(*channels: Mapping[str, Any], **sections: Any) -> dict[str, Any]:
    """A configuration of console channels; without any, of one with the built-in defaults, ``ops``."""
    given = channels or ({},)
    return {"channels": [{"name": "ops", "type": "console", **channel} for channel in given], **sections}


@dataclass(frozen=True, slots=True)
class Message:
    """A message that was sent. ``at`` is measured from the beginning: ``1h30m``; ``tells`` by the alerts' names."""

    at: str
    channel: str
    kind: str
    reason: str
    groups: Sequence[Mapping[str, str]]
    tells: Mapping[str, str]
    also_firing: int


@dataclass(frozen=True, slots=True)
class Run:
    """What a timeline came to."""

    messages: Sequence[Message]
    ledger: Mapping[str, Mapping[str, int]]

    def sent(self, channel: str = "ops") -> list[tuple[str, str, dict[str, str]]]:
        """When, why and what a channel was told."""
        return [(each.at, each.reason, dict(each.tells)) for each in self.messages if each.channel == channel]

    def books(self, channel: str = "ops") -> dict[str, int]:
        """The channel's accounts that are not zero."""
        return {account: n for account, n in self.ledger[channel].items() if n}


@dataclass(slots=True)
class Scenario:
    """Lines of input, written one after the other. The configuration has one channel, ``ops``, if nothing is given."""

    folder: Path
    config: Mapping[str, Any] = field(default_factory=config)
    lines: list[dict[str, Any]] = field(default_factory=list)
    _now: datetime = BEGIN
    _starts: dict[str, datetime] = field(default_factory=dict)
    _ended: set[str] = field(default_factory=set)

    def at(self, when: str) -> "Scenario":
        """The next lines happen then, measured from the beginning."""
        self._now = BEGIN + length(when)
        return self

    def notify(self, *said: Said, url: str = AM1, to: str | None = None, truncated: int = 0) -> "Scenario":
        """A notification arrives."""
        body = {"externalURL": url, "truncatedAlerts": truncated, "alerts": [self._alert(each) for each in said]}
        return self.line(notification=body, **({} if to is None else {"channel": to}))

    def outage(self, length: str, channel: str = "ops", kind: str = "transient") -> "Scenario":
        """The channel's provider can't be reached for a time."""
        return self.line(outage={"channel": channel, "for": length, "class": kind})

    def reject(self, messages: int = 1, channel: str = "ops") -> "Scenario":
        """The channel's provider refuses so many messages for good."""
        return self.line(reject={"channel": channel, "messages": messages})

    def mute(self, length: str, *matchers: str, **more: Any) -> "Scenario":
        """A mute begins."""
        return self.line(mute={"matchers": matchers, "for": length, **more})

    def reload(self, changed: Mapping[str, Any]) -> "Scenario":
        """Another configuration takes effect."""
        return self.line(reload=changed)

    def restart(self) -> "Scenario":
        """The process ends and starts again."""
        return self.line(restart=True)

    def clock(self, by: str) -> "Scenario":
        """The wall clock jumps."""
        return self.line(clock=by)

    def line(self, **said: Any) -> "Scenario":
        """Any line."""
        self.lines.append({"at": written(self._now), **said})
        return self

    def run(self, *options: str) -> Run:
        """Run it; the books of every channel balance."""
        *messages, last = map(json.loads, self.invoke("--output=json", *options).stdout.splitlines())
        ledger: dict[str, dict[str, int]] = last["ledger"]
        for channel, books in ledger.items():
            assert list(books) == ["accepted", *OUTCOMES, "pending"]
            assert books["accepted"] == sum(books.values()) - books["accepted"], channel
            assert min(books.values()) >= 0, channel
            told = sum(len(message["alerts"]) for message in messages if message["channel"] == channel)
            assert books["delivered"] == told, channel
        return Run([_message(each) for each in messages], ledger)

    def story(self, *options: str) -> str:
        """What people read."""
        return self.invoke(*options).stdout

    def invoke(self, *options: str) -> Result:
        """The command's own result."""
        lines = "".join(json.dumps(line) + "\n" for line in self.lines)
        (self.folder / "events.jsonl").write_text(lines)
        # JSON is YAML.
        (self.folder / "config.yml").write_text(json.dumps(self.config))
        paths = [f"--config.file={self.folder / 'config.yml'}", str(self.folder / "events.jsonl")]
        result = CliRunner().invoke(main, ["simulate", *paths, *options], catch_exceptions=False)
        assert result.exit_code == 0, result.stderr
        return result

    def _alert(self, said: Said) -> dict[str, Any]:
        if said.since is not None:
            self._starts[said.name] = BEGIN + length(said.since)
        elif said.status == FIRING and said.name in self._ended:
            self._starts[said.name] = self._now
        since = self._starts.setdefault(said.name, self._now)
        until = "0001-01-01T00:00:00Z"
        if said.status == RESOLVED:
            until = written(self._now if said.until is None else BEGIN + length(said.until))
            self._ended.add(said.name)
        else:
            self._ended.discard(said.name)
        return {
            "status": said.status,
            "labels": said.labelled,
            "annotations": {"summary": f"{said.name} fires"},
            "startsAt": written(since),
            "endsAt": until,
            "fingerprint": said.name,
        }


def _message(said: Mapping[str, Any]) -> Message:
    at = datetime.fromisoformat(said["at"]) - BEGIN
    tells = {alert["fingerprint"]: alert["status"] for alert in said["alerts"]}
    return Message(
        at=("-" if at < timedelta() else "") + durations.written(abs(at) // timedelta(milliseconds=1)),
        channel=said["channel"],
        kind=said["kind"],
        reason=said["reason"],
        groups=said["groups"],
        tells=tells,
        also_firing=said["also_firing"],
    )
