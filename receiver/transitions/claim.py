"""The third hop: a channel takes the group whose turn it is, or several as one digest, and fixes who is in its message.

Of each channel at most one message is on its way. One whose bytes are fixed goes first, again and byte for byte,
because its provider may have it; one that never got that far dissolves, because its provider surely has not.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from receiver.core import grouping, throttling
from receiver.core.content import Content, Failover, Incidents, Line, NoticeKind, Told
from receiver.core.grouping import Group, Reason, WaitUntil
from receiver.core.policy import ChannelPolicy, Policy
from receiver.core.retrying import LONGEST_RETRY
from receiver.core.throttling import Fold, Queue
from receiver.store import channels, contents, groups, messages, notices, schema
from receiver.store.channels import ChannelState
from receiver.store.connect import Tx
from receiver.store.deliveries import ALL
from receiver.store.messages import Message, State
from receiver.store.notices import Waiting
from receiver.transitions.mute import hold_back
from receiver.transitions.notify import INTERVAL
from receiver.transitions.release import deliver, release
from receiver.transitions.reroute import follow
from receiver.transitions.threads import end_threads, ended

# Then others of the channel have their turn first.
YIELDS_AFTER = 3


@dataclass(frozen=True, slots=True)
class Claimed:
    """A new message: its members are fixed, its bytes are to be made from ``content``.

    ``plain``: its provider has refused the usual form, so it gets the plainest one.
    """

    message: Message
    content: Content
    plain: bool = False


@dataclass(frozen=True, slots=True)
class ClaimedNotice:
    """A new message of what the receiver has to say of itself: its bytes are to be made from ``incidents``."""

    message: Message
    incidents: Incidents


@dataclass(frozen=True, slots=True)
class Repeat:
    """A message whose bytes are fixed: they go to those who have not answered.

    ``in_doubt``: its provider may have it from an earlier attempt, or from a process that is no more.
    """

    message: Message
    payload: bytes
    recipients: tuple[str, ...]
    in_doubt: bool


@dataclass(frozen=True, slots=True)
class Rest:
    """Nothing to send before ``until`` (None: before something new arrives).

    ``heeds_news`` is False while nothing that arrives could go out sooner. ``throttled``: news has begun to wait for
    a token.
    """

    until: int | None
    heeds_news: bool = True
    throttled: bool = False


def claim(tx: Tx, channel_name: str, uid: str, policy: Policy, now: int) -> Claimed | ClaimedNotice | Repeat | Rest:
    """What the channel sends next. ``uid`` is the id of the message that may be made."""
    channel = next(channel for channel in policy.channels if channel.name == channel_name)
    state = channels.load(tx)[channel_name]
    _heed_the_clock(tx, state, channel, now)
    open_messages = _sendable(tx, state, channel, policy, now)
    if state.retry_at is not None and state.retry_at > now:
        return Rest(state.retry_at, heeds_news=state.probes)
    queue = groups.queue(tx, state.id, now)
    again = _to_repeat(open_messages, queue, channel, now)
    notice = notices.first_due(tx, state.id, now) if again is None and not queue.urgent else None
    if again is None and notice is None and not queue.groups:
        return _rest(tx, state, open_messages)
    if again is not None:
        token_at = throttling.token_at(state.bucket, channel.throttle, now)
        if token_at > now:
            return _throttled(tx, state, channel, token_at, now)
        _take_token(tx, state, channel, now)
        return Repeat(again, messages.payload(tx, again), tuple(messages.awaited(tx, again)), in_doubt=True)
    if notice is not None and throttling.token_at(state.bucket, channel.throttle, now) <= now:
        _take_token(tx, state, channel, now)
        return _claim_notice(tx, state, notice, uid, channel, now)
    if not queue.groups:
        return _throttled(tx, state, channel, throttling.token_at(state.bucket, channel.throttle, now), now)
    gather = throttling.gathers(channel, state.failing_since, now, catching_up=state.catching_up)
    plan = throttling.plan(queue, state.bucket, channel, state.last_digest_at, now, gather=gather)
    if isinstance(plan, WaitUntil):
        return _throttled(tx, state, channel, plan.at, now)
    mutes, held = hold_back(tx, state.id, channel, policy, now)
    if held:
        # Fewer are due than it seemed: the turn is given anew.
        return claim(tx, channel_name, uid, policy, now)
    limit = (state.largest_digest or ALL) if isinstance(plan, Fold) else 1
    chosen = groups.first(tx, state.id, now, limit, urgent_only=plan.urgent_only)
    reason = _reason(state, chosen)
    if len(chosen) == queue.groups:
        state.throttled_at = None
    _take_token(tx, state, channel, now)
    # It may have ended without a message: unsaid, or by being confirmed no more.
    end_threads(tx, chosen, channel, policy, now)
    message = _mark(tx, state, chosen, reason, uid, channel, now)
    failovers: tuple[Failover, ...] = ()
    if any(each.fallback for each in policy.channels):
        failovers = contents.failovers(tx, message)
        if failovers and reason not in (Reason.RECOVERED, Reason.CATCH_UP):
            message = messages.explain(tx, message, Reason.FAILOVER)
    content = _compose(tx, message, chosen, channel, mutes, failovers, policy, now)
    return Claimed(message, content, plain=len(chosen) == 1 and chosen[0].refused_at is not None)


def _heed_the_clock(tx: Tx, state: ChannelState, channel: ChannelPolicy, now: int) -> None:
    """Waits on disk are no longer than their own length, also where the clock has stepped back."""
    longest = max(channel.group_wait, channel.group_interval)
    groups.clamp_due(tx, state.id, now + longest, now + max(longest, LONGEST_RETRY))
    notices.clamp_due(tx, state.id, now + INTERVAL)
    if state.bucket.at > now:
        state.bucket = replace(state.bucket, at=now)
        channels.save(tx, [state])
    if state.failed_at is not None and state.failed_at > now:
        if state.retry_at is not None:
            state.retry_at -= state.failed_at - now
        if state.rests_until is not None:
            state.rests_until -= state.failed_at - now
        state.failed_at = now
        channels.save(tx, [state])
        messages.hasten(tx, state.id, state.retry_at or now)


def _sendable(tx: Tx, state: ChannelState, channel: ChannelPolicy, policy: Policy, now: int) -> list[Message]:
    """The open messages whose bytes can go again.

    What was claimed by a process that is no more, and never fixed, dissolves; so does what was fixed for another
    kind of channel under the same name.
    """
    sendable = []
    for message in messages.open_messages(tx, state.id):
        if message.state is State.CLAIMED:
            state.bucket = throttling.given_back(state.bucket, channel.throttle, now)
            channels.save(tx, [state])
            # Whatever ended the process, or kept its bytes from being made, did not get it through.
            release(tx, message, channel, now, failed=True)
            follow(tx, message, state, channel, policy, now)
        elif message.channel_kind == channel.kind:
            sendable.append(message)
        elif message.state is State.PARTIAL:
            # Those who have it, have it; the others are no longer told this way.
            deliver(tx, message, now)
        else:
            release(tx, message, channel, now)
            follow(tx, message, state, channel, policy, now)
    return sendable


def _to_repeat(open_messages: Sequence[Message], queue: Queue, channel: ChannelPolicy, now: int) -> Message | None:
    """The message whose bytes go again; after three failures it lets groups that are due go first, for a time."""
    for message in open_messages:
        retry_at = now if message.retry_at is None else message.retry_at
        if retry_at <= now:
            patient = message.attempts >= YIELDS_AFTER and now < retry_at + throttling.longest_wait(channel)
            return None if patient and queue.groups else message
    return None


def _rest(tx: Tx, state: ChannelState, open_messages: Sequence[Message]) -> Rest:
    """Nothing is due: what a downtime has left over is told."""
    if state.catching_up or state.throttled_at is not None:
        state.catching_up, state.throttled_at = False, None
        channels.save(tx, [state])
    instants = [groups.next_due_at(tx, state.id), notices.next_due_at(tx, state.id)]
    instants += [message.retry_at for message in open_messages]
    return Rest(min((instant for instant in instants if instant is not None), default=None))


def _throttled(tx: Tx, state: ChannelState, channel: ChannelPolicy, until: int, now: int) -> Rest:
    first = state.throttled_at is None
    state.throttled_at = now
    channels.save(tx, [state])
    # A token that is left is for urgent news, should some arrive.
    return Rest(until, heeds_news=throttling.token_at(state.bucket, channel.throttle, now) <= now, throttled=first)


def _take_token(tx: Tx, state: ChannelState, channel: ChannelPolicy, now: int) -> None:
    state.bucket = throttling.taken(state.bucket, channel.throttle, now)
    channels.save(tx, [state])


def _reason(state: ChannelState, chosen: Sequence[Group]) -> Reason:
    """Why this message goes out now, the most recent obstacle first."""
    if state.failures:
        return Reason.RECOVERED
    if state.catching_up:
        return Reason.CATCH_UP
    first = chosen[0]
    assert first.due_at is not None, "a due group knows since when"
    assert first.due_reason is not None, "a due group has its reason"
    waited = state.throttled_at is not None and first.due_at <= state.throttled_at
    return Reason.THROTTLED if waited or len(chosen) > 1 else first.due_reason


def _claim_notice(
    tx: Tx, state: ChannelState, notice: Waiting, uid: str, channel: ChannelPolicy, now: int
) -> ClaimedNotice:
    """Make the message of what the receiver has to say of itself."""
    message = Message(
        id=tx.new_id(schema.message),
        uid=uid,
        channel_id=state.id,
        channel_kind=channel.kind,
        kind="notice",
        reason=Reason.WAIT,
        state=State.CLAIMED,
        items=0,
        truncated=0,
        claimed_at=now,
        groups=0,
    )
    messages.claim_notice(tx, message)
    notices.claim(tx, notice, message.id)
    kind, when = NoticeKind(notice.kind), (notice.first_at, notice.last_at)
    return ClaimedNotice(message, Incidents(state.name, uid, now, kind, notice.n, notice.details, *when))


def _mark(
    tx: Tx, state: ChannelState, chosen: Sequence[Group], reason: Reason, uid: str, channel: ChannelPolicy, now: int
) -> Message:
    """Make the message of these groups: all that waits in them is on its way."""
    message = Message(
        id=tx.new_id(schema.message),
        uid=uid,
        channel_id=state.id,
        channel_kind=channel.kind,
        kind="group" if len(chosen) == 1 else "digest",
        reason=reason,
        state=State.CLAIMED,
        items=sum(group.waiting for group in chosen),
        truncated=sum(group.truncated for group in chosen),
        claimed_at=now,
        groups=len(chosen),
    )
    messages.carry(tx, message.id, [(group.id, group.urgent > 0, group.truncated) for group in chosen])
    for group in chosen:
        group.message_id = message.id
        group.waiting = group.openings = group.urgent = group.reminders = group.severity = group.truncated = 0
        group.oldest_at = group.due_at = group.due_reason = None
    groups.save(tx, chosen)
    messages.claim(tx, message, send_resolved=channel.send_resolved)
    return message


def _compose(
    tx: Tx,
    message: Message,
    chosen: Sequence[Group],
    channel: ChannelPolicy,
    mutes: int,
    failovers: tuple[Failover, ...],
    policy: Policy,
    now: int,
) -> Content:
    levels = policy.severity.levels
    counts = contents.counts(tx, message)
    urgent = contents.urgent(tx, message)
    lines, external_url = contents.lines(tx, message, levels, urgent)
    also = contents.also_firing(tx, message, levels, now - policy.expire_after)
    group = chosen[0] if len(chosen) == 1 else None
    total = contents.totals(tx, message, levels) if sum(counts.values()) > len(lines) else None
    return Content(
        channel=channel.name,
        uid=message.uid,
        kind=message.kind,
        reason=message.reason,
        composed_at=now,
        group={name: value for name, value in group.labels.items() if value} if group else {},
        firing=counts.get(Told.FIRING, 0),
        resolved=counts.get(Told.RESOLVED, 0),
        fired_and_resolved=counts.get(Told.FIRED_AND_RESOLVED, 0),
        lines=lines,
        also_firing=also.n,
        also_firing_lines=also.lines,
        also_confirmed_at=also.confirmed_at,
        truncated=message.truncated,
        external_url=external_url,
        groups=len(chosen),
        urgent=urgent,
        mutes=mutes,
        failovers=failovers,
        mentions=_mentions(lines, channel),
        thread=grouping.thread(group, channel.kind) if group else None,
        totals=total,
        lacking=tuple(name for name, value in group.labels.items() if not value) if group else (),
        ended=() if group else ended(tx, chosen, channel, policy, now),
    )


def _mentions(lines: Sequence[Line], channel: ChannelPolicy) -> tuple[str, ...]:
    """Whom the configuration has mentioned for the urgent ones of these, each once."""
    urgent = (channel.mentions.get(line.severity) for line in lines if line.urgent)
    return tuple(dict.fromkeys(whom for whom in urgent if whom))


def hasten(tx: Tx, channel_name: str, now: int) -> None:
    """The provider answers again: what rests after a failure is tried now."""
    channels.probe(tx, [channels.load(tx)[channel_name].id], now)


def fix(
    tx: Tx, claimed: Claimed | ClaimedNotice, subject: str, payload: bytes, recipients: Sequence[str]
) -> Repeat | None:
    """Fix the message's bytes before its first attempt; from here on its provider may have them.

    None where it was given up meanwhile, because its channel stayed removed.
    """
    if not messages.fix(tx, claimed.message, subject, payload, recipients):
        return None
    return Repeat(replace(claimed.message, state=State.UNKNOWN), payload, tuple(recipients), in_doubt=False)
