"""What a channel does not get through goes to its fallback channel: a copy, with its own place in the books.

The original stays pending: should its channel recover while the alert still fires, it is told there too. Once the
alert has resolved and the fallback has told of it, the original has ``failed_over``.
"""

from collections.abc import Mapping, Sequence
from itertools import groupby

from receiver.core import entries, grouping
from receiver.core.entries import TOLD_INSTEAD, Origin, Outcome
from receiver.core.policy import ChannelPolicy, Policy
from receiver.store import channels, deliveries, groups, messages
from receiver.store.channels import ChannelState
from receiver.store.connect import Tx
from receiver.store.deliveries import Entry, Patience
from receiver.store.messages import Message
from receiver.transitions.batch import Batch
from receiver.transitions.leave import leave
from receiver.transitions.mute import hold_back

URGENT_AFTER = 120_000
"""Milliseconds that urgent news may be due before the fallback tells it, where ``fallback_after`` is not shorter."""

STUCK_AFTER = 60_000
"""Milliseconds after which an attempt that is under way counts as one that does not get through."""


def fail_over(tx: Tx, policy: Policy, now: int) -> tuple[dict[str, int], int | None]:
    """Copy what is overdue; when each fallback channel then has some due, and when more is overdue."""
    states = channels.load(tx)
    due: dict[str, int] = {}
    instants: list[int | None] = []
    for channel in policy.channels:
        if channel.fallback is None:
            continue
        state = states[channel.name]
        groups.clamp_due_since(tx, state.id, now)
        stuck = messages.oldest_under_way(tx, state.id)
        if stuck is not None and now - stuck < STUCK_AFTER:
            instants.append(stuck + STUCK_AFTER)
        patience = _patience(channel, states, everything=state.failing_since is not None or _passed(stuck, now))
        if deliveries.overdue(tx, state.id, patience, now):
            # What is muted on the channel is held there, and not told elsewhere.
            hold_back(tx, state.id, channel, policy, now)
            overdue = deliveries.overdue(tx, state.id, patience, now)
            for name, due_at in copy(tx, overdue, channel, states, policy, now).items():
                due[name] = min(due_at, due.get(name, due_at))
        instants.append(deliveries.next_overdue_at(tx, state.id, patience, now))
    return due, min((at for at in instants if at is not None), default=None)


def _passed(stuck: int | None, now: int) -> bool:
    return stuck is not None and now - stuck >= STUCK_AFTER


def _patience(channel: ChannelPolicy, states: Mapping[str, ChannelState], *, everything: bool) -> Patience:
    assert channel.fallback is not None, "only channels with a fallback are looked at"
    after = channel.fallback_after
    return Patience(states[channel.fallback].id, after, min(after, URGENT_AFTER), everything)


def copy(
    tx: Tx,
    originals: Sequence[Entry],
    channel: ChannelPolicy,
    states: Mapping[str, ChannelState],
    policy: Policy,
    now: int,
) -> dict[str, int]:
    """Give these entries of the channel to its fallback, past its filters; when each channel then has some due."""
    if not originals:
        return {}
    fallback = next(each for each in policy.channels if each.name == channel.fallback)
    fallback_id = states[fallback.name].id
    values = [grouping.values(entry.labels, fallback.group_by, policy.ignore_labels) for entry in originals]
    keys = [grouping.key(fallback_id, value) for value in values]
    configured = {states[each.name].id: each for each in policy.channels}
    batch = Batch(tx, now, configured, (), keys, [entry.delivery.episode_id for entry in originals])
    for entry, key, labels in zip(originals, keys, values, strict=True):
        original = batch.delivery(entry.delivery.channel_id, entry.delivery.episode_id)
        assert original is not None, "what was found is there"
        batch.accept(fallback_id, Origin.FALLBACK)
        there = batch.delivery(fallback_id, original.episode_id)
        reminds = there is not None and grouping.reminds(batch.group_of(there), fallback, now)
        owed = there is not None and batch.owes_end(there)
        ruling = entries.rule_copy(original, there, owed=owed, reminds=reminds, now=now)
        batch.copied(original, fallback_id)
        if ruling.displaced is not None and there is not None:
            batch.displace(there, entry.alert_id, ruling.displaced, ruling.reason)
        if ruling.outcome is Outcome.DUPLICATE and there is not None:
            batch.repeat(there)
        elif ruling.outcome is not None:
            batch.depart(
                fallback_id, entry.alert_id, original.episode_id, original.status, ruling.outcome, ruling.reason
            )
        else:
            made = batch.deliver_to(batch.group(fallback_id, key, labels), original.episode_id)
            if there is None or made.stands_in_for is not None or not made.may_have_told:
                made.stands_in_for = original.channel_id
            made.severity = policy.severity.rank_of(entry.labels)
            made.urgent = fallback.is_urgent(entry.labels)
            batch.overtake(made, entry.alert_id)
            batch.wait(made, original.status, original.since)
    return batch.save()


def hand_over(
    tx: Tx, message: Message, outcome: Outcome, channel: ChannelPolicy, policy: Policy, now: int
) -> dict[str, int]:
    """Give what ended with the message to the fallback, where that has not got it yet."""
    states = channels.load(tx)
    lost = deliveries.of_lost_items(tx, message.channel_id, message.id, outcome)
    return copy(tx, not_copied(lost, states[channel.fallback or ""].id), channel, states, policy, now)


def not_copied(originals: Sequence[Entry], fallback_id: int) -> list[Entry]:
    """Those that the fallback channel was not given as they are now."""
    return [
        entry
        for entry in originals
        if (entry.delivery.copied, entry.delivery.copied_to) != (entry.delivery.version, fallback_id)
    ]


def relieve(tx: Tx, message: Message, policy: Policy, now: int) -> None:
    """The fallback has told of alerts in place of other channels: what is over by now need not be told there."""
    states = {state.id: state.name for state in channels.load(tx).values()}
    configured = {channel.name: channel for channel in policy.channels}
    over = deliveries.relieved(tx, message.channel_id, message.id)
    for channel_id, of_channel in groupby(over, key=lambda entry: entry.delivery.channel_id):
        leave(tx, list(of_channel), Outcome.FAILED_OVER, TOLD_INSTEAD, configured.get(states[channel_id]), now)
