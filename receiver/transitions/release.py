"""How a message ends: dissolved, its members waiting again; given up, with its members; or delivered."""

from receiver.core import grouping
from receiver.core.entries import Outcome
from receiver.core.policy import ChannelPolicy
from receiver.store import groups, messages, notices
from receiver.store.connect import Tx
from receiver.store.ledger import Postings
from receiver.store.messages import Message, State
from receiver.transitions.notify import INTERVAL


def release(tx: Tx, message: Message, channel: ChannelPolicy, now: int, *, failed: bool = False, rest: int = 0) -> None:
    """Dissolve the message: its members wait again, to be told anew from what is true then.

    An entry that something newer has overtaken ends as superseded. ``rest``: how long its groups alone wait, in
    milliseconds, where the message itself was refused.
    """
    overtaken = messages.release(tx, message)
    messages.settle(tx, message, State.DISSOLVED, now)
    postings = Postings()
    postings.outcome(message.channel_id, Outcome.SUPERSEDED, overtaken)
    postings.post(tx, now)
    if message.kind == "notice":
        notices.release(tx, message.id)
    _free_groups(tx, message, channel, now, failed=failed, rest=rest)


def bury(tx: Tx, message: Message, outcome: Outcome, channel: ChannelPolicy | None, now: int) -> int:
    """Give the message up for good: its members end so, and how many they are. A retired channel has no policy."""
    lost, overtaken = messages.give_up(tx, message, outcome)
    messages.settle(tx, message, State.DEAD, now)
    postings = Postings()
    postings.outcome(message.channel_id, outcome, lost)
    postings.outcome(message.channel_id, Outcome.SUPERSEDED, overtaken)
    postings.post(tx, now)
    if message.kind == "notice":
        notices.tell(tx, message.id, now, now + INTERVAL)
    _free_groups(tx, message, channel, now, forgiven=True)
    return lost


def deliver(tx: Tx, message: Message, now: int) -> tuple[int, list[tuple[int, int]]]:
    """Everyone whom the message concerns has it: its members' entries are delivered. How many, and their arrivals."""
    arrivals = messages.arrivals(tx, message)
    told = messages.deliver(tx, message)
    messages.settle(tx, message, State.SENT, now)
    if message.kind == "notice":
        notices.tell(tx, message.id, now, now + INTERVAL)
    postings = Postings()
    postings.outcome(message.channel_id, Outcome.DELIVERED, told)
    postings.post(tx, now)
    return told, arrivals


def _free_groups(
    tx: Tx,
    message: Message,
    channel: ChannelPolicy | None,
    now: int,
    *,
    failed: bool = False,
    forgiven: bool = False,
    rest: int = 0,
) -> None:
    freed = groups.of_message(tx, message.id)
    cut_off = {id_: truncated for id_, (_, truncated) in messages.carried(tx, message.id).items()}
    groups.recount(tx, freed)
    for group in freed:
        group.message_id = None
        group.failures += failed
        if forgiven:
            # What was wrong with its last message says nothing of its next.
            group.failures, group.refused_at = 0, None
        group.truncated = max(group.truncated, cut_off[group.id])
        if channel is not None:
            grouping.schedule(group, channel, now)
        if group.due_at is not None:
            group.due_at = max(group.due_at, now + rest)
    groups.save(tx, freed)
