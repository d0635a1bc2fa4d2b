"""What is dead is told after all, because somebody asks for it: as new entries, for those that died stay dead."""

from collections.abc import Mapping
from dataclasses import dataclass

from receiver.core import entries, grouping
from receiver.core.alerts import Status
from receiver.core.entries import Origin, Outcome
from receiver.core.policy import ChannelPolicy, Policy
from receiver.store import alerts, channels, deliveries, messages
from receiver.store.alerts import Latest
from receiver.store.connect import Tx
from receiver.store.deliveries import Entry
from receiver.transitions.batch import Batch


class NotRedeliverable(Exception):
    """There is nothing to redeliver; the text says why. ``known``: the message itself is there."""

    def __init__(self, text: str, *, known: bool = True) -> None:
        """Say why."""
        super().__init__(text)
        self.known = known


@dataclass(frozen=True, slots=True)
class Redelivered:
    """So many alerts of the ``channel`` wait again; the ``others`` are told already, wait already, or fire anew.

    ``due``: when the channel has some due. ``after``: there may be more, after this.
    """

    channel: str
    waiting: int
    others: int
    due: Mapping[str, int]
    after: int | None = None


AT_ONCE = 2_000
"""Entries in one transaction, so that others can write, too."""


def redeliver(tx: Tx, uid: str, policy: Policy, now: int, after: int = 0) -> Redelivered:
    """Tell what died with the message of this id, as it is true now: the first of it ``after``.

    Raises NotRedeliverable.
    """
    message = messages.by_uid(tx, uid)
    if message is None:
        raise NotRedeliverable("there is no message with this id", known=False)
    states = channels.load(tx)
    name = next(name for name, state in states.items() if state.id == message.channel_id)
    channel = next((channel for channel in policy.channels if channel.name == name), None)
    if channel is None:
        raise NotRedeliverable(f"its channel {name} is not in the configuration")
    dead = deliveries.of_lost_items(tx, message.channel_id, message.id, Outcome.DEAD, after, AT_ONCE)
    if not dead and not after:
        raise NotRedeliverable("nothing that it tells is dead")
    latest = alerts.latest(tx, sorted({entry.alert_id for entry in dead}))
    configured = {states[each.name].id: each for each in policy.channels}
    keys = [_key(entry, channel, policy) for entry in dead]
    ids = {id_ for entry in dead for id_ in (entry.delivery.episode_id, latest[entry.alert_id].episode_id)}
    batch = Batch(tx, now, configured, (), keys, sorted(ids))
    waiting = 0
    for entry, key in zip(dead, keys, strict=True):
        waiting += _again(batch, entry, latest[entry.alert_id], key, channel, policy, now)
    further = dead[-1].delivery.episode_id if len(dead) == AT_ONCE else None
    return Redelivered(name, waiting, len(dead) - waiting, batch.save(), further)


def _key(entry: Entry, channel: ChannelPolicy, policy: Policy) -> str:
    labels = grouping.values(entry.labels, channel.group_by, policy.ignore_labels)
    return grouping.key(entry.delivery.channel_id, labels)


def _again(
    batch: Batch, entry: Entry, latest: Latest, key: str, channel: ChannelPolicy, policy: Policy, now: int
) -> bool:
    """Accept the alert once more; whether it waits to be told."""
    channel_id, episode_id = entry.delivery.channel_id, entry.delivery.episode_id
    delivery = batch.delivery(channel_id, episode_id)
    assert delivery is not None, "what died has its row"
    is_latest = latest.episode_id == episode_id
    newer = None if is_latest else batch.delivery(channel_id, latest.episode_id)
    # An earlier life is over, whether or not its end was heard of.
    status = Status.RESOLVED if latest.is_over or not is_latest else delivery.status
    batch.accept(channel_id, Origin.REDELIVERY)
    ruling = entries.rule_redelivery(delivery, status, newer)
    if ruling.outcome is Outcome.DUPLICATE:
        batch.repeat(delivery)
    elif ruling.outcome is not None:
        batch.depart(channel_id, entry.alert_id, episode_id, status, ruling.outcome, ruling.reason)
    else:
        labels = grouping.values(entry.labels, channel.group_by, policy.ignore_labels)
        batch.deliver_to(batch.group(channel_id, key, labels), episode_id)
        delivery.severity = policy.severity.rank_of(entry.labels)
        delivery.urgent = channel.is_urgent(entry.labels)
        batch.overtake(delivery, entry.alert_id)
        batch.wait(delivery, status, now)
    return ruling.outcome is None
