"""What a step moved in the books, found by comparing them before and after."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from receiver.core.entries import Outcome
from receiver.store import channels, told
from receiver.store.connect import Tx
from receiver.store.ledger import HOUSE, House
from receiver.store.told import Left


@dataclass(frozen=True, slots=True)
class Movement:
    """What moved on one channel: entries accepted, entries that left the pending, how many more are held.

    ``left`` are those that left without a message, each with its reason.
    """

    channel: str
    accepted: int
    outcomes: Mapping[Outcome, int]
    held: int
    left: tuple[Left, ...] = ()


@dataclass(frozen=True, slots=True)
class Moved:
    """What moved on all channels, and how many events no channel took."""

    channels: tuple[Movement, ...] = ()
    unrouted: int = 0
    filtered: int = 0


@dataclass(slots=True)
class Journal:
    """The books as they were when last looked at."""

    _ledger: dict[int, dict[str, int]] = field(default_factory=dict)
    _held: dict[int, int] = field(default_factory=dict)
    _left: int = 0

    def moved(self, tx: Tx) -> Moved:
        """What has moved since the last look."""
        before, held_before = self._ledger, self._held
        self._ledger, self._held = told.ledger(tx), told.held(tx)
        left, self._left = told.left(tx, self._left)
        house = _difference(self._ledger.get(HOUSE, {}), before.get(HOUSE, {}))
        movements = []
        for state in sorted(channels.load(tx).values(), key=lambda state: state.id):
            difference = _difference(self._ledger.get(state.id, {}), before.get(state.id, {}))
            held = self._held.get(state.id, 0) - held_before.get(state.id, 0)
            if difference or held:
                outcomes = {outcome: difference[outcome] for outcome in Outcome if outcome in difference}
                reasons = tuple(each for each in left if each.channel_id == state.id)
                movements.append(Movement(state.name, difference.get("accepted", 0), outcomes, held, reasons))
        return Moved(tuple(movements), house.get(House.UNROUTED, 0), house.get(House.FILTERED, 0))

    @property
    def pending(self) -> int:
        """How many entries were pending at the last look."""
        return sum(_pending(accounts) for channel_id, accounts in self._ledger.items() if channel_id != HOUSE)


def _difference(after: Mapping[str, int], before: Mapping[str, int]) -> dict[str, int]:
    return {account: n - before.get(account, 0) for account, n in after.items() if n != before.get(account, 0)}


def _pending(accounts: Mapping[str, int]) -> int:
    return accounts.get("accepted", 0) - sum(accounts.get(outcome, 0) for outcome in Outcome)


def accounts(tx: Tx, order: Iterable[str]) -> dict[str, dict[str, int]]:
    """Every channel's books, those named in ``order`` first: accepted, each outcome, what is pending."""
    ids = {state.name: state.id for state in channels.load(tx).values()}
    counted = told.ledger(tx)
    names = [*dict.fromkeys(order), *sorted(ids.keys() - set(order))]
    return {name: _accounts(counted.get(ids[name], {})) for name in names}


def _accounts(counted: Mapping[str, int]) -> dict[str, int]:
    outcomes = {str(outcome): counted.get(outcome, 0) for outcome in Outcome}
    return {"accepted": counted.get("accepted", 0), **outcomes, "pending": _pending(counted)}
