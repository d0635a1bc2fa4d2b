"""The second hop: a notification's events enter the books, durably, before its sender hears 2xx.

Takes all notifications that share a commit at once: what is known of their alerts is read in bulk, the events are
judged one by one in order, and what changed is written in bulk.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from receiver.core import entries, episodes, grouping
from receiver.core.alerts import Alert, Notification, Status, identity
from receiver.core.entries import Outcome
from receiver.core.episodes import Change, Closing, Episode
from receiver.core.policy import ChannelPolicy, Policy
from receiver.core.routing import Verdict, addressed, route
from receiver.store import channels
from receiver.store.alerts import TrackedAlert
from receiver.store.connect import Tx
from receiver.store.ledger import House
from receiver.transitions.batch import Batch


@dataclass(frozen=True, slots=True)
class Accepted:
    """What the door learns once the commit is done.

    ``events`` counts the notification's distinct events, ``unrouted`` those that no channel matches. ``due``: the
    instant at which each channel that has news next has some due, for everything in this commit.
    """

    events: int
    unrouted: int
    due: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class _Event:
    key: str
    alert: Alert
    notification: Notification
    verdicts: tuple[Verdict, ...]

    @property
    def fate(self) -> House:
        if Verdict.TAKEN in self.verdicts:
            return House.TAKEN
        return House.FILTERED if Verdict.FILTERED in self.verdicts else House.UNROUTED


def accept(tx: Tx, notifications: Sequence[Notification], policy: Policy, now: int) -> list[Accepted]:
    """Enter every event; afterwards each is pending or settled on every channel that took it."""
    read = [_events(notification, policy) for notification in notifications]
    intake = _Intake(tx, policy, now, [event for events in read for event in events])
    for events in read:
        for event in events:
            intake.take(event)
    due = intake.save(notifications)
    return [Accepted(len(events), sum(e.fate is House.UNROUTED for e in events), due) for events in read]


def _events(notification: Notification, policy: Policy) -> list[_Event]:
    """The distinct events of a notification: an alert that a body holds twice with one status counts once."""
    only = addressed(policy, notification.addressed_to)
    events: dict[tuple[str, Status], _Event] = {}
    for alert in notification.alerts:
        key = identity(notification.source, alert.labels, policy.ignore_labels)
        if (key, alert.status) not in events:
            verdicts = route(alert.labels, policy, only)
            events[key, alert.status] = _Event(key, alert, notification, verdicts)
    return list(events.values())


class _Intake:
    def __init__(self, tx: Tx, policy: Policy, now: int, events: Sequence[_Event]) -> None:
        ids = {name: state.id for name, state in channels.load(tx).items()}
        self._policy = policy
        self._now = now
        self._channels = [(ids[channel.name], channel) for channel in policy.channels]
        group_keys = {
            _group_key(channel_id, channel, event.alert)
            for event in events
            for channel_id, channel in self._takers(event)
        }
        self._batch = Batch(tx, now, {event.key for event in events}, group_keys)

    def _takers(self, event: _Event) -> Iterator[tuple[int, ChannelPolicy]]:
        for channel, verdict in zip(self._channels, event.verdicts, strict=True):
            if verdict is Verdict.TAKEN:
                yield channel

    def take(self, event: _Event) -> None:
        """Judge what the event does to its alert's life, then what that means to each channel that takes it."""
        verdicts = dict(zip((c.name for c in self._policy.channels), event.verdicts, strict=True))
        tracked = self._batch.alert(event.key, event.notification.source, event.alert, verdicts)
        previous = tracked.episode
        change = self._live(tracked, event)
        self._note(event)
        for channel_id, channel in self._takers(event):
            self._batch.accept(channel_id)
            if event.alert.status is Status.FIRING:
                self._firing(channel_id, channel, event, tracked, previous)
            else:
                self._resolved(channel_id, channel, tracked, change)

    def _live(self, tracked: TrackedAlert, event: _Event) -> Change:
        """Open, confirm or close an episode as the event says."""
        batch, alert, latest, now = self._batch, event.alert, tracked.episode, self._now
        change = episodes.judge(latest, alert, now)
        match change, latest:
            case Change.OPENS, _:
                batch.open_episode(tracked, alert.starts_at)
            case Change.REPLACES, Episode():
                batch.replace(latest)
                batch.open_episode(tracked, alert.starts_at)
            case Change.REOPENS, Episode(ends_at=int(ended_at)):
                # It never stopped firing: Alertmanager had only lost sight of it.
                batch.open_episode(tracked, ended_at, again=True)
            case Change.CONFIRMS, Episode():
                latest.last_seen = now
            case Change.CLOSES, Episode():
                latest.ends_at = now if alert.ends_at is None else alert.ends_at
                latest.closed_at, latest.closing = now, Closing.RESOLVED
                latest.resolved_by = event.notification.external_url
        if tracked.episode is not None and change not in (Change.STALE, Change.ALREADY_CLOSED):
            batch.see(tracked.episode, alert, event.notification.external_url)
        return change

    def _firing(
        self,
        channel_id: int,
        channel: ChannelPolicy,
        event: _Event,
        tracked: TrackedAlert,
        previous: Episode | None,
    ) -> None:
        batch, episode = self._batch, tracked.episode
        assert episode is not None, "a firing opens an episode where none is open"
        before = batch.delivery(channel_id, previous)
        if before is not None and before.episode_id != episode.id and before.waits:
            batch.displace(before, tracked.id, Outcome.SUPERSEDED, entries.NEWER_EPISODE)
        delivery = batch.delivery(channel_id, episode)
        if delivery is not None and entries.rule_firing(delivery) is entries.REPEATED:
            batch.repeat(delivery)
            return
        if delivery is None:
            key = _group_key(channel_id, channel, event.alert)
            group = batch.group(channel_id, key, event.alert, channel)
            batch.truncate(group, event.notification.truncated)
            delivery = batch.deliver_to(group, episode, self._severity(event.alert))
        batch.wait(delivery, Status.FIRING, self._now)

    def _resolved(self, channel_id: int, channel: ChannelPolicy, tracked: TrackedAlert, change: Change) -> None:
        batch, since = self._batch, self._now
        delivery = batch.delivery(channel_id, tracked.episode)
        ruling = entries.rule_resolved(
            delivery,
            change,
            group_wait=channel.group_wait,
            send_resolved=channel.send_resolved,
            now=self._now,
        )
        if delivery is None:
            episode_id = tracked.episode.id if tracked.episode else None
            assert ruling.outcome is not None, "a resolve of what the channel never heard of does not wait"
            batch.depart(channel_id, tracked.id, episode_id, Status.RESOLVED, ruling.outcome, ruling.reason)
            return
        if ruling.displaced is not None:
            since = delivery.since
            batch.displace(delivery, tracked.id, ruling.displaced, ruling.reason)
        if ruling.outcome is None:
            batch.wait(delivery, Status.RESOLVED, since)
        elif ruling.outcome is Outcome.DUPLICATE:
            batch.repeat(delivery)
        else:
            batch.depart(channel_id, tracked.id, delivery.episode_id, Status.RESOLVED, ruling.outcome, ruling.reason)
        if change is Change.CLOSES:
            batch.close(delivery)

    def _severity(self, alert: Alert) -> int:
        scale = self._policy.severity
        return scale.rank(alert.labels.get(scale.label, ""))

    def _note(self, event: _Event) -> None:
        postings, scale = self._batch.postings, self._policy.severity
        postings.house(House.FIRING if event.alert.status is Status.FIRING else House.RESOLVED)
        postings.house(event.fate)
        if event.alert.defect is not None:
            postings.house(House.UNREADABLE)
        if not scale.known(event.alert.labels.get(scale.label, "")):
            postings.house(House.SEVERITY_UNKNOWN)

    def save(self, notifications: Sequence[Notification]) -> dict[str, int]:
        """Write it all; when each channel that has news next has some due."""
        self._batch.postings.house(House.TRUNCATED, sum(n.truncated for n in notifications))
        return self._batch.save(dict(self._channels))


def _group_key(channel_id: int, channel: ChannelPolicy, alert: Alert) -> str:
    return identity(str(channel_id), grouping.values(alert.labels, channel.group_by), ())
