"""Reading beside the writer: one consistent snapshot for the metrics."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import func, select

from receiver.core.entries import Phase
from receiver.store import channels, schema
from receiver.store.channels import ChannelState
from receiver.store.connect import Tx
from receiver.store.ledger import HOUSE


@dataclass(frozen=True, slots=True)
class Books:
    """The books at one instant: ledger counts and, counted from the rows, what is pending.

    ``ledger`` by (channel, side, account), ``house`` by account, ``pending`` by (channel, state), ``oldest`` the
    arrival of the oldest pending news by channel, in UTC milliseconds. ``mutes`` are those that have not ended, each
    from when until when.
    """

    channels: Mapping[str, ChannelState]
    ledger: Mapping[tuple[str, str, str], int]
    house: Mapping[str, int]
    pending: Mapping[tuple[str, str], int]
    oldest: Mapping[str, int]
    mutes: Sequence[tuple[int, int]]


_LEDGER = select(schema.ledger)
_WAITING = (
    select(
        schema.delivery.c.channel_id,
        schema.delivery.c.phase,
        func.count().label("n"),
        func.min(schema.delivery.c.since).label("oldest"),
    )
    .where(schema.NOT_IDLE, schema.delivery.c.phase != Phase.SENDING)
    .group_by(schema.delivery.c.channel_id, schema.delivery.c.phase)
)
_SENDING = (
    select(
        schema.message.c.channel_id,
        func.count().label("n"),
        func.min(schema.message_item.c.since).label("oldest"),
    )
    .join(schema.message_item, schema.message_item.c.message_id == schema.message.c.id)
    .where(schema.IS_OPEN)
    .group_by(schema.message.c.channel_id)
)


_MUTES = select(schema.mute.c.starts_at, schema.mute.c.ends_at).where(schema.mute.c.ended_at.is_(None))


def books(tx: Tx) -> Books:
    """The books as this snapshot has them. What is on its way is counted in its messages."""
    states = channels.load(tx)
    names = {state.id: state.name for state in states.values()}
    ledger: dict[tuple[str, str, str], int] = {}
    house: dict[str, int] = {}
    for row in tx.rows(_LEDGER):
        if row["channel_id"] == HOUSE:
            house[row["account"]] = row["n"]
        else:
            ledger[names[row["channel_id"]], row["side"], row["account"]] = row["n"]
    pending: dict[tuple[str, str], int] = {}
    oldest: dict[str, int] = {}
    counted = [(row, row["phase"]) for row in tx.rows(_WAITING)]
    counted += [(row, Phase.SENDING.value) for row in tx.rows(_SENDING)]
    for row, phase in counted:
        name = names[row["channel_id"]]
        state = "retired" if states[name].retired_at is not None else phase
        pending[name, state] = pending.get((name, state), 0) + row["n"]
        if phase != Phase.HELD:
            oldest[name] = min(row["oldest"], oldest.get(name, row["oldest"]))
    mutes = [(row["starts_at"], row["ends_at"]) for row in tx.rows(_MUTES)]
    return Books(states, ledger, house, pending, oldest, mutes)
