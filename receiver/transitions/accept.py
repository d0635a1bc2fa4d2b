"""The second hop: a notification's events enter the books, durably, before its sender hears 2xx.

Takes all notifications that share a commit at once: what is known of their alerts is read in bulk, the events are
judged one by one in order, and what changed is written in bulk.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache

import msgspec

from receiver.core import entries, episodes, grouping
from receiver.core.alerts import Alert, Notification, Status, identity
from receiver.core.entries import Delivery, Origin, Outcome
from receiver.core.episodes import Change, Closing, Episode
from receiver.core.policy import ChannelPolicy, Policy
from receiver.core.routing import Verdict, addressed, route
from receiver.store import channels
from receiver.store.alerts import TrackedAlert
from receiver.store.connect import Tx
from receiver.store.ledger import House, Postings
from receiver.transitions.batch import Batch


@dataclass(frozen=True, slots=True)
class Accepted:
    """What the door learns once the commit is done.

    ``events`` counts the notification's distinct events, ``unrouted`` those that no channel matches. ``due``: the
    instant at which each channel that has news next has some due; ``held_until``: the instant at which the first firing
    that is held opens. Both for everything in this commit.
    """

    events: int
    unrouted: int
    due: Mapping[str, int]
    held_until: int | None = None


@dataclass(slots=True)
class _Event:
    """An alert of a notification, with the channels that take it and the key of its group in each.

    ``outvoted``: a resolve whose notification also says that the alert fires, as ignored labels can make it.
    """

    key: str
    alert: Alert
    notification: Notification
    verdicts: tuple[Verdict, ...]
    severity: int
    takers: list[tuple[int, ChannelPolicy, str]]
    outvoted: bool = False

    @property
    def fate(self) -> House:
        if self.takers:
            return House.TAKEN
        return House.FILTERED if Verdict.FILTERED in self.verdicts else House.UNROUTED


def accept(tx: Tx, notifications: Sequence[Notification], policy: Policy, now: int) -> list[Accepted]:
    """Enter every event; afterwards each is pending or settled on every channel that took it."""
    reading = _Reading(policy, {name: state.id for name, state in channels.load(tx).items()})
    read = [reading.events(notification) for notification in notifications]
    every = [event for events in read for event in events]
    group_keys = {key for event in every for _, _, key in event.takers}
    by_id = dict(reading.channels)
    batch = Batch(tx, now, by_id, {event.key for event in every}, group_keys)
    intake = _Intake(batch, by_id, reading.spelled, policy, now)
    for event in every:
        intake.take(event)
    _note(batch.postings, every, notifications, policy)
    due = batch.save()
    return [
        Accepted(len(events), sum(e.fate is House.UNROUTED for e in events), due, intake.held_until) for events in read
    ]


class _Reading:
    """What an alert is to the policy, before anything is known of it."""

    def __init__(self, policy: Policy, ids: Mapping[str, int]) -> None:
        self.channels = [(ids[channel.name], channel) for channel in policy.channels]
        self._policy = policy
        self._group_keys: dict[tuple[int, tuple[str, ...]], str] = {}
        self.spelled = cache(self._spell)

    def events(self, notification: Notification) -> list[_Event]:
        """The distinct events of a notification: an alert that a body holds twice with one status counts once."""
        policy = self._policy
        only = addressed(policy, notification.addressed_to)
        events: dict[tuple[str, Status], _Event] = {}
        for alert in notification.alerts:
            key = identity(notification.source, alert.labels, policy.ignore_labels)
            if (key, alert.status) not in events:
                severity = policy.severity.rank_of(alert.labels)
                verdicts = route(alert.labels, severity, policy, only)
                takers = self._takers(verdicts, alert)
                events[key, alert.status] = _Event(key, alert, notification, verdicts, severity, takers)
        for (key, status), event in events.items():
            event.outvoted = status is Status.RESOLVED and (key, Status.FIRING) in events
        return list(events.values())

    def _takers(self, verdicts: tuple[Verdict, ...], alert: Alert) -> list[tuple[int, ChannelPolicy, str]]:
        return [
            (channel_id, channel, self._group_key(channel_id, channel, alert))
            for (channel_id, channel), verdict in zip(self.channels, verdicts, strict=True)
            if verdict is Verdict.TAKEN
        ]

    def _group_key(self, channel_id: int, channel: ChannelPolicy, alert: Alert) -> str:
        labels = grouping.values(alert.labels, channel.group_by, self._policy.ignore_labels)
        if channel.group_by is None:
            return grouping.key(channel_id, labels)
        # Few groups for many alerts: each key is made once.
        shared = (channel_id, tuple(labels.values()))
        key = self._group_keys.get(shared)
        if key is None:
            key = self._group_keys[shared] = grouping.key(channel_id, labels)
        return key

    def _spell(self, verdicts: tuple[Verdict, ...]) -> str:
        names = (channel.name for _, channel in self.channels)
        return msgspec.json.encode(dict(zip(names, verdicts, strict=True))).decode()


def _note(postings: Postings, events: Sequence[_Event], notifications: Sequence[Notification], policy: Policy) -> None:
    """Count what came, before any channel."""
    scale = policy.severity
    postings.house(House.TRUNCATED, sum(notification.truncated for notification in notifications))
    for event in events:
        postings.house(House.FIRING if event.alert.status is Status.FIRING else House.RESOLVED)
        postings.house(event.fate)
        if event.alert.defect is not None:
            postings.house(House.UNREADABLE)
        if not scale.known(event.alert.labels.get(scale.label, "")):
            postings.house(House.SEVERITY_UNKNOWN)


def _id(episode: Episode | None) -> int | None:
    return None if episode is None else episode.id


class _Intake:
    """Judges events, in order."""

    def __init__(
        self,
        batch: Batch,
        channels: Mapping[int, ChannelPolicy],
        spelled: Callable[[tuple[Verdict, ...]], str],
        policy: Policy,
        now: int,
    ) -> None:
        self._batch = batch
        self._channels = channels
        self._spelled = spelled
        self._reorder_window = policy.reorder_window
        self._ignored = policy.ignore_labels
        self._now = now
        self._said_cut: set[tuple[int, int]] = set()
        self.held_until: int | None = None

    def take(self, event: _Event) -> None:
        """Judge what the event does to its alert's life, then what that means to each channel that takes it."""
        verdicts = self._spelled(event.verdicts)
        tracked = self._batch.alert(event.key, event.notification.source, event.alert, verdicts)
        change = self._live(tracked, event)
        for channel_id, channel, group_key in event.takers:
            self._batch.accept(channel_id)
            if event.alert.status is Status.RESOLVED:
                self._resolved(channel_id, channel, tracked, change, event)
            elif change is Change.HOLDS:
                self._held(channel_id, channel, group_key, event, tracked)
            else:
                self._firing(channel_id, channel, group_key, event, tracked)
        if event.alert.status is Status.RESOLVED:
            self._resolved_elsewhere(event, tracked, change)

    def _resolved_elsewhere(self, event: _Event, tracked: TrackedAlert, change: Change) -> None:
        """Who told of the alert in place of another channel is given its resolve too."""
        taken = {channel_id for channel_id, _, _ in event.takers}
        for delivery in self._batch.stand_ins(tracked.episode):
            channel = self._channels.get(delivery.channel_id)
            if channel is None or delivery.channel_id in taken:
                continue
            self._batch.accept(delivery.channel_id, Origin.FALLBACK)
            assert delivery.stands_in_for is not None, "a stand-in knows for whom"
            stood_in_for = self._channels.get(delivery.stands_in_for, channel)
            wanted = replace(channel, send_resolved=stood_in_for.send_resolved)
            self._resolved(delivery.channel_id, wanted, tracked, change, event)
            self._batch.keep_step(delivery)

    def _live(self, tracked: TrackedAlert, event: _Event) -> Change:
        """Open, hold, confirm or close an episode as the event says."""
        batch, alert, latest, now = self._batch, event.alert, tracked.episode, self._now
        peer = event.notification.external_url
        change = episodes.judge(latest, alert, now, peer=peer, reorder_window=self._reorder_window)
        if event.outvoted:
            # What one replica says has ended, another says still fires: it fires.
            change = Change.OUTVOTED
        match change, latest:
            case Change.OPENS, _:
                batch.open_episode(tracked, alert.starts_at)
            case Change.REPLACES, Episode():
                batch.replace(latest)
                batch.open_episode(tracked, alert.starts_at)
            case Change.REOPENS, Episode(ends_at=int(ended_at)):
                # It never stopped firing: Alertmanager had only lost sight of it.
                if tracked.held is not None:
                    tracked.held.last_seen = now
                    batch.open_held(tracked)
                else:
                    batch.open_episode(tracked, ended_at, again=True)
            case Change.HOLDS, Episode(ends_at=int(ended_at)):
                self._hold(tracked, ended_at)
            case Change.CONFIRMS, Episode():
                latest.last_seen = now
            case Change.CLOSES, Episode():
                # An end that is still to come would make the next life start in the future.
                latest.ends_at = now if alert.ends_at is None else min(alert.ends_at, now)
                latest.closed_at, latest.closing = now, Closing.RESOLVED
                latest.resolved_by = peer
            case Change.ALREADY_CLOSED, Episode() if tracked.held is not None:
                batch.drop_held(tracked, Closing.STALE, Outcome.STALE, entries.NEWER_RESOLVE)
        seen = tracked.held if change is Change.HOLDS else tracked.episode
        if seen is not None and change not in (Change.STALE, Change.OUTVOTED, Change.ALREADY_CLOSED):
            batch.see(seen, alert, peer)
        return change

    def _hold(self, tracked: TrackedAlert, ended_at: int) -> None:
        if tracked.held is not None:
            tracked.held.last_seen = self._now
            return
        opens_at = self._now + self._reorder_window
        self._batch.hold_episode(tracked, ended_at, opens_at)
        self.held_until = opens_at if self.held_until is None else min(self.held_until, opens_at)

    def _held(
        self, channel_id: int, channel: ChannelPolicy, group_key: str, event: _Event, tracked: TrackedAlert
    ) -> None:
        delivery = self._batch.delivery(channel_id, _id(tracked.held))
        if delivery is not None and delivery.waits:
            self._batch.repeat(delivery)
            return
        self._batch.hold(self._opening(channel_id, channel, group_key, event, tracked.held))

    def _firing(
        self, channel_id: int, channel: ChannelPolicy, group_key: str, event: _Event, tracked: TrackedAlert
    ) -> None:
        batch = self._batch
        delivery = batch.delivery(channel_id, _id(tracked.episode))
        reminds = delivery is not None and grouping.reminds(batch.group_of(delivery), channel, self._now)
        ruling = entries.rule_firing(delivery, reminds=reminds)
        if ruling is entries.OPENING:
            delivery = self._opening(channel_id, channel, group_key, event, tracked.episode)
            batch.overtake(delivery, tracked.id)
        assert delivery is not None, "what is told or repeated is there"
        if ruling is entries.REPEATED:
            batch.repeat(delivery)
        else:
            batch.wait(delivery, Status.FIRING, self._now)

    def _opening(
        self, channel_id: int, channel: ChannelPolicy, group_key: str, event: _Event, episode: Episode | None
    ) -> Delivery:
        """The channel's delivery of the episode, in the group that it belongs to."""
        batch, notification = self._batch, event.notification
        assert episode is not None, "a firing has opened it, where none was open"
        group = batch.group(channel_id, group_key, grouping.values(event.alert.labels, channel.group_by, self._ignored))
        if (id(notification), channel_id) not in self._said_cut:
            # Said once, of the group that comes first: which groups were cut nobody knows.
            self._said_cut.add((id(notification), channel_id))
            batch.truncate(group, notification.truncated)
        delivery = batch.deliver_to(group, episode.id)
        delivery.severity, delivery.urgent = event.severity, channel.is_urgent(event.alert.labels)
        delivery.stands_in_for = None
        return delivery

    def _is_relieved(self, delivery: Delivery, event: _Event) -> bool:
        """Whether another channel has told of the firing in place of this one, and will tell this resolve too."""
        instead = self._batch.told_instead(delivery)
        if instead is None or instead.channel_id not in self._channels:
            return False
        takers = {channel_id: channel for channel_id, channel, _ in event.takers}
        if instead.channel_id in takers:
            return takers[instead.channel_id].send_resolved
        return instead.stands_in_for is not None

    def _resolved(
        self, channel_id: int, channel: ChannelPolicy, tracked: TrackedAlert, change: Change, event: _Event
    ) -> None:
        batch, since = self._batch, self._now
        delivery = batch.delivery(channel_id, _id(tracked.episode))
        ruling = entries.rule_resolved(
            delivery,
            change,
            owed=delivery is not None and batch.owes_end(delivery),
            group_wait=channel.group_wait,
            send_resolved=channel.send_resolved,
            now=self._now,
            relieved=delivery is not None and self._is_relieved(delivery, event),
        )
        if delivery is None:
            episode_id = tracked.episode.id if tracked.episode else None
            assert ruling.outcome is not None, "a resolve of what the channel never heard of does not wait"
            batch.depart(channel_id, tracked.id, episode_id, Status.RESOLVED, ruling.outcome, ruling.reason)
            return
        if ruling.displaced is not None:
            # What was told before is news only from its resolve on.
            since = self._now if delivery.told is not None else delivery.since
            batch.displace(delivery, tracked.id, ruling.displaced, ruling.reason)
        earlier = batch.earlier(delivery)
        if ruling is entries.NOBODY_TOLD and earlier is not None and earlier.waits:
            # It has told nobody of this life, but something of the one before still waits there.
            ruling = entries.FIRED_AND_RESOLVED
        if ruling.outcome is None:
            batch.overtake(delivery, tracked.id)
            batch.wait(delivery, Status.RESOLVED, since)
        elif ruling.outcome is Outcome.DUPLICATE:
            batch.repeat(delivery)
        else:
            batch.depart(channel_id, tracked.id, delivery.episode_id, Status.RESOLVED, ruling.outcome, ruling.reason)
        if delivery.status is Status.FIRING and change in (Change.CLOSES, Change.ALREADY_CLOSED):
            batch.close(delivery)
