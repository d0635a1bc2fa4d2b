"""Messages: the deliveries they tell, their fixed bytes, their attempts."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from sqlalchemy import and_, bindparam, case, exists, false, func, insert, or_, select, update

from receiver.core.alerts import Status
from receiver.core.content import Told
from receiver.core.entries import Delivery, Outcome, Phase
from receiver.core.retrying import Failure
from receiver.store import schema
from receiver.store.connect import Tx
from receiver.store.upserts import inserting


class State(StrEnum):
    """Where a message is.

    ``CLAIMED``: its members are fixed, nothing was sent. ``UNKNOWN``: its bytes are fixed and a provider may have
    them. ``PARTIAL``: some recipients have it, the others are asked again. The others are final; ``DISSOLVED`` means
    that its members wait again.
    """

    CLAIMED = "claimed"
    UNKNOWN = "unknown"
    PARTIAL = "partial"
    SENT = "sent"
    DISSOLVED = "dissolved"
    DEAD = "dead"


class Answer(StrEnum):
    """A recipient's own answer to a message.

    ``OVERTAKEN``: it took a newer message of the group first. ``EXPIRED``: it said "later" until nobody asked any more.
    """

    AWAITED = "awaited"
    ACCEPTED = "accepted"
    REFUSED = "refused"
    OVERTAKEN = "overtaken"
    EXPIRED = "expired"


@dataclass(frozen=True, slots=True)
class Message:
    """One message's row, without its bytes."""

    id: int
    uid: str
    channel_id: int
    channel_kind: str
    kind: str
    reason: str
    state: State
    items: int
    truncated: int
    claimed_at: int
    groups: int = 1
    outdated: bool = False
    attempts: int = 0
    retry_at: int | None = None


_m, _i, _d, _e = schema.message, schema.message_item, schema.delivery, schema.episode

