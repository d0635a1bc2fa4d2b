"""The rows that a batch of events touches, in memory between one bulk read and one bulk write.

What a row becomes is said by its methods, one for each move of an entry: ``wait``, ``hold`` and ``displace`` keep the
delivery, its group and the ledger in step.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence

from receiver.core import entries, grouping
from receiver.core.alerts import Alert, Status
from receiver.core.entries import Delivery, Origin, Outcome, Phase
from receiver.core.episodes import Closing, Episode
from receiver.core.grouping import Group
from receiver.core.policy import ChannelPolicy
from receiver.store import alerts, channels, deliveries, groups, schema
from receiver.store.alerts import Known, TrackedAlert
from receiver.store.connect import Tx
from receiver.store.deliveries import Departure
from receiver.store.ledger import Postings


class Batch:
    """An identity map of alerts, episodes, deliveries and groups, with the movements that go to the ledger.

    ``channels`` are the policies by the channels' ids; a retired channel has none, and its groups are not scheduled.
    """

    def __init__(
        self,
        tx: Tx,
        now: int,
        channels: Mapping[int, ChannelPolicy],
        alert_keys: Iterable[str],
        group_keys: Iterable[str] = (),
        episode_ids: Iterable[int] = (),
    ) -> None:
        """Read what is known of these alerts and groups, and of episodes whose alerts nothing happens to."""
        self._tx = tx
        self._now = now
        self._channels = channels
        self._known = alerts.load(tx, list(alert_keys))
        lives = [life for known in self._known.values() for life in (known.episode, known.held) if life is not None]
        self._deliveries: dict[tuple[int, int], Delivery] = {}
        self._of_episode: dict[int, list[Delivery]] = defaultdict(list)
        self._load_deliveries([*(life.id for life in lives), *episode_ids])
        self._group_of_key = {group.key: group for group in groups.by_key(tx, list(group_keys))}
        self._groups = {group.id: group for group in self._group_of_key.values()}
        # Deliveries made under another group_by stay in the group that they were grouped into.
        elsewhere = {delivery.group_id for delivery in self._deliveries.values()} - self._groups.keys()
        self._groups.update({group.id: group for group in groups.by_id(tx, list(elsewhere))})
        self.postings = Postings()
        self._alerts: dict[str, TrackedAlert] = {}
        self._verdicts: dict[str, str] = {}
        self._seen: dict[int, tuple[Episode, Alert, str]] = {}
        self._moved_lives: dict[int, Episode] = {}
        self._moved: dict[tuple[int, int], Delivery] = {}
        self._touched: dict[int, Group] = {}
        self._lost_oldest: dict[int, Group] = {}
        self._repeats: Counter[tuple[int, int]] = Counter()
        self._departures: list[Departure] = []
        self._urgent: set[int] = set()
        for group in self._groups.values():
            if group.last_sent_at is not None and group.last_sent_at > now:
                grouping.heed_the_clock(group, now)
                self._touched[group.id] = group

    def _load_deliveries(self, episode_ids: Sequence[int]) -> None:
        """Those of these episodes, and of the earlier ones that they point to."""
        asked, missing = set(episode_ids), list(episode_ids)
        while missing:
            found = deliveries.load(self._tx, missing).values()
            for delivery in found:
                self._add(delivery)
            missing = sorted({delivery.owes for delivery in found if delivery.owes is not None} - asked)
            asked.update(missing)

    def _add(self, delivery: Delivery) -> None:
        self._deliveries[delivery.channel_id, delivery.episode_id] = delivery
        self._of_episode[delivery.episode_id].append(delivery)

    def alert(self, key: str, source: str, event: Alert, verdicts: str) -> TrackedAlert:
        """The alert's row, made if it is new; ``verdicts`` are the channels' own on this event."""
        tracked = self._alerts.get(key)
        if tracked is None:
            known = self._known.get(key) or Known(self._tx.new_id(schema.alert), None, None)
            tracked = TrackedAlert(
                known.id, key, source, event.fingerprint, event.labels, known.routing_id, known.episode, known.held
            )
            self._alerts[key] = tracked
        self._verdicts[key] = verdicts
        return tracked

    def adopt(self, tracked: TrackedAlert) -> None:
        """Take on an alert of which no event has come: its row, with its episodes."""
        known = self._known[tracked.key]
        tracked.routing_id, tracked.episode, tracked.held = known.routing_id, known.episode, known.held
        self._alerts[tracked.key] = tracked

    def open_episode(self, tracked: TrackedAlert, starts_at: int, *, again: bool = False) -> None:
        """A new life of the alert, now its latest; a firing that was held is overtaken by it."""
        if tracked.held is not None:
            self.drop_held(tracked, Closing.OVERTAKEN, Outcome.SUPERSEDED, entries.NEWER_EPISODE)
        previous, tracked.episode = tracked.episode, self._new_episode(tracked, starts_at, again=again)
        self._succeed(previous, tracked.episode)

    def hold_episode(self, tracked: TrackedAlert, starts_at: int, opens_at: int) -> None:
        """A new life of the alert that is in effect only from then on, if nothing contradicts it before."""
        tracked.held = self._new_episode(tracked, starts_at, again=True)
        tracked.held.opens_at = opens_at
        self._succeed(tracked.episode, tracked.held)

    def _new_episode(self, tracked: TrackedAlert, starts_at: int, *, again: bool) -> Episode:
        id_ = self._tx.new_id(schema.episode)
        return Episode(id_, tracked.id, starts_at, self._now, self._now, again=again)

    def _succeed(self, previous: Episode | None, episode: Episode) -> None:
        """Whoever told of the life before, or still has something of it waiting, remembers that in the new one.

        Also those whom the event that opens it does not reach: each channel hears of it in its own time.
        """
        for before in list(self._of_episode[previous.id]) if previous is not None else ():
            owes = before.episode_id if before.waits or before.owes_end else before.owes
            if before.told is Status.RESOLVED and not before.waits:
                # With that end whatever was believed before it is over, too.
                owes = None
            if owes is not None and (before.channel_id, episode.id) not in self._deliveries:
                heir = Delivery(before.channel_id, episode.id, before.group_id, severity=before.severity, owes=owes)
                heir.stands_in_for = before.stands_in_for
                self._add(heir)
                self._moved[heir.channel_id, heir.episode_id] = heir

    def open_held(self, tracked: TrackedAlert) -> None:
        """The firing that was held is in effect: what waited of the life before is overtaken, it waits itself."""
        held = tracked.held
        assert held is not None, "something is held"
        for delivery in self._waiting_of(held):
            self.overtake(delivery, tracked.id)
            # It is news from now on; how long it was held is no delay of ours.
            delivery.since = delivery.arrived_at = self._now
            self._queue(delivery)
        held.opens_at = None
        self._moved_lives[held.id] = held
        tracked.episode, tracked.held = held, None

    def drop_held(self, tracked: TrackedAlert, closing: Closing, outcome: Outcome, reason: str) -> None:
        """The firing that was held never comes into effect."""
        held = tracked.held
        assert held is not None, "something is held"
        for delivery in self._waiting_of(held):
            self.displace(delivery, tracked.id, outcome, reason)
        held.opens_at, held.closed_at, held.closing = None, self._now, closing
        self._moved_lives[held.id] = held
        tracked.held = None

    def _waiting_of(self, episode: Episode) -> list[Delivery]:
        return [delivery for delivery in self._of_episode[episode.id] if delivery.waits]

    def see(self, episode: Episode, event: Alert, external_url: str) -> None:
        """Keep of the episode what this event, sent by ``external_url``, says of it."""
        self._seen[episode.id] = (episode, event, external_url)

    def replace(self, episode: Episode) -> None:
        """Close an episode whose resolve was lost."""
        episode.closed_at, episode.closing = self._now, Closing.LOST_RESOLVE
        self._moved_lives[episode.id] = episode

    def delivery(self, channel_id: int, episode_id: int | None) -> Delivery | None:
        """What the channel knows of the episode."""
        return None if episode_id is None else self._deliveries.get((channel_id, episode_id))

    def stand_ins(self, episode: Episode | None) -> list[Delivery]:
        """What channels know of the episode that tell it in place of others."""
        known = () if episode is None else self._of_episode.get(episode.id, ())
        return [delivery for delivery in known if delivery.stands_in_for is not None]

    def told_instead(self, delivery: Delivery) -> Delivery | None:
        """What tells of the firing in place of this one: on its fallback channel, or on the fallback's own."""
        found: Delivery | None = delivery
        while found is not None and found.told is None:
            found = None if found.copied_to is None else self.delivery(found.copied_to, delivery.episode_id)
        return None if found is delivery else found

    def owes_end(self, delivery: Delivery) -> bool:
        """Whether people may still believe in an earlier life of the alert, because of this channel."""
        earlier = self.earlier(delivery)
        return earlier is not None and earlier.owes_end

    def earlier(self, delivery: Delivery) -> Delivery | None:
        """The channel's delivery of an earlier life of the alert, of which it told or has something waiting."""
        return None if delivery.owes is None else self._deliveries.get((delivery.channel_id, delivery.owes))

    def copied(self, delivery: Delivery, to: int) -> None:
        """What waits here, or is on its way, was given to the fallback channel."""
        delivery.copied, delivery.copied_to = delivery.version, to
        self._moved[delivery.channel_id, delivery.episode_id] = delivery

    def keep_step(self, stand_in: Delivery) -> None:
        """The stand-in has heard what the channel that it stands in for has heard: there is nothing to copy again."""
        assert stand_in.stands_in_for is not None, "a stand-in knows for whom"
        origin = self.delivery(stand_in.stands_in_for, stand_in.episode_id)
        if origin is not None and origin.copied_to == stand_in.channel_id and origin.waits:
            self.copied(origin, stand_in.channel_id)

    def group(self, channel_id: int, key: str, values: Mapping[str, str]) -> Group:
        """The group of the channel with this key, made if it is new."""
        group = self._group_of_key.get(key)
        if group is None:
            group = Group(self._tx.new_id(schema.alert_group), channel_id, key, values)
            self._group_of_key[key] = self._groups[group.id] = group
        return group

    def group_of(self, delivery: Delivery) -> Group:
        """The group that the delivery is in."""
        return self._groups[delivery.group_id]

    def truncate(self, group: Group, n: int) -> None:
        """Note that Alertmanager cut n alerts off a notification for this group."""
        if n > group.truncated:
            group.truncated = n
            self._touched[group.id] = group

    def deliver_to(self, group: Group, episode_id: int) -> Delivery:
        """The channel's delivery of the episode, in this group, with nothing waiting yet."""
        delivery = self._deliveries.get((group.channel_id, episode_id))
        if delivery is None:
            delivery = Delivery(group.channel_id, episode_id, group.id)
            self._add(delivery)
        earlier = self.earlier(delivery)
        # Nothing of an alert passes what is on its way of it.
        in_flight = earlier is not None and earlier.claimed is not None
        delivery.group_id = earlier.group_id if earlier is not None and in_flight else group.id
        return delivery

    def accept(self, channel_id: int, origin: Origin = Origin.WEBHOOK) -> None:
        """A channel takes an event: an entry begins."""
        self.postings.accepted(channel_id, origin)

    def wait(self, delivery: Delivery, status: Status, since: int) -> None:
        """The new entry waits here, where none does; ``since`` is the arrival of the oldest news that it tells."""
        delivery.version += 1
        delivery.status, delivery.since, delivery.arrived_at = status, since, self._now
        self._queue(delivery)

    def hold(self, delivery: Delivery) -> None:
        """The new entry is held, until it is known whether the firing came out of order."""
        self._touch(delivery)
        delivery.version += 1
        delivery.since = delivery.arrived_at = self._now
        delivery.phase = Phase.HELD

    def _queue(self, delivery: Delivery) -> None:
        group = self._touch(delivery)
        delivery.phase = Phase.WAITING
        self._count(group, delivery, 1)
        group.oldest_at = delivery.since if group.oldest_at is None else min(group.oldest_at, delivery.since)
        group.severity = max(group.severity, delivery.severity)
        channel = self._channels.get(delivery.channel_id)
        if delivery.urgent and delivery.is_opening and channel is not None:
            grouping.hear_urgent(group, channel, self._now)
            self._urgent.add(delivery.channel_id)

    @staticmethod
    def _count(group: Group, delivery: Delivery, n: int) -> None:
        group.waiting += n
        if delivery.is_opening:
            group.openings += n
            group.urgent += n * delivery.urgent
        elif delivery.status is Status.FIRING:
            group.reminders += n

    def overtake(self, delivery: Delivery, alert_id: int) -> None:
        """What still waits on the channel of the alert's earlier life ends: it has news of a newer one."""
        earlier = self.earlier(delivery)
        if earlier is not None and earlier.waits:
            self.displace(earlier, alert_id, Outcome.SUPERSEDED, entries.NEWER_EPISODE)
            if not earlier.owes_end:
                delivery.owes = earlier.owes

    def displace(self, delivery: Delivery, alert_id: int, outcome: Outcome, reason: str) -> None:
        """The entry that waits or is held here ends: what came now says all that is still true."""
        group = self._touch(delivery)
        if delivery.phase is Phase.WAITING:
            self._count(group, delivery, -1)
            if group.oldest_at is None or delivery.since <= group.oldest_at:
                self._lost_oldest[group.id] = group
        delivery.muted = False
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
        if delivery.claimed is not None and delivery.told is not None and not delivery.waits:
            # Should the reminder that is on its way dissolve, there is nothing left to say.
            delivery.version += 1
        self._moved[delivery.channel_id, delivery.episode_id] = delivery

    def _touch(self, delivery: Delivery) -> Group:
        self._moved[delivery.channel_id, delivery.episode_id] = delivery
        group = self._groups[delivery.group_id]
        self._touched[group.id] = group
        return group

    def save(self) -> dict[str, int]:
        """Write all that changed; when each channel that has news next has some due."""
        alerts.save(self._tx, self._changed_alerts())
        alerts.save_episodes(self._tx, self._seen.values())
        alerts.move_episodes(self._tx, self._moved_lives.values())
        deliveries.save(self._tx, self._moved.values())
        deliveries.repeat(self._tx, self._repeats)
        for group in self._lost_oldest.values():
            group.oldest_at = groups.oldest_waiting(self._tx, group.id)
            if group.oldest_at is None:
                group.severity = 0
        due = self._schedule()
        channels.probe(self._tx, sorted(self._urgent), self._now)
        groups.save(self._tx, self._touched.values())
        deliveries.depart(self._tx, self._departures, self._now)
        self.postings.post(self._tx, self._now)
        return due

    def _schedule(self) -> dict[str, int]:
        due: dict[str, int] = {}
        for group in self._touched.values():
            channel = self._channels.get(group.channel_id)
            if channel is None:
                continue
            grouping.schedule(group, channel, self._now)
            if group.due_at is not None:
                due[channel.name] = min(group.due_at, due.get(channel.name, group.due_at))
        return due

    def _changed_alerts(self) -> list[TrackedAlert]:
        """The alerts whose rows do not say already what is to be said: new, in a new episode, or routed anew."""
        routings = alerts.intern_routings(self._tx, list(dict.fromkeys(self._verdicts.values())))
        changed = []
        for key, tracked in self._alerts.items():
            verdicts = self._verdicts.get(key)
            routing_id = tracked.routing_id if verdicts is None else routings[verdicts]
            if Known(tracked.id, routing_id, tracked.episode, tracked.held) != self._known.get(key):
                tracked.routing_id = routing_id
                changed.append(tracked)
        return changed
