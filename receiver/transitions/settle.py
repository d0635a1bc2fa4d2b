"""The fifth hop: what became of an attempt is entered in the books."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from receiver.core import grouping, retrying, throttling
from receiver.core.entries import Outcome
from receiver.core.policy import ChannelPolicy, Policy
from receiver.core.retrying import Failure, FailureClass, Refused
from receiver.store import channels, groups, messages, notices
from receiver.store.channels import ChannelState
from receiver.store.connect import Tx
from receiver.store.messages import Answer, Message, State
from receiver.transitions.claim import Repeat
from receiver.transitions.failover import hand_over, relieve
from receiver.transitions.notify import announce_dead
from receiver.transitions.release import bury, deliver, release
from receiver.transitions.reroute import follow
from receiver.transitions.threads import end_threads

# Some recipients said "later" while others took the mail.
DEFERRED = Failure(FailureClass.TRANSIENT, "recipients_deferred")


@dataclass(frozen=True, slots=True)
class Attempt:
    """One attempt that has ended. ``began_at`` in UTC milliseconds, ``took`` in milliseconds.

    ``answers`` are the recipients' own, where they answer for themselves. ``failure`` is None when the provider
    took the message, ``thread`` what its channel then said for later ones of the group to belong to it. ``jitter`` in
    [0, 1) spreads the retries of many receivers.
    """

    sent: Repeat
    began_at: int
    took: int
    answers: dict[str, tuple[Answer, int | None]]
    code: int | None = None
    failure: Failure | None = None
    jitter: float = 0.0
    thread: str | None = None


@dataclass(frozen=True, slots=True)
class Settled:
    """The message is ``sent``: ``told`` alerts are delivered (their arrivals as (instant, how many)).

    Or it is tried again in ``rest`` ms, for those who have not got it. Or it was refused for good: then so many alerts
    are ``dead``, or have ``failed_over``. None of these: it was given up meanwhile. ``due``: when other channels have
    news due because of this; ``sweep_at``: when there may be something to sweep.
    ``failed_since``: the channel had failed since then, and works again.
    """

    sent: bool = False
    told: int = 0
    arrivals: Sequence[tuple[int, int]] = ()
    rest: int | None = None
    refused: bool = False
    dead: int = 0
    failed_over: int = 0
    due: Mapping[str, int] = field(default_factory=dict)
    sweep_at: int | None = None
    failed_since: int | None = None


def settle(tx: Tx, attempt: Attempt, policy: Policy, now: int) -> Settled:
    """Deliver, dissolve or keep the message, as the attempt ended."""
    message, failure = attempt.sent.message, attempt.failure
    if not messages.is_open(tx, message):
        # It was given up while the attempt was under way, because its channel stayed removed.
        messages.attempted(tx, message, attempt.began_at, attempt.took, attempt.code, failure)
        return Settled()
    state = next(state for state in channels.load(tx).values() if state.id == message.channel_id)
    channel = next(channel for channel in policy.channels if channel.name == state.name)
    messages.attempted(tx, message, attempt.began_at, attempt.took, attempt.code, failure)
    messages.answer(tx, message, attempt.answers, now)
    failed_since = state.failing_since
    if failure is None:
        _note_taken(state, attempt.sent, channel, now)
        channels.save(tx, [state])
        settled = replace(_taken(tx, attempt, channel, policy, now), failed_since=failed_since)
    elif message.state is State.PARTIAL:
        return _refused_by_some(tx, attempt, failure, now)
    else:
        settled = _failed(tx, attempt, failure, channel, state, policy, now)
    follow(tx, message, state, channel, policy, now)
    # From the first failure on it is known when the fallback is to tell what is due here.
    return settled if failure is None or channel.fallback is None else replace(settled, sweep_at=now)


def _note_taken(state: ChannelState, sent: Repeat, channel: ChannelPolicy, now: int) -> None:
    """The channel works."""
    message = sent.message
    gathers = throttling.gathers(channel, state.failing_since, now, catching_up=state.catching_up)
    # After an outage old bytes or a notice may have gone first: what is due now is still to be told in one message.
    state.catching_up = gathers and (sent.in_doubt or message.kind == "notice")
    state.failures, state.failure_class, state.failing_since = 0, None, None
    state.retry_at = state.rests_until = None
    state.accepted_at, state.refusals = now, 0
    if message.kind == "digest":
        state.last_digest_at = now
    if state.largest_digest is not None and message.kind != "notice":
        # What made a larger one unacceptable may be over.
        state.largest_digest = None if message.groups < state.largest_digest else 2 * state.largest_digest


def _taken(tx: Tx, attempt: Attempt, channel: ChannelPolicy, policy: Policy, now: int) -> Settled:
    """The provider has it, at least for some: its groups were told, and cool down."""
    message = attempt.sent.message
    if message.state is not State.PARTIAL:
        messages.tell(tx, message, now)
        _cool(tx, message, attempt.thread, channel, policy, now)
        if any(each.fallback == channel.name for each in policy.channels):
            relieve(tx, message, policy, now)
    for older in messages.outdate(tx, message, now):
        deliver(tx, older, now)
    if not messages.awaited(tx, message):
        return _delivered(tx, message, now)
    # Recipients who said "later" are asked again, with the same bytes, and delay no other message.
    messages.keep_partial(tx, message)
    rest = retrying.after(DEFERRED, message.attempts + 1, attempt.jitter)
    messages.retry(tx, message, now + rest)
    return Settled(rest=rest)


def _cool(tx: Tx, message: Message, thread: str | None, channel: ChannelPolicy, policy: Policy, now: int) -> None:
    told = groups.of_message(tx, message.id)
    if message.kind == "group":
        for group in told:
            belongs_to = thread or grouping.thread(group, message.channel_kind) or message.uid
            group.thread = f"{message.channel_kind}:{belongs_to}"
    end_threads(tx, told, channel, policy, now)
    urgent = {id_: urgent for id_, (urgent, _) in messages.carried(tx, message.id).items()}
    for group in told:
        group.message_id = None
        grouping.tell(group, now, urgent=urgent[group.id])
        grouping.schedule(group, channel, now)
    groups.save(tx, told)


def _delivered(tx: Tx, message: Message, now: int) -> Settled:
    """Every recipient has answered."""
    told, arrivals = deliver(tx, message, now)
    return Settled(sent=True, told=told, arrivals=arrivals)


def _note_refusal(state: ChannelState, now: int) -> None:
    """A message was refused alone. When all are, it is not the messages that are wrong: somebody has to look."""
    state.refusals += 1
    if state.refusals >= retrying.REFUSALS_OF_A_CHANNEL:
        state.failures += 1
        state.failure_class, state.probes = FailureClass.MISCONFIGURED, False
        state.failed_at, state.retry_at = now, now + retrying.LONGEST_RETRY
        if state.failing_since is None:
            state.failing_since = now


def _refused_by_some(tx: Tx, attempt: Attempt, failure: Failure, now: int) -> Settled:
    """Others have it already; those asked this time have said no for good, or are asked again."""
    message = attempt.sent.message
    if failure.failure_class is FailureClass.REJECTED:
        refused = dict.fromkeys(attempt.sent.recipients, (Answer.REFUSED, failure.code))
        messages.answer(tx, message, refused, now)
        return _delivered(tx, message, now)
    rest = retrying.after(failure, message.attempts + 1, attempt.jitter)
    messages.retry(tx, message, now + rest)
    return Settled(rest=rest)


def _failed(
    tx: Tx,
    attempt: Attempt,
    failure: Failure,
    channel: ChannelPolicy,
    state: ChannelState,
    policy: Policy,
    now: int,
) -> Settled:
    """Nobody is known to have it: dissolve it, or keep its bytes while somebody may."""
    message, kind = attempt.sent.message, failure.failure_class
    if kind is FailureClass.REJECTED:
        return _rejected(tx, attempt, failure, channel, state, policy, now)
    rest = _rest(state, failure, attempt.jitter, now)
    _note_failure(state, failure)
    state.failed_at = now
    state.retry_at = state.rests_until = now + rest
    # A provider that asks for patience gets it; one that can't be reached may be back.
    state.probes = kind is FailureClass.TRANSIENT and failure.retry_after is None
    if state.failing_since is None:
        state.failing_since = now
    # What needs a person is over only when something goes through.
    if state.failure_class != FailureClass.MISCONFIGURED:
        state.failure_class = kind
    if not failure.may_be_taken:
        state.bucket = throttling.given_back(state.bucket, channel.throttle, now)
    if failure.may_be_taken or attempt.sent.in_doubt:
        messages.retry(tx, message, now + rest)
    else:
        release(tx, message, channel, now, failed=True)
    channels.save(tx, [state])
    return Settled(rest=rest)


def _rest(state: ChannelState, failure: Failure, jitter: float, now: int) -> int:
    """How long the channel rests. An attempt before its time, for urgent news say, makes the rest no longer."""
    passes = failure.failure_class is FailureClass.TRANSIENT and failure.retry_after is None
    if passes and state.failures and state.rests_until is not None and now < state.rests_until:
        return max(retrying.FIRST_RETRY, state.rests_until - now)
    state.failures += 1
    return retrying.after(failure, state.failures, jitter)


def _note_failure(state: ChannelState, failure: Failure) -> None:
    state.failure_reason, state.failure_code = failure.reason, failure.code


def _give_up(tx: Tx, message: Message, failure: Failure, channel: ChannelPolicy, policy: Policy, now: int) -> Settled:
    """Nobody will ever take it here: what it tells goes to the fallback at once, or is dead and somebody is told so."""
    if channel.fallback is not None:
        lost = bury(tx, message, Outcome.FAILED_OVER, channel, now)
        due = hand_over(tx, message, Outcome.FAILED_OVER, channel, policy, now)
        return Settled(refused=True, failed_over=lost, due=due)
    # Of a notice there is none: one that nobody takes is in the log, and a notice about a notice would have no end.
    lost = bury(tx, message, Outcome.DEAD, channel, now)
    due = announce_dead(tx, channel, message, lost, failure.reason, policy, now) if lost else {}
    return Settled(refused=True, dead=lost, due=due)


def _rejected(
    tx: Tx,
    attempt: Attempt,
    failure: Failure,
    channel: ChannelPolicy,
    state: ChannelState,
    policy: Policy,
    now: int,
) -> Settled:
    """The provider refuses this message, not the channel: it rests alone, and the channel's others go on.

    A digest comes back in smaller ones. A group's message comes back in its plainest form; when that is refused too,
    and the provider has taken another message meanwhile, its members are dead.
    """
    message = attempt.sent.message
    state.bucket = throttling.given_back(state.bucket, channel.throttle, now)
    _note_failure(state, failure)
    refused = groups.of_message(tx, message.id)
    first = min((group.refused_at for group in refused if group.refused_at is not None), default=None)
    if message.kind == "notice":
        first = notices.refused_at(tx, message.id)
    decision = retrying.after_refusal(message.groups, first, state.accepted_at)
    if decision is Refused.HALVE:
        state.largest_digest = max(1, message.groups // 2)
    elif decision is Refused.PLAIN:
        for group in refused:
            group.refused_at = now if group.refused_at is None else group.refused_at
        groups.save(tx, refused)
        notices.refuse(tx, message.id, now, now + retrying.LONGEST_RETRY)
        _note_refusal(state, now)
    channels.save(tx, [state])
    if decision is Refused.DEAD:
        return _give_up(tx, message, failure, channel, policy, now)
    alone = decision is Refused.PLAIN
    rest = retrying.after(failure, 1, attempt.jitter) if alone else 0
    release(tx, message, channel, now, failed=alone, rest=rest)
    return Settled(rest=rest)
