"""The rows that a batch of events touches, in memory between one bulk read and one bulk write.

What a row becomes is said by its methods, one for each move of an entry: ``wait`` and ``leave`` keep the delivery,
its group and the ledger in step.
"""

from collections import Counter
from collections.abc import Iterable, Mapping

from receiver.core import grouping
from receiver.core.alerts import Alert, Status
from receiver.core.entries import Delivery, Origin, Outcome, Phase
from receiver.core.episodes import Closing, Episode
from receiver.core.grouping import Group
from receiver.core.policy import ChannelPolicy
from receiver.store import alerts, deliveries, schema
from receiver.store.alerts import Known, TrackedAlert
from receiver.store.connect import Tx
from receiver.store.deliveries import Departure
from receiver.store.ledger import Postings


class Batch:
    """An identity map of alerts, episodes, deliveries and groups, with the movements that go to the ledger."""

    def __init__(self, tx: Tx, now: int, alert_keys: Iterable[str], group_keys: Iterable[str]) -> None:
        """Read what is known of these alerts and groups."""
        self._tx = tx
        self._now = now
        self._known = alerts.load(tx, list(alert_keys))
        episode_ids = [known.episode.id for known in self._known.values() if known.episode is not None]
        self._deliveries = deliveries.load(tx, episode_ids)
        self._group_of_key = {group.key: group for group in deliveries.groups_by_key(tx, list(group_keys))}
        self._groups = {group.id: group for group in self._group_of_key.values()}
        # Deliveries made under another group_by stay in the group that they were grouped into.
        elsewhere = {delivery.group_id for delivery in self._deliveries.values()} - self._groups.keys()
        self._groups.update({group.id: group for group in deliveries.groups_by_id(tx, list(elsewhere))})
        self.postings = Postings()
        self._alerts: dict[str, TrackedAlert] = {}
        self._verdicts: dict[str, str] = {}
        self._seen: dict[int, tuple[Episode, Alert, str]] = {}
        self._replaced: list[Episode] = []
        self._moved: dict[tuple[int, int], Delivery] = {}
        self._touched: dict[int, Group] = {}
        self._lost_oldest: dict[int, Group] = {}
        self._repeats: Counter[tuple[int, int]] = Counter()
        self._departures: list[Departure] = []

    def alert(self, key: str, source: str, event: Alert, verdicts: str) -> TrackedAlert:
        """The alert's row, made if it is new; ``verdicts`` are the channels' own on this event."""
        tracked = self._alerts.get(key)
        if tracked is None:
            known = self._known.get(key) or Known(self._tx.new_id(schema.alert), None, None)
            tracked = TrackedAlert(
                known.id, key, source, event.fingerprint, event.labels, known.routing_id, known.episode
            )
            self._alerts[key] = tracked
        self._verdicts[key] = verdicts
        return tracked

    def open_episode(self, tracked: TrackedAlert, starts_at: int, *, again: bool = False) -> None:
        """A new life of the alert, now its latest."""
        id_ = self._tx.new_id(schema.episode)
        tracked.episode = Episode(id_, tracked.id, starts_at, self._now, self._now, again=again)

    def see(self, episode: Episode, event: Alert, external_url: str) -> None:
        """Keep of the episode what this event, sent by ``external_url``, says of it."""
        self._seen[episode.id] = (episode, event, external_url)

    def replace(self, episode: Episode) -> None:
        """Close an episode whose resolve was lost."""
        episode.closed_at, episode.closing = self._now, Closing.LOST_RESOLVE
        self._replaced.append(episode)

    def delivery(self, channel_id: int, episode: Episode | None) -> Delivery | None:
        """What the channel knows of the episode."""
        return None if episode is None else self._deliveries.get((channel_id, episode.id))

    def group(self, channel_id: int, key: str, alert: Alert, channel: ChannelPolicy) -> Group:
        """The group of the channel with this key, made if it is new."""
        group = self._group_of_key.get(key)
        if group is None:
            labels = grouping.values(alert.labels, channel.group_by)
            group = Group(self._tx.new_id(schema.alert_group), channel_id, key, labels)
            self._group_of_key[key] = self._groups[group.id] = group
        return group

    def truncate(self, group: Group, n: int) -> None:
        """Note that Alertmanager cut n alerts off a notification for this group."""
        group.truncated = max(group.truncated, n)
        self._touched[group.id] = group

    def deliver_to(self, group: Group, episode: Episode, severity: int) -> Delivery:
        """A first delivery of the episode, with nothing waiting yet."""
        delivery = Delivery(group.channel_id, episode.id, group.id, severity=severity)
        self._deliveries[group.channel_id, episode.id] = delivery
        return delivery

    def accept(self, channel_id: int) -> None:
        """A channel takes an event: an entry begins."""
        self.postings.accepted(channel_id, Origin.WEBHOOK)

    def wait(self, delivery: Delivery, status: Status, since: int) -> None:
        """The new entry waits here, where none does; ``since`` is the arrival of the oldest news that it tells."""
        group = self._touch(delivery)
        group.waiting += 1
        group.openings += status is Status.FIRING
        group.oldest_at = since if group.oldest_at is None else min(group.oldest_at, since)
        group.severity = max(group.severity, delivery.severity)
        delivery.version += 1
        delivery.status, delivery.since, delivery.phase = status, since, Phase.WAITING

    def displace(self, delivery: Delivery, alert_id: int, outcome: Outcome, reason: str) -> None:
        """The entry that waits here ends: what came now says all that is still true."""
        group = self._touch(delivery)
        group.waiting -= 1
        group.openings -= delivery.status is Status.FIRING
        if group.oldest_at is None or delivery.since <= group.oldest_at:
            self._lost_oldest[group.id] = group
        delivery.phase = Phase.IDLE if delivery.claimed is None else Phase.SENDING
        self.depart(delivery.channel_id, alert_id, delivery.episode_id, delivery.status, outcome, reason)

    def repeat(self, delivery: Delivery) -> None:
        """The new entry says what this channel has heard already."""
        self._repeats[delivery.channel_id, delivery.episode_id] += 1
        self.postings.outcome(delivery.channel_id, Outcome.DUPLICATE)

    def depart(
        self,
        channel_id: int,
        alert_id: int,
        episode_id: int | None,
        status: Status,
        outcome: Outcome,
        reason: str,
    ) -> None:
        """An entry ends without a message."""
        self.postings.outcome(channel_id, outcome)
        self._departures.append(Departure(channel_id, alert_id, episode_id, status, outcome, reason))

    def close(self, delivery: Delivery) -> None:
        """The delivery's episode is over, also where that is not told."""
        delivery.status = Status.RESOLVED
        self._moved[delivery.channel_id, delivery.episode_id] = delivery

    def _touch(self, delivery: Delivery) -> Group:
        self._moved[delivery.channel_id, delivery.episode_id] = delivery
        group = self._groups[delivery.group_id]
        self._touched[group.id] = group
        return group

    def save(self, channels: Mapping[int, ChannelPolicy]) -> dict[str, int]:
        """Write all that changed; when each channel that has news next has some due."""
        alerts.save(self._tx, self._changed_alerts())
        alerts.close_episodes(self._tx, self._replaced)
        alerts.save_episodes(self._tx, self._seen.values())
        deliveries.save(self._tx, self._moved.values())
        deliveries.repeat(self._tx, self._repeats)
        for group in self._lost_oldest.values():
            group.oldest_at = deliveries.oldest_waiting(self._tx, group.id)
            if group.oldest_at is None:
                group.severity = 0
        due: dict[str, int] = {}
        for group in self._touched.values():
            channel = channels[group.channel_id]
            grouping.schedule(group, channel, self._now)
            if group.due_at is not None:
                due[channel.name] = min(group.due_at, due.get(channel.name, group.due_at))
        deliveries.save_groups(self._tx, self._touched.values())
        deliveries.depart(self._tx, self._departures, self._now)
        self.postings.post(self._tx, self._now)
        return due

    def _changed_alerts(self) -> list[TrackedAlert]:
        """The alerts whose rows do not say already what is to be said: new, in a new episode, or routed anew."""
        routings = alerts.intern_routings(self._tx, list(dict.fromkeys(self._verdicts.values())))
        changed = []
        for key, tracked in self._alerts.items():
            now_known = Known(tracked.id, routings[self._verdicts[key]], tracked.episode)
            if now_known != self._known.get(key):
                tracked.routing_id = now_known.routing_id
                changed.append(tracked)
        return changed
