"""The fifth hop: what became of an attempt is entered in the books."""

from collections.abc import Sequence
from dataclasses import dataclass

from receiver.core import grouping, retrying, throttling
from receiver.core.entries import Outcome
from receiver.core.policy import ChannelPolicy, Policy
from receiver.core.retrying import Failure, FailureClass
from receiver.store import channels, deliveries, messages
from receiver.store.channels import ChannelState
from receiver.store.connect import Tx
from receiver.store.ledger import Postings
from receiver.store.messages import Answer, Message, State
from receiver.transitions.claim import Repeat
from receiver.transitions.release import release


@dataclass(frozen=True, slots=True)
class Attempt:
    """One attempt that has ended. ``began_at`` in UTC milliseconds, ``took`` in milliseconds.

    ``answers`` are the recipients' own, where they answer for themselves. ``failure`` is None when the provider
    took the message. ``jitter`` in [0, 1) spreads the retries of many receivers.
    """

    sent: Repeat
    began_at: int
    took: int
    answers: dict[str, tuple[Answer, int | None]]
    code: int | None = None
    failure: Failure | None = None
    jitter: float = 0.0


@dataclass(frozen=True, slots=True)
class Settled:
    """``told`` alerts are delivered (their arrivals as (instant, how many)), or the channel rests for ``rest`` ms.

    Neither: some recipients have it, others have to be asked again.
    """

    told: int = 0
    arrivals: Sequence[tuple[int, int]] = ()
    rest: int | None = None


def settle(tx: Tx, attempt: Attempt, policy: Policy, now: int) -> Settled:
    """Deliver, dissolve or keep the message, as the attempt ended."""
    message, failure = attempt.sent.message, attempt.failure
    state = next(state for state in channels.load(tx).values() if state.id == message.channel_id)
    channel = next(channel for channel in policy.channels if channel.name == state.name)
    messages.attempted(tx, message, attempt.began_at, attempt.took, attempt.code, failure)
    messages.answer(tx, message, attempt.answers, now)
    if failure is None:
        state.failures, state.failure_class, state.retry_at = 0, None, None
        channels.save(tx, [state])
        if messages.awaited(tx, message):
            return _ask_again(tx, attempt, now)
        return _deliver(tx, message, channel, now)
    if messages.taken_by_some(tx, message):
        # The others' refusal is final, or they are asked again; for those who have it nothing changes.
        if failure.failure_class is FailureClass.REJECTED:
            refused = dict.fromkeys(attempt.sent.recipients, (Answer.REFUSED, failure.code))
            messages.answer(tx, message, refused, now)
            return _deliver(tx, message, channel, now)
        return _ask_again(tx, attempt, now)
    return _rest(tx, attempt, failure, channel, state, now)


def _deliver(tx: Tx, message: Message, channel: ChannelPolicy, now: int) -> Settled:
    arrivals = messages.arrivals(tx, message)
    told = messages.tell(tx, message, now)
    messages.settle(tx, message, State.SENT, now)
    postings = Postings()
    postings.outcome(message.channel_id, Outcome.DELIVERED, told)
    postings.post(tx, now)
    [group] = deliveries.groups_by_id(tx, [message.group_id])
    group.last_sent_at, group.failures = now, 0
    if group.truncated == message.truncated:
        group.truncated = 0
    # What came meanwhile is due no sooner than the cooldown that begins now.
    group.due_at = None
    grouping.schedule(group, channel, now)
    deliveries.save_groups(tx, [group])
    return Settled(told, arrivals)


def _ask_again(tx: Tx, attempt: Attempt, now: int) -> Settled:
    """Some recipients have it, others said "later": the same bytes go to those, and delay no other message."""
    message = attempt.sent.message
    later = Failure(FailureClass.TRANSIENT, "recipients_deferred")
    messages.retry(tx, message, now + retrying.after(later, message.attempts + 1, attempt.jitter))
    return Settled()


def _rest(tx: Tx, attempt: Attempt, failure: Failure, channel: ChannelPolicy, state: ChannelState, now: int) -> Settled:
    message = attempt.sent.message
    state.failures += 1
    state.failure_class = failure.failure_class
    rest = retrying.after(failure, state.failures, attempt.jitter)
    state.retry_at = now + rest
    if failure.may_be_taken:
        messages.retry(tx, message, state.retry_at)
    else:
        state.bucket = throttling.given_back(state.bucket, channel.throttle, now)
        release(tx, message, channel, now, failed=True)
    channels.save(tx, [state])
    return Settled(rest=rest)