_COLUMNS = [column for column in _m.columns if column.name not in ("payload", "subject", "settled_at")]
_OPEN = (
    select(*_COLUMNS).where(_m.c.channel_id == bindparam("channel"), schema.IS_OPEN).order_by(_m.c.retry_at, _m.c.id)
)
_IS_STILL_OPEN = select(func.count()).where(_m.c.id == bindparam("message"), schema.IS_OPEN)
_OUTDATE_POLICY = update(_m).where(_m.c.channel_id == bindparam("channel"), schema.IS_OPEN).values(outdated=True)
_HAS_OUTDATED_POLICY = select(_m.c.outdated).where(_m.c.id == bindparam("message"))
_HASTEN = (
    update(_m)
    .where(_m.c.channel_id == bindparam("channel"), schema.IS_OPEN, _m.c.retry_at > bindparam("latest"))
    .values(retry_at=bindparam("latest"))
)
_BY_UID = select(*_COLUMNS).where(_m.c.uid == bindparam("uid"))
_OLDEST_UNDER_WAY = select(func.min(_m.c.claimed_at)).where(
    _m.c.channel_id == bindparam("channel"), schema.IS_OPEN, _m.c.state != State.PARTIAL
)
_EXPLAIN = update(_m).where(_m.c.id == bindparam("message")).values(reason=bindparam("why"))
_PAYLOAD = select(_m.c.payload).where(_m.c.id == bindparam("message"))
_INSERT = _m.insert()
_CARRY = inserting(schema.message_group)
_CARRIED = select(schema.message_group).where(schema.message_group.c.message_id == bindparam("message"))
_FIX = (
    update(_m)
    .where(_m.c.id == bindparam("message"), _m.c.state == State.CLAIMED)
    .values(state=State.UNKNOWN, subject=bindparam("subject"), payload=bindparam("payload"))
)
# The bytes served their purpose once a message is settled.
_SETTLE = (
    update(_m)
    .where(_m.c.id == bindparam("message"))
    .values(state=bindparam("state"), settled_at=bindparam("now"), payload=None)
)
_PARTIAL = update(_m).where(_m.c.id == bindparam("message")).values(state=State.PARTIAL)
_RETRY = update(_m).where(_m.c.id == bindparam("message")).values(attempts=_m.c.attempts + 1, retry_at=bindparam("at"))
_owed = _d.alias("owed")
_OWES_END = exists().where(
    _owed.c.episode_id == _d.c.owes, _owed.c.channel_id == _d.c.channel_id, _owed.c.told == Status.FIRING
)
_LINE = case(
    (_d.c.status == Status.FIRING, Told.FIRING.value),
    (and_(_d.c.told.is_(None), or_(~_OWES_END, bindparam("ends_unwanted"))), Told.FIRED_AND_RESOLVED.value),
    else_=Told.RESOLVED.value,
)
_OF_GROUPS = _d.c.group_id.in_(
    select(schema.alert_group.c.id).where(
        schema.alert_group.c.message_id.is_not(None), schema.alert_group.c.message_id == bindparam("message")
    )
)
_CLAIM_ITEMS = insert(_i).from_select(
    ["message_id", "episode_id", "version", "status", "line", "since", "severity"],
    select(
        bindparam("message"),
        _d.c.episode_id,
        _d.c.version,
        _d.c.status,
        _LINE,
        _d.c.since,
        _d.c.severity,
    ).where(_OF_GROUPS, _d.c.phase == Phase.WAITING),
)
_CLAIM_DELIVERIES = (
    update(_d).where(_OF_GROUPS, _d.c.phase == Phase.WAITING).values(phase=Phase.SENDING, claimed=_d.c.version)
)
_INSERT_ITEM = inserting(_i)
_MEMBER = and_(
    _i.c.message_id == bindparam("message"),
    _d.c.episode_id == _i.c.episode_id,
    _d.c.channel_id == bindparam("channel"),
)
_UNCHANGED = _d.c.version == _i.c.version
_heir = _d.alias("heir")
# A newer life of the alert waits to be told on the channel; one that another peer may still deny says nothing yet.
_HAS_NEWER_LIFE = exists().where(
    _heir.c.owes == _d.c.episode_id,
    _heir.c.channel_id == _d.c.channel_id,
    or_(_heir.c.phase == Phase.WAITING, and_(_heir.c.phase == Phase.HELD, _heir.c.muted)),
)
_IS_OVER = exists().where(_e.c.id == _d.c.episode_id, _e.c.closed_at.is_not(None))
_TOLD = (
    update(_d)
    .where(_MEMBER)
    .values(
        told=_i.c.status,
        told_at=bindparam("now"),
        claimed=None,
        muted=case((_UNCHANGED, false()), else_=_d.c.muted),
        # What displaced a newer entry meanwhile has left nothing that waits.
        phase=case((_UNCHANGED, Phase.IDLE.value), (_d.c.phase == Phase.SENDING, Phase.IDLE.value), else_=_d.c.phase),
    )
)
# Where a newer life had begun already when the message was composed, it is that one which people take for firing.
_TOLD_OF_NEWER_LIFE = (
    update(_d)
    .where(
        _d.c.owes.in_(
            select(_i.c.episode_id).where(_i.c.message_id == bindparam("message"), _i.c.status == Status.FIRING)
        ),
        _d.c.channel_id == bindparam("channel"),
        _d.c.phase == Phase.IDLE,
        _d.c.status == Status.FIRING,
        _d.c.told.is_(None),
        exists().where(_e.c.id == _d.c.episode_id, _e.c.opened_at <= bindparam("claimed_at"), _e.c.opens_at.is_(None)),
    )
    .values(told=Status.FIRING, told_at=bindparam("now"))
)
_WAIT_AGAIN = (
    update(_d)
    .where(_MEMBER)
    .values(
        claimed=None,
        phase=case(
            (and_(_UNCHANGED, ~_HAS_NEWER_LIFE), Phase.WAITING.value),
            (_d.c.phase == Phase.SENDING, Phase.IDLE.value),
            else_=_d.c.phase,
        ),
        # Its end may have come with a newer life alone; then it fires no more.
        status=case((and_(_UNCHANGED, ~_HAS_NEWER_LIFE, _IS_OVER), Status.RESOLVED.value), else_=_d.c.status),
    )
)
# Of a life that was told neither now nor before, nothing is owed; but what it owed itself still is.
_PASS_ON = (
    update(_d)
    .where(
        _d.c.owes.in_(select(_i.c.episode_id).where(_i.c.message_id == bindparam("message"))),
        _d.c.channel_id == bindparam("channel"),
        exists().where(
            _owed.c.episode_id == _d.c.owes,
            _owed.c.channel_id == _d.c.channel_id,
            _owed.c.phase == Phase.IDLE,
            _owed.c.told.is_(None),
        ),
    )
    .values(
        owes=select(_owed.c.owes)
        .where(_owed.c.episode_id == _d.c.owes, _owed.c.channel_id == _d.c.channel_id)
        .scalar_subquery()
    )
)
_GIVE_UP = (
    update(_d)
    .where(_MEMBER)
    .values(claimed=None, phase=case((_d.c.phase == Phase.SENDING, Phase.IDLE.value), else_=_d.c.phase))
)
_LOST = update(_i).where(_MEMBER, _UNCHANGED, ~_HAS_NEWER_LIFE).values(outcome=bindparam("outcome"))
_OVERTAKEN = update(_i).where(_MEMBER, or_(~_UNCHANGED, _HAS_NEWER_LIFE)).values(outcome=Outcome.SUPERSEDED)
_DELIVERED = update(_i).where(_i.c.message_id == bindparam("message")).values(outcome=Outcome.DELIVERED)
_ARRIVALS = (
    select(_i.c.since, func.count().label("n")).where(_i.c.message_id == bindparam("message")).group_by(_i.c.since)
)
_ATTEMPT = schema.attempt.insert()
_r, _newer = schema.recipient, schema.recipient.alias("newer")
_EXPECT = inserting(_r)
_AWAITED = select(_r.c.address).where(_r.c.message_id == bindparam("message"), _r.c.state == Answer.AWAITED)
_OVERTAKE = (
    update(_r)
    .where(
        _r.c.message_id == bindparam("older"),
        _r.c.state == Answer.AWAITED,
        _r.c.address.in_(
            select(_newer.c.address).where(_newer.c.message_id == bindparam("newer"), _newer.c.state == Answer.ACCEPTED)
        ),
    )
    .values(state=Answer.OVERTAKEN, at=bindparam("now"))
)
_ANSWERED = (
    update(_r)
    .where(_r.c.message_id == bindparam("message"), _r.c.address == bindparam("recipient"))
    .values(state=bindparam("answer"), code=bindparam("answer_code"), at=bindparam("now"))
)


