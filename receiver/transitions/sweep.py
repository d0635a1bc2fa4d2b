"""What time alone brings about: a held firing opens, a mute ends, news grows too old, a retired channel lapses."""

from collections.abc import Mapping
from dataclasses import dataclass

from receiver.core.entries import CHANNEL_REMOVED, TOLD_INSTEAD, TOO_OLD, Outcome
from receiver.core.grouping import Reason
from receiver.core.policy import ChannelPolicy, Policy
from receiver.store import alerts, channels, deliveries, messages, probe, schema
from receiver.store.channels import ChannelState
from receiver.store.connect import Tx
from receiver.store.messages import Answer, Message, State
from receiver.transitions.batch import Batch
from receiver.transitions.due import heed
from receiver.transitions.failover import copy, fail_over, not_copied
from receiver.transitions.leave import leave
from receiver.transitions.mute import end_mutes
from receiver.transitions.notify import announce_dead
from receiver.transitions.release import bury, deliver


@dataclass(frozen=True, slots=True)
class Swept:
    """``next_at``: when there is something to sweep next (None: nothing known of). ``due`` as in ``Accepted``.

    ``again``: there is more to sweep already, left for another transaction so that others have their turn.
    """

    next_at: int | None
    due: Mapping[str, int]
    again: bool = False


def sweep(tx: Tx, policy: Policy, now: int) -> Swept:
    """Do all that is due at ``now``; safe to call at any instant, and to repeat."""
    probe.probe(tx, now)
    states = channels.load(tx)
    due = _open_held(tx, states, policy, now)
    unmuted, next_mute = end_mutes(tx, policy, now)
    heed(due, unmuted)
    instants = [alerts.next_held_until(tx), next_mute]
    configured = {channel.name: channel for channel in policy.channels}
    for name, state in states.items():
        if name in configured:
            _give_up_waiting(tx, state, configured[name], now)
            instants.append(_age(tx, state, configured[name], policy, now, due))
        else:
            instants.append(_lapse(tx, state, now))
    failed_over = fail_over(tx, policy, now)
    heed(due, failed_over.due)
    instants.append(failed_over.next_at)
    return Swept(min((at for at in instants if at is not None), default=None), due, failed_over.again)


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
        heed(due, batch.save())
    return due


def _give_up_waiting(tx: Tx, state: ChannelState, channel: ChannelPolicy, now: int) -> None:
    """A recipient who has said "later" for as long as ``retry_for`` is not asked any more; others have the message."""
    for message in messages.open_messages(tx, state.id):
        if message.state is State.PARTIAL and message.claimed_at <= now - channel.retry_for:
            messages.answer(tx, message, dict.fromkeys(messages.awaited(tx, message), (Answer.EXPIRED, None)), now)
            deliver(tx, message, now)


def _age(
    tx: Tx, state: ChannelState, channel: ChannelPolicy, policy: Policy, now: int, due: dict[str, int]
) -> int | None:
    """News of what is over dies of age while its channel fails; when the next may, if it does."""
    if state.failing_since is None:
        return None
    old = deliveries.too_old(tx, state.id, now - channel.retry_for)
    if old and channel.fallback is not None:
        states = channels.load(tx)
        heed(due, copy(tx, not_copied(old, states[channel.fallback].id), channel, states, policy, now))
        # Copying has written to these rows, too.
        leave(tx, deliveries.again(tx, old), Outcome.FAILED_OVER, TOLD_INSTEAD, channel, now)
    elif old:
        message = _unsent(tx, state, channel, len(old), now)
        leave(tx, old, Outcome.DEAD, TOO_OLD, channel, now, message)
        heed(due, announce_dead(tx, channel, message, len(old), "older than retry_for", policy, now))
    oldest = deliveries.oldest_over(tx, state.id)
    return None if oldest is None else oldest + channel.retry_for


def _unsent(tx: Tx, state: ChannelState, channel: ChannelPolicy, n: int, now: int) -> Message:
    """A message that is never sent, so that what dies without one can be found and redelivered."""
    id_ = tx.new_id(schema.message)
    return Message(id_, f"unsent{id_}", state.id, channel.kind, "group", Reason.WAIT, State.DEAD, n, 0, now, groups=0)


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
    leave(tx, deliveries.pending(tx, state.id), Outcome.WITHDRAWN, CHANNEL_REMOVED, None, now)
    return None
