"""What time alone brings about: a held firing opens, a mute ends, news grows too old, a retired channel lapses."""

from collections.abc import Mapping
from dataclasses import dataclass

from receiver.core import grouping
from receiver.core.entries import CHANNEL_REMOVED, TOO_OLD, Outcome, Phase
from receiver.core.policy import ChannelPolicy, Policy
from receiver.store import alerts, channels, deliveries, groups, messages, probe
from receiver.store.channels import ChannelState
from receiver.store.connect import Tx
from receiver.store.deliveries import Departure, Entry
from receiver.store.ledger import Postings
from receiver.store.messages import State
from receiver.transitions.batch import Batch
from receiver.transitions.mute import end_mutes
from receiver.transitions.release import bury, deliver


@dataclass(frozen=True, slots=True)
class Swept:
    """``next_at``: when there is something to sweep next (None: nothing known of). ``due`` as in ``Accepted``."""

    next_at: int | None
    due: Mapping[str, int]


def sweep(tx: Tx, policy: Policy, now: int) -> Swept:
    """Do all that is due at ``now``; safe to call at any instant, and to repeat."""
    probe.probe(tx, now)
    states = channels.load(tx)
    due = _open_held(tx, states, policy, now)
    unmuted, next_mute = end_mutes(tx, policy, now)
    for name, due_at in unmuted.items():
        due[name] = min(due_at, due.get(name, due_at))
    instants = [alerts.next_held_until(tx), next_mute]
    configured = {channel.name: channel for channel in policy.channels}
    for name, state in states.items():
        instants.append(_age(tx, state, configured[name], now) if name in configured else _lapse(tx, state, now))
    return Swept(min((at for at in instants if at is not None), default=None), due)


def _open_held(tx: Tx, states: Mapping[str, ChannelState], policy: Policy, now: int) -> dict[str, int]:
    """Firings that nothing has contradicted open."""
    alerts.clamp_held(tx, now + policy.reorder_window)
    policies = {states[channel.name].id: channel for channel in policy.channels}
    due: dict[str, int] = {}
    while held := alerts.held_until(tx, now):
        batch = Batch(tx, now, policies, [tracked.key for tracked in held])
        for tracked in held:
            batch.adopt(tracked)
            batch.open_held(tracked)
        for name, due_at in batch.save().items():
            due[name] = min(due_at, due.get(name, due_at))
    return due


def _age(tx: Tx, state: ChannelState, channel: ChannelPolicy, now: int) -> int | None:
    """News of what is over dies of age while its channel fails; when the next may, if it does."""
    if state.failing_since is None:
        return None
    old = deliveries.too_old(tx, state.id, now - channel.retry_for)
    _end(tx, old, Outcome.DEAD, TOO_OLD, channel, now)
    oldest = deliveries.oldest_over(tx, state.id)
    return None if oldest is None else oldest + channel.retry_for


def _lapse(tx: Tx, state: ChannelState, now: int) -> int | None:
    """What a removed channel still owes is withdrawn when it has stayed away for ``retry_for``."""
    if state.retired_at is None:
        return None
    lapses_at = min(state.retired_at, now) + state.retry_for
    if lapses_at > now:
        return lapses_at
    for message in messages.open_messages(tx, state.id):
        if message.state is State.PARTIAL:
            deliver(tx, message, now)
        else:
            bury(tx, message, Outcome.WITHDRAWN, None, now)
    _end(tx, deliveries.pending(tx, state.id), Outcome.WITHDRAWN, CHANNEL_REMOVED, None, now)
    return None


def _end(tx: Tx, ended: list[Entry], outcome: Outcome, reason: str, channel: ChannelPolicy | None, now: int) -> None:
    """These entries leave the pending without a message."""
    if not ended:
        return
    departures = []
    for delivery, alert_id, _ in ended:
        delivery.phase, delivery.muted = Phase.IDLE if delivery.claimed is None else Phase.SENDING, False
        departures.append(
            Departure(delivery.channel_id, alert_id, delivery.episode_id, delivery.status, outcome, reason)
        )
    deliveries.save(tx, [delivery for delivery, _, _ in ended])
    deliveries.depart(tx, departures, now)
    postings = Postings()
    postings.outcome(ended[0][0].channel_id, outcome, len(ended))
    postings.post(tx, now)
    quieter = groups.by_id(tx, sorted({delivery.group_id for delivery, _, _ in ended}))
    groups.recount(tx, quieter)
    for group in quieter:
        if channel is None:
            group.due_at = group.due_reason = None
        else:
            grouping.schedule(group, channel, now)
    groups.save(tx, quieter)