def open_messages(tx: Tx, channel_id: int) -> list[Message]:
    """The channel's messages that are neither sent nor given up, the one longest due for another attempt first."""
    return [_message(row) for row in tx.rows(_OPEN, {"channel": channel_id})]


def oldest_under_way(tx: Tx, channel_id: int) -> int | None:
    """When the oldest message of the channel was claimed that nobody is known to have."""
    at: int | None = tx.scalar(_OLDEST_UNDER_WAY, {"channel": channel_id})
    return at


def by_uid(tx: Tx, uid: str) -> Message | None:
    """The message with this id."""
    return next((_message(row) for row in tx.rows(_BY_UID, {"uid": uid})), None)


def _message(row: Mapping[str, Any]) -> Message:
    return Message(**{**row, "state": State(row["state"])})


def is_open(tx: Tx, message: Message) -> bool:
    """Whether the message is still neither sent nor given up."""
    return bool(tx.scalar(_IS_STILL_OPEN, {"message": message.id}))


def outdate_policy(tx: Tx, channel_id: int) -> None:
    """Note that the channel's policy has changed while its messages are on their way."""
    tx.run(_OUTDATE_POLICY, {"channel": channel_id})


def has_outdated_policy(tx: Tx, message: Message) -> bool:
    """Whether the policy of its channel has changed since the message was claimed."""
    return bool(tx.scalar(_HAS_OUTDATED_POLICY, {"message": message.id}))


def hasten(tx: Tx, channel_id: int, latest: int) -> None:
    """No message of the channel waits longer than this for its next attempt."""
    tx.run(_HASTEN, {"channel": channel_id, "latest": latest})


def payload(tx: Tx, message: Message) -> bytes:
    """The message's fixed bytes."""
    fixed: bytes = tx.scalar(_PAYLOAD, {"message": message.id})
    return fixed


def claim(tx: Tx, message: Message, *, send_resolved: bool) -> None:
    """Insert the message with all that waits in the groups that are marked as its own."""
    tx.run(_INSERT, {name: getattr(message, name) for name in Message.__slots__})
    tx.run(_CLAIM_ITEMS, {"message": message.id, "ends_unwanted": not send_resolved})
    tx.run(_CLAIM_DELIVERIES, {"message": message.id})


def claim_notice(tx: Tx, message: Message) -> None:
    """Insert a message that tells no alert."""
    tx.run(_INSERT, {name: getattr(message, name) for name in Message.__slots__})


def explain(tx: Tx, message: Message, reason: str) -> Message:
    """The message with another reason why it goes out."""
    tx.run(_EXPLAIN, {"message": message.id, "why": reason})
    return replace(message, reason=reason)


def bury_unsent(tx: Tx, message: Message, lost: Iterable[Delivery], outcome: Outcome, now: int) -> None:
    """Insert a message that was never sent, for what has ended so without one."""
    claim_notice(tx, message)
    settle(tx, message, State.DEAD, now)
    tx.bulk(
        _INSERT_ITEM,
        [
            (
                message.id,
                each.episode_id,
                each.version,
                each.status,
                str(each.status),
                each.since,
                each.severity,
                outcome,
            )
            for each in lost
        ],
    )


def carry(tx: Tx, message_id: int, groups: Sequence[tuple[int, bool, int]]) -> None:
    """Note the groups of a message: id, whether its news is urgent, how many alerts ``max_alerts`` cut off."""
    tx.bulk(_CARRY, [(message_id, *group) for group in groups])


