"""What the demo says about the books is read from the store, never counted along."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import func, select

from receiver.core.entries import Outcome
from receiver.core.grouping import Reason
from receiver.store import reader, schema
from receiver.store.connect import Tx


@dataclass(frozen=True, slots=True)
class Account:
    """A channel's part of the books. ``waiting`` has what of the pending waits, by the reason for which it does."""

    accepted: int
    outcomes: Mapping[Outcome, int]
    pending: int
    waiting: Mapping[str, int]
    unreachable: bool

    @property
    def settled(self) -> int:
        """How many entries have an outcome."""
        return sum(self.outcomes.values())

    @property
    def balances(self) -> bool:
        """Whether every accepted entry has exactly one outcome, or is pending."""
        return self.accepted == self.settled + self.pending


@dataclass(frozen=True, slots=True)
class Refusal:
    """An attempt that a provider refused."""

    channel: str
    reason: str
    code: int | None


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The accounts by channel, and all attempts that failed, as they were at one instant."""

    accounts: Mapping[str, Account]
    refusals: Sequence[Refusal]

    @property
    def pending(self) -> int:
        """How many entries are pending on all channels."""
        return sum(account.pending for account in self.accounts.values())


_WAITING = (
    select(
        schema.channel.c.name,
        schema.alert_group.c.due_reason,
        func.sum(schema.alert_group.c.waiting).label("n"),
    )
    .join(schema.channel, schema.channel.c.id == schema.alert_group.c.channel_id)
    .where(schema.alert_group.c.waiting > 0)
    .group_by(schema.channel.c.name, schema.alert_group.c.due_reason)
)
_REFUSED = (
    select(schema.channel.c.name, schema.attempt.c.reason, schema.attempt.c.code)
    .join(schema.message, schema.message.c.id == schema.attempt.c.message_id)
    .join(schema.channel, schema.channel.c.id == schema.message.c.channel_id)
    .where(schema.attempt.c.failure_class.is_not(None))
    .order_by(schema.attempt.c.id)
)


def snapshot(tx: Tx) -> Snapshot:
    """What the store says now."""
    books = reader.books(tx)
    waiting: dict[str, dict[str, int]] = {}
    for row in tx.rows(_WAITING):
        waiting.setdefault(row["name"], {})[row["due_reason"]] = row["n"]
    accounts = {
        name: Account(
            accepted=sum(n for (channel, side, _), n in books.ledger.items() if (channel, side) == (name, "accepted")),
            outcomes={outcome: books.ledger.get((name, "outcome", outcome), 0) for outcome in Outcome},
            pending=sum(n for (channel, _), n in books.pending.items() if channel == name),
            waiting=waiting.get(name, {}),
            unreachable=state.failures > 0,
        )
        for name, state in books.channels.items()
    }
    return Snapshot(accounts, [Refusal(row["name"], row["reason"], row["code"]) for row in tx.rows(_REFUSED)])


WAITING_FOR = {
    Reason.WAIT: "waiting for others to join (group_wait)",
    Reason.THRESHOLD: "going out at once (group_threshold)",
    Reason.COOLDOWN: "joining the next message (group_interval)",
    Reason.URGENT: "joining the next message, which is urgent (urgent_interval)",
    Reason.REPEAT: "to be told again (repeat_interval)",
}


def changes(before: Snapshot, after: Snapshot) -> str:
    """What became of what came in between: outcomes, and what now waits for what; or that it is delivered already."""
    statements: dict[str, list[str]] = {}
    for name, account in after.accounts.items():
        facts = ", ".join(_facts(name, before.accounts[name], account))
        if facts:
            statements.setdefault(facts, []).append(name)
    return "; ".join(f"{' and '.join(names)}: {facts}" for facts, names in statements.items()) or "delivered already"


def _facts(name: str, before: Account, after: Account) -> Iterator[str]:
    for outcome, n in after.outcomes.items():
        more = n - before.outcomes[outcome]
        if more and outcome is not Outcome.DELIVERED:
            yield f"{more:,} {outcome}"
    for reason, n in after.waiting.items():
        yield f"{n:,} {f'waiting until {name} is back' if after.unreachable else WAITING_FOR[Reason(reason)]}"
    on_their_way = after.pending - sum(after.waiting.values())
    if on_their_way:
        yield f"{on_their_way:,} on the way"
