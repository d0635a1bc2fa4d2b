"""How entries leave the pending without a message."""

from collections.abc import Sequence

from receiver.core import grouping
from receiver.core.entries import Outcome, Phase
from receiver.core.policy import ChannelPolicy
from receiver.store import deliveries, groups, messages
from receiver.store.connect import Tx
from receiver.store.deliveries import Departure, Entry
from receiver.store.ledger import Postings
from receiver.store.messages import Message


def leave(
    tx: Tx,
    ended: Sequence[Entry],
    outcome: Outcome,
    reason: str,
    channel: ChannelPolicy | None,
    now: int,
    message: Message | None = None,
) -> None:
    """These entries of one channel, which waited or were held, end so. A retired channel has no policy.

    With ``message``, one that is never sent, they are its members from now on.
    """
    if not ended:
        return
    put_down(ended)
    deliveries.save(tx, [entry.delivery for entry in ended])
    if message is None:
        deliveries.depart(tx, [departure(entry, outcome, reason) for entry in ended], now)
    else:
        messages.bury_unsent(tx, message, [entry.delivery for entry in ended], outcome, now)
    postings = Postings()
    postings.outcome(ended[0].delivery.channel_id, outcome, len(ended))
    postings.post(tx, now)
    reschedule(tx, ended, channel, now)


def departure(entry: Entry, outcome: Outcome, reason: str) -> Departure:
    """How the entry left the pending."""
    delivery = entry.delivery
    return Departure(delivery.channel_id, entry.alert_id, delivery.episode_id, delivery.status, outcome, reason)


def put_down(ended: Sequence[Entry]) -> None:
    """Nothing of these waits any more."""
    for delivery, _, _ in ended:
        delivery.phase, delivery.muted = Phase.IDLE if delivery.claimed is None else Phase.SENDING, False


def reschedule(tx: Tx, ended: Sequence[Entry], channel: ChannelPolicy | None, now: int) -> None:
    """Less waits in the groups of these, or nothing."""
    quieter = groups.by_id(tx, sorted({entry.delivery.group_id for entry in ended}))
    groups.recount(tx, quieter)
    for group in quieter:
        if channel is None:
            group.due_at = group.due_reason = group.due_since = None
        else:
            grouping.schedule(group, channel, now)
    groups.save(tx, quieter)
