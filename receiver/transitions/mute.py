"""Mutes begin and end; what they hold back is judged when a message is composed."""

from collections.abc import Sequence

from receiver.core import grouping, muting
from receiver.core.alerts import Status
from receiver.core.entries import ENDED_BEFORE_TOLD, Outcome, Phase
from receiver.core.muting import Mute
from receiver.core.policy import ChannelPolicy, Policy
from receiver.store import channels, deliveries, groups, mutes
from receiver.store.connect import Tx
from receiver.store.deliveries import Entry
from receiver.store.ledger import Postings
from receiver.transitions.due import heed
from receiver.transitions.leave import departure, reschedule


def mute(tx: Tx, new: Mute, now: int) -> int:
    """Keep the mute; its id. Raises MuteError."""
    muting.check(new)
    return mutes.add(tx, new, now)


def unmute(tx: Tx, id_: int, policy: Policy, now: int) -> dict[str, int]:
    """End the mute now, if it has not ended: what it held waits again; when each channel then has some due."""
    ending = mutes.not_ended(tx, policy.compile_pattern).get(id_)
    if ending is None:
        return {}
    mutes.end(tx, id_, min(ending.ends_at, now), now)
    return _let_go(tx, ending, policy, now)


def end_mutes(tx: Tx, policy: Policy, now: int) -> tuple[dict[str, int], int | None]:
    """End the mutes whose time is over; when each channel then has news due, and when the next mute ends."""
    due: dict[str, int] = {}
    next_at: int | None = None
    for id_, each in mutes.not_ended(tx, policy.compile_pattern).items():
        if each.ends_at > now:
            next_at = each.ends_at if next_at is None else min(next_at, each.ends_at)
            continue
        mutes.end(tx, id_, each.ends_at, now)
        heed(due, _let_go(tx, each, policy, now))
    return due, next_at


def _let_go(tx: Tx, ended: Mute, policy: Policy, now: int) -> dict[str, int]:
    """All that mutes hold on its channels waits again; what another mute covers is held again when its turn comes."""
    due: dict[str, int] = {}
    configured = {channel.name: channel for channel in policy.channels}
    for name, state in channels.load(tx).items():
        if ended.channels is not None and name not in ended.channels:
            continue
        freed = groups.by_id(tx, deliveries.unmute(tx, state.id, now))
        groups.recount(tx, freed)
        # A removed channel has no policy to schedule by; should it come back, everything is scheduled anew.
        for group in freed if name in configured else ():
            grouping.schedule(group, configured[name], now)
            if group.due_at is not None and group.message_id is None:
                due[name] = min(group.due_at, due.get(name, group.due_at))
        groups.save(tx, freed)
    return due


def active_on(tx: Tx, channel: ChannelPolicy, policy: Policy, now: int) -> list[Mute]:
    """The mutes that hold back something on the channel, or would."""
    every = mutes.not_ended(tx, policy.compile_pattern).values()
    return [each for each in every if each.is_active(channel.name, now)]


def hold_back(tx: Tx, channel_id: int, channel: ChannelPolicy, policy: Policy, now: int) -> tuple[int, int]:
    """Hold what is due on the channel and muted: how many mutes are active there, how many entries they hold now."""
    muted: list[Entry] = []
    active = active_on(tx, channel, policy, now)
    if active:
        due = deliveries.waiting(tx, channel_id, now)
        muted = [entry for entry in due if any(each.covers(entry.labels) for each in active)]
        hold(tx, muted, channel, now)
    return len(active), len(muted)


def hold(tx: Tx, muted: Sequence[Entry], channel: ChannelPolicy, now: int) -> None:
    """Hold these entries of the channel, which wait. Those that are over, and nobody was told of, end as muted."""
    if not muted:
        return
    postings, departures = Postings(), []
    owed = deliveries.load(tx, sorted({entry.delivery.owes for entry in muted if entry.delivery.owes is not None}))
    for entry in muted:
        delivery = entry.delivery
        earlier = None if delivery.owes is None else owed.get((delivery.channel_id, delivery.owes))
        believed = delivery.may_have_told or (earlier is not None and earlier.owes_end)
        if delivery.status is Status.RESOLVED and not believed:
            delivery.phase = Phase.IDLE
            postings.outcome(delivery.channel_id, Outcome.MUTED)
            departures.append(departure(entry, Outcome.MUTED, ENDED_BEFORE_TOLD))
        else:
            delivery.phase, delivery.muted = Phase.HELD, True
    deliveries.save(tx, [delivery for delivery, _, _ in muted])
    deliveries.depart(tx, departures, now)
    postings.post(tx, now)
    reschedule(tx, muted, channel, now)
