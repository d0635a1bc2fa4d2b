"""What waits on a channel is routed, ranked and grouped anew, by a policy that it was not accepted under."""

from collections.abc import Iterable, Mapping, Sequence

from receiver.core import grouping, routing
from receiver.core.entries import ROUTED_AWAY, Delivery, Outcome
from receiver.core.grouping import Group
from receiver.core.policy import ChannelPolicy, Policy
from receiver.core.routing import Verdict
from receiver.store import deliveries, groups, messages, schema
from receiver.store.channels import ChannelState
from receiver.store.connect import Tx
from receiver.store.deliveries import Entry
from receiver.store.ledger import Postings
from receiver.store.messages import Message
from receiver.transitions.leave import departure, put_down


def reroute(
    tx: Tx, state: ChannelState, channel: ChannelPolicy, policy: Policy, now: int, *, places_anew: bool
) -> None:
    """Bring what is pending on the channel in line with its policy, and with ``places_anew`` also what it has told.

    What is on its way stays as it is, until it is known what became of it.
    """
    _Rerouting(tx, state, channel, policy, now, places_anew=places_anew).carry_out()


def follow(tx: Tx, message: Message, state: ChannelState, channel: ChannelPolicy, policy: Policy, now: int) -> None:
    """A message is over: what it held back from a change of policy meanwhile follows."""
    if messages.has_outdated_policy(tx, message):
        reroute(tx, state, channel, policy, now, places_anew=True)


class _Rerouting:
    """What is pending on a channel under its new policy, and with ``places_anew`` also what it has told."""

    def __init__(
        self, tx: Tx, state: ChannelState, channel: ChannelPolicy, policy: Policy, now: int, *, places_anew: bool
    ) -> None:
        self._tx = tx
        self._state = state
        self._channel = channel
        self._policy = policy
        self._now = now
        self._pending = deliveries.pending(tx, state.id)
        self._told = deliveries.told_firing(tx, state.id) if places_anew else []
        self._groups: dict[int, Group] = {}
        self._of_key: dict[str, Group] = {}

    def carry_out(self) -> None:
        """Route anew what waits or is held, and move to their new groups what is not on its way."""
        tx = self._tx
        entries = [*self._pending, *self._told]
        keys = {entry.delivery.episode_id: self._key(entry.labels) for entry in entries}
        self._load([entry.delivery for entry in entries], list(dict.fromkeys(keys.values())))
        for entry in entries:
            entry.delivery.severity = self._policy.severity.rank_of(entry.labels)
            entry.delivery.urgent = self._channel.is_urgent(entry.labels)
        self._withdraw()
        for entry in entries:
            if entry.delivery.claimed is None:
                self._move(entry.delivery, keys[entry.delivery.episode_id], entry.labels)
        deliveries.save(tx, [entry.delivery for entry in entries])
        self._schedule()

    def _key(self, labels: Mapping[str, str]) -> str:
        return grouping.key(self._state.id, self._values(labels))

    def _values(self, labels: Mapping[str, str]) -> dict[str, str]:
        return grouping.values(labels, self._channel.group_by, self._policy.ignore_labels)

    def _load(self, members: Iterable[Delivery], keys: Sequence[str]) -> None:
        tx = self._tx
        found = groups.by_id(tx, sorted({delivery.group_id for delivery in members}))
        every = (*groups.with_news(tx, self._state.id), *found, *groups.by_key(tx, keys))
        # One object for each row, however it was found.
        self._groups = {group.id: group for group in every}
        self._of_key = {group.key: group for group in self._groups.values()}

    def _withdraw(self) -> None:
        """End what the channel no longer takes."""
        withdrawn = [entry for entry in self._pending if not self._is_taken(entry)]
        put_down(withdrawn)
        postings = Postings()
        postings.outcome(self._state.id, Outcome.WITHDRAWN, len(withdrawn))
        departures = [departure(entry, Outcome.WITHDRAWN, ROUTED_AWAY) for entry in withdrawn]
        deliveries.depart(self._tx, departures, self._now)
        postings.post(self._tx, self._now)

    def _is_taken(self, entry: Entry) -> bool:
        """What it tells in place of another channel has come past its filters, and stays."""
        delivery = entry.delivery
        verdict = routing.judge(entry.labels, delivery.severity, self._channel)
        return delivery.stands_in_for is not None or verdict is Verdict.TAKEN

    def _move(self, delivery: Delivery, key: str, labels: Mapping[str, str]) -> None:
        """Place the delivery in the group that it belongs to now."""
        old, new = self._groups[delivery.group_id], self._of_key.get(key)
        if new is None:
            new = Group(self._tx.new_id(schema.alert_group), self._state.id, key, self._values(labels))
            self._groups[new.id] = self._of_key[key] = new
        if new is not old:
            grouping.inherit(new, old)
            delivery.group_id = new.id

    def _schedule(self) -> None:
        """Count what waits in each group now, and when it is due under the new policy."""
        every = list(self._groups.values())
        groups.recount(self._tx, every)
        for group in every:
            if group.message_id is None:
                group.due_at = group.due_reason = None
                grouping.schedule(group, self._channel, self._now)
        groups.save(self._tx, every)