def carried(tx: Tx, message_id: int) -> dict[int, tuple[bool, int]]:
    """The groups of a message by id, each with whether its news is urgent and how many were cut off."""
    return {row["group_id"]: (row["urgent"], row["truncated"]) for row in tx.rows(_CARRIED, {"message": message_id})}


def fix(tx: Tx, message: Message, subject: str, fixed: bytes, recipients: Sequence[str]) -> bool:
    """Fix the bytes of a claimed message and who is to get them: from here on a provider may have it.

    False where it is no longer there to be sent.
    """
    if not tx.run(_FIX, {"message": message.id, "subject": subject, "payload": fixed}):
        return False
    tx.bulk(_EXPECT, [(message.id, recipient, Answer.AWAITED, None, None) for recipient in recipients])
    return True


def awaited(tx: Tx, message: Message) -> list[str]:
    """The recipients that have neither accepted nor finally refused the message."""
    return [row["address"] for row in tx.rows(_AWAITED, {"message": message.id})]


def outdate(tx: Tx, message: Message, now: int) -> list[Message]:
    """Ask no recipient who has this message for an older one of the same groups any more.

    Returns the older messages that have nobody left to ask.
    """
    groups = carried(tx, message.id).keys()
    older = [
        each
        for each in open_messages(tx, message.channel_id)
        if each.state is State.PARTIAL and each.id < message.id and carried(tx, each.id).keys() <= groups
    ]
    for each in older:
        tx.run(_OVERTAKE, {"older": each.id, "newer": message.id, "now": now})
    return [each for each in older if not awaited(tx, each)]


def answer(tx: Tx, message: Message, answers: Mapping[str, tuple[Answer, int | None]], now: int) -> None:
    """Keep recipients' own answers: the state and the SMTP code."""
    for address, (state, code) in answers.items():
        tx.run(
            _ANSWERED,
            {"message": message.id, "recipient": address, "answer": state, "answer_code": code, "now": now},
        )


def keep_partial(tx: Tx, message: Message) -> None:
    """Note that some recipients have it."""
    tx.run(_PARTIAL, {"message": message.id})


def settle(tx: Tx, message: Message, state: State, now: int) -> None:
    """Note the message's end."""
    tx.run(_SETTLE, {"message": message.id, "state": state, "now": now})


def tell(tx: Tx, message: Message, now: int) -> None:
    """Mark every member as told; what came meanwhile waits on."""
    where = {"message": message.id, "channel": message.channel_id}
    tx.run(_TOLD, where | {"now": now})
    tx.run(_TOLD_OF_NEWER_LIFE, where | {"now": now, "claimed_at": message.claimed_at})


def deliver(tx: Tx, message: Message) -> int:
    """Mark every member's entry as delivered; how many they are."""
    return tx.run(_DELIVERED, {"message": message.id})


def release(tx: Tx, message: Message) -> int:
    """Let the members wait again; how many were superseded because something newer waits already."""
    overtaken = tx.run(_OVERTAKEN, {"message": message.id, "channel": message.channel_id})
    tx.run(_WAIT_AGAIN, {"message": message.id, "channel": message.channel_id})
    tx.run(_PASS_ON, {"message": message.id, "channel": message.channel_id})
    return overtaken


def give_up(tx: Tx, message: Message, outcome: Outcome) -> tuple[int, int]:
    """End the members' entries so; how many did, and how many were superseded because something newer waits."""
    lost = tx.run(_LOST, {"message": message.id, "channel": message.channel_id, "outcome": outcome})
    overtaken = tx.run(_OVERTAKEN, {"message": message.id, "channel": message.channel_id})
    tx.run(_GIVE_UP, {"message": message.id, "channel": message.channel_id})
    tx.run(_PASS_ON, {"message": message.id, "channel": message.channel_id})
    return lost, overtaken


def arrivals(tx: Tx, message: Message) -> list[tuple[int, int]]:
    """When the members' news arrived, as (instant, how many)."""
    return [(row["since"], row["n"]) for row in tx.rows(_ARRIVALS, {"message": message.id})]


def attempted(tx: Tx, message: Message, began_at: int, took: int, code: int | None, failure: Failure | None) -> None:
    """Keep one delivery attempt: its begin, how long it ``took`` in milliseconds, and how it ended."""
    tx.run(
        _ATTEMPT,
        {
            "id": tx.new_id(schema.attempt),
            "message_id": message.id,
            "at": began_at,
            "took": took,
            "result": "taken" if failure is None else "failed",
            "failure_class": failure and failure.failure_class,
            "reason": failure and failure.reason,
            "code": failure.code if failure else code,
        },
    )


def retry(tx: Tx, message: Message, at: int) -> None:
    """Send the same bytes again, at this instant or later."""
    tx.run(_RETRY, {"message": message.id, "at": at})
