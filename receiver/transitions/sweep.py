"""What time alone brings about: a held firing opens, a mute ends, news grows too old, a retired channel lapses."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from receiver.core.entries import CHANNEL_REMOVED, TOLD_INSTEAD, TOO_OLD, Outcome
from receiver.core.grouping import Reason
from receiver.core.policy import ChannelPolicy, Policy
from receiver.store import alerts, channels, deliveries, messages, notices, probe, schema
from receiver.store.channels import ChannelState
from receiver.store.connect import Tx
from receiver.store.messages import Answer, Message, State
from receiver.transitions.batch import Batch
from receiver.transitions.due import heed
from receiver.transitions.failover import AT_ONCE, copy, fail_over, hold_muted, not_copied
from receiver.transitions.leave import leave
from receiver.transitions.mute import end_mutes
from receiver.transitions.notify import announce_dead
from receiver.transitions.release import bury, deliver


@dataclass(slots=True)
class Swept:
    """``next_at``: when there is something to sweep next (None: nothing known of). ``due`` as in ``Accepted``.

    ``again``: there is more to sweep already, left for another transaction so that others have their turn. By channel:
    how many entries were ``copied`` to its fallback, how many were over and older than ``retry_for`` and so are
    ``dead`` or have ``failed_over``.
    """

    next_at: int | None
    due: dict[str, int]
    again: bool = False
    copied: Mapping[str, int] = field(default_factory=dict)
    dead: dict[str, int] = field(default_factory=dict)
    failed_over: dict[str, int] = field(default_factory=dict)

    def see(self, at: int | None) -> None:
        """There is something to sweep at this instant, if any."""
        if at is not None:
            self.next_at = at if self.next_at is None else min(self.next_at, at)


def sweep(tx: Tx, policy: Policy, now: int) -> Swept:
    """Do all that is due at ``now``; safe to call at any instant, and to repeat."""
    probe.probe(tx, now)
    states = channels.load(tx)
    swept = Swept(None, _open_held(tx, states, policy, now))
    unmuted, next_mute = end_mutes(tx, policy, now)
    heed(swept.due, unmuted)
    swept.see(alerts.next_held_until(tx))
    swept.see(next_mute)
    configured = {channel.name: channel for channel in policy.channels}
    for name, state in states.items():
        if name in configured:
            _give_up_waiting(tx, state, configured[name], now)
            _age(tx, state, configured[name], policy, now, swept)
        else:
            swept.see(_lapse(tx, state, now))
    failed_over = fail_over(tx, policy, now)
    heed(swept.due, failed_over.due)
    swept.see(failed_over.next_at)
    swept.again = swept.again or failed_over.again
    swept.copied = failed_over.copied
    return swept


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


def _age(tx: Tx, state: ChannelState, channel: ChannelPolicy, policy: Policy, now: int, swept: Swept) -> None:
    """News of what is over dies of age while its channel fails."""
    if state.failing_since is None:
        return
    old = deliveries.too_old(tx, state.id, now - channel.retry_for, AT_ONCE)
    swept.again = swept.again or len(old) == AT_ONCE
    old = hold_muted(tx, old, channel, policy, now)
    if old and channel.fallback is not None:
        states = channels.load(tx)
        heed(swept.due, copy(tx, not_copied(old, states[channel.fallback].id), channel, states, policy, now))
        # Copying has written to these rows, too.
        leave(tx, deliveries.again(tx, old), Outcome.FAILED_OVER, TOLD_INSTEAD, channel, now)
        swept.failed_over[channel.name] = len(old)
    elif old:
        message = _unsent(tx, state, channel, len(old), now)
        leave(tx, old, Outcome.DEAD, TOO_OLD, channel, now, message)
        heed(swept.due, announce_dead(tx, channel, message, len(old), "older than retry_for", policy, now))
        swept.dead[channel.name] = len(old)
    oldest = deliveries.oldest_over(tx, state.id)
    swept.see(None if oldest is None else oldest + channel.retry_for)


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
    notices.give_up(tx, state.id, now)
    return None
