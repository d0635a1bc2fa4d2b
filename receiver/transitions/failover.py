"""What a channel does not get through goes to its fallback channel: a copy, with its own place in the books.

The original stays pending: should its channel recover while the alert still fires, it is told there too. Once the
alert has resolved and the fallback has told of it, the original has ``failed_over``.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

from receiver.core import entries, grouping
from receiver.core.alerts import Status
from receiver.core.entries import TOLD_INSTEAD, Delivery, Origin, Outcome, Phase
from receiver.core.policy import ChannelPolicy, Policy
from receiver.store import alerts, channels, deliveries, groups, messages
from receiver.store.channels import ChannelState
from receiver.store.connect import Tx
from receiver.store.deliveries import Entry, Patience
from receiver.store.messages import Message
from receiver.transitions.batch import Batch
from receiver.transitions.due import heed
from receiver.transitions.leave import leave
from receiver.transitions.mute import active_on, hold

URGENT_AFTER = 120_000
"""Milliseconds that urgent news may be due before the fallback tells it, where ``fallback_after`` is not shorter."""

AT_ONCE = 2_000
"""Entries in one transaction; they take the writer some 0.2 s, and nobody else can write meanwhile."""

STUCK_AFTER = 60_000
"""Milliseconds after which an attempt that is under way counts as one that does not get through."""

NO_ANSWER = "timeout"
"""Why an attempt that is under way for so long does not get through."""


@dataclass(frozen=True, slots=True)
class FailedOver:
    """``due``: when each fallback channel has some due. ``next_at``: when more is overdue; ``again``: some is now.

    ``copied``: how many entries of each channel were given to its fallback.
    """

    due: Mapping[str, int]
    next_at: int | None
    again: bool
    copied: Mapping[str, int]


def fail_over(tx: Tx, policy: Policy, now: int) -> FailedOver:
    """Copy what is overdue, or much of it."""
    states = channels.load(tx)
    due: dict[str, int] = {}
    copied: dict[str, int] = {}
    instants: list[int | None] = []
    again = False
    for channel in policy.channels:
        if channel.fallback is None:
            continue
        state = states[channel.name]
        groups.clamp_due_since(tx, state.id, now)
        stuck_at = _stuck_at(tx, state)
        stuck = stuck_at is not None and stuck_at <= now
        patience = _patience(channel, states, everything=stuck or state.failing_since is not None)
        overdue, more = _overdue(tx, state, channel, patience, policy, now)
        again = again or more
        if overdue:
            if stuck and state.failing_since is None:
                _note_no_answer(tx, state)
            heed(due, copy(tx, overdue, channel, states, policy, now))
            copied[channel.name] = len(overdue)
        instants += [None if stuck else stuck_at, deliveries.next_overdue_at(tx, state.id, patience, now)]
    return FailedOver(due, min((at for at in instants if at is not None), default=None), again, copied)


def _overdue(
    tx: Tx, state: ChannelState, channel: ChannelPolicy, patience: Patience, policy: Policy, now: int
) -> tuple[list[Entry], bool]:
    """What the fallback is to tell now, and whether there is more of it."""
    page = deliveries.overdue(tx, state.id, patience, now, AT_ONCE)
    overdue = hold_muted(tx, page, channel, policy, now)
    if page and all(entry.delivery.phase is Phase.SENDING for entry in page) and not overdue:
        # Muted since they are on their way, they can't be held, and must not keep others from their turn.
        page = deliveries.overdue(tx, state.id, patience, now)
        overdue = hold_muted(tx, page, channel, policy, now)[:AT_ONCE]
        return overdue, len(overdue) == AT_ONCE
    return overdue, len(page) == AT_ONCE


def _stuck_at(tx: Tx, state: ChannelState) -> int | None:
    """When what is under way will not have got through, or since when it has not."""
    claimed_at = messages.oldest_under_way(tx, state.id)
    return None if claimed_at is None else claimed_at + STUCK_AFTER


def _note_no_answer(tx: Tx, state: ChannelState) -> None:
    """The last failure may be long over: what keeps the channel now is that nobody answers."""
    state.failure_reason, state.failure_code = NO_ANSWER, None
    channels.save(tx, [state])


def hold_muted(tx: Tx, found: Sequence[Entry], channel: ChannelPolicy, policy: Policy, now: int) -> list[Entry]:
    """Those that no mute covers on the channel; the others are held there, and told nowhere."""
    mutes = active_on(tx, channel, policy, now)
    muted = [entry for entry in found if any(mute.covers(entry.labels) for mute in mutes)]
    hold(tx, [entry for entry in muted if entry.delivery.phase is Phase.WAITING], channel, now)
    covered = {entry.delivery.episode_id for entry in muted}
    return [entry for entry in found if entry.delivery.episode_id not in covered]


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
    return _Copying(tx, originals, fallback, states, policy, now).carry_out()


class _Copying:
    """Some entries on their way to a fallback channel."""

    def __init__(
        self,
        tx: Tx,
        originals: Sequence[Entry],
        fallback: ChannelPolicy,
        states: Mapping[str, ChannelState],
        policy: Policy,
        now: int,
    ) -> None:
        self._originals = originals
        self._fallback = fallback
        self._fallback_id = states[fallback.name].id
        self._policy = policy
        self._now = now
        self._latest = alerts.latest(tx, sorted({entry.alert_id for entry in originals}))
        configured = {states[each.name].id: each for each in policy.channels}
        keys = [grouping.key(self._fallback_id, self._values(entry)) for entry in originals]
        self._batch = Batch(tx, now, configured, (), keys, [entry.delivery.episode_id for entry in originals])

    def _values(self, entry: Entry) -> dict[str, str]:
        return grouping.values(entry.labels, self._fallback.group_by, self._policy.ignore_labels)

    def carry_out(self) -> dict[str, int]:
        """Copy them; when each channel then has some due."""
        for entry in self._originals:
            self._copy(entry)
        return self._batch.save()

    def _copy(self, entry: Entry) -> None:
        batch, fallback_id, latest = self._batch, self._fallback_id, self._latest[entry.alert_id]
        original = batch.delivery(entry.delivery.channel_id, entry.delivery.episode_id)
        assert original is not None, "what was found is there"
        there = batch.delivery(fallback_id, original.episode_id)
        status = Status.RESOLVED if latest.is_over else original.status
        ruling = entries.rule_copy(
            status,
            there,
            newer=latest.episode_id != original.episode_id,
            owed=there is not None and batch.owes_end(there),
            reminds=there is not None and grouping.reminds(batch.group_of(there), self._fallback, self._now),
            now=self._now,
        )
        batch.accept(fallback_id, Origin.FALLBACK)
        batch.copied(original, fallback_id)
        if ruling.displaced is not None and there is not None:
            batch.displace(there, entry.alert_id, ruling.displaced, ruling.reason)
        if ruling.outcome is Outcome.DUPLICATE and there is not None:
            batch.repeat(there)
        elif ruling.outcome is not None:
            batch.depart(fallback_id, entry.alert_id, original.episode_id, status, ruling.outcome, ruling.reason)
        else:
            self._tell(entry, original, there, status)

    def _tell(self, entry: Entry, original: Delivery, there: Delivery | None, status: Status) -> None:
        batch, values = self._batch, self._values(entry)
        copied = batch.deliver_to(
            batch.group(self._fallback_id, grouping.key(self._fallback_id, values), values), original.episode_id
        )
        if there is None or copied.stands_in_for is not None or not copied.may_have_told:
            copied.stands_in_for = original.channel_id
        copied.severity = self._policy.severity.rank_of(entry.labels)
        copied.urgent = self._fallback.is_urgent(entry.labels)
        batch.overtake(copied, entry.alert_id)
        # How long it has waited there is part of how late it comes here.
        batch.wait(copied, status, original.since)


def hand_over(
    tx: Tx, message: Message, outcome: Outcome, channel: ChannelPolicy, policy: Policy, now: int
) -> dict[str, int]:
    """Give what ended with the message to the fallback, where that has not got it yet."""
    assert channel.fallback is not None, "there is somebody to give it to"
    states = channels.load(tx)
    lost = deliveries.of_lost_items(tx, message.channel_id, message.id, outcome)
    return copy(tx, not_copied(lost, states[channel.fallback].id), channel, states, policy, now)


def not_copied(originals: Sequence[Entry], fallback_id: int) -> list[Entry]:
    """Those that the fallback channel was not given as they are now."""
    return [
        entry
        for entry in originals
        if (entry.delivery.copied, entry.delivery.copied_to) != (entry.delivery.version, fallback_id)
    ]


def relieve(tx: Tx, message: Message, policy: Policy, now: int) -> None:
    """The fallback has told of alerts in place of other channels: what is over by now need not be told there.

    Nor on those in whose place these would have told it.
    """
    states = {state.id: state.name for state in channels.load(tx).values()}
    configured = {channel.name: channel for channel in policy.channels}
    over = deliveries.relieved(tx, message.channel_id, message.id)
    while over:
        further: list[Entry] = []
        for channel_id, of_channel in groupby(over, key=lambda entry: entry.delivery.channel_id):
            released = list(of_channel)
            leave(tx, released, Outcome.FAILED_OVER, TOLD_INSTEAD, configured.get(states[channel_id]), now)
            further += deliveries.relieved_through(tx, channel_id, [entry.delivery.episode_id for entry in released])
        over = sorted(further, key=lambda entry: entry.delivery.channel_id)
