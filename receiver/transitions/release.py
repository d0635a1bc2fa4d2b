"""A message that surely reached nobody dissolves: its members wait again and are told anew from what is true then."""

from receiver.core import grouping
from receiver.core.entries import Outcome
from receiver.core.policy import ChannelPolicy
from receiver.store import deliveries, messages
from receiver.store.connect import Tx
from receiver.store.ledger import Postings
from receiver.store.messages import Message, State


def release(tx: Tx, message: Message, channel: ChannelPolicy, now: int, *, failed: bool = False, rest: int = 0) -> None:
    """Dissolve the message. An entry that something newer has overtaken ends as superseded.

    ``rest``: how long its group alone waits, in milliseconds, where the message itself was refused.
    """
    overtaken = messages.release(tx, message)
    messages.settle(tx, message, State.DISSOLVED, now)
    postings = Postings()
    postings.outcome(message.channel_id, Outcome.SUPERSEDED, overtaken)
    postings.post(tx, now)
    [group] = deliveries.groups_by_id(tx, [message.group_id])
    group.failures += failed
    deliveries.recount(tx, [group])
    grouping.schedule(group, channel, now)
    if group.due_at is not None:
        group.due_at = max(group.due_at, now + rest)
    deliveries.save_groups(tx, [group])
