"""A policy takes effect: its channels have rows, those it no longer names are retired, what waits is routed anew."""

from collections.abc import Iterable, Mapping
from dataclasses import replace

from receiver.core import grouping, routing, throttling
from receiver.core.entries import ROUTED_AWAY, Delivery, Outcome, Phase
from receiver.core.grouping import Group
from receiver.core.policy import ChannelPolicy, Policy
from receiver.core.routing import Verdict
from receiver.store import channels, deliveries, groups, probe, schema
from receiver.store.channels import ChannelState
from receiver.store.connect import Tx
from receiver.store.deliveries import Departure
from receiver.store.ledger import Postings


def resume(tx: Tx, policy: Policy, now: int) -> None:
    """A process starts: where there was none for longer than ``group_interval``, the first message is one digest."""
    last = probe.last(tx)
    known = channels.load(tx)
    for channel in policy.channels:
        state = known.get(channel.name)
        if state is not None and last is not None and now - last > channel.group_interval:
            state.catching_up = True
    channels.save(tx, known.values())


def install(tx: Tx, policy: Policy, now: int) -> None:
    """Give every channel of the policy a row; what a retired one owes stays pending, and resumes when it is back.

    Where what decides about a channel's alerts has changed, its pending entries are routed and grouped anew.
    """
    known = channels.load(tx)
    configured = {channel.name: channel for channel in policy.channels}
    changed = []
    for name, channel in configured.items():
        rules = _rules(channel, policy)
        if name in known:
            if known[name].routing != rules or known[name].retired_at is not None:
                changed.append(name)
            _bring_up_to_date(known[name], channel, rules)
        else:
            bucket = throttling.full(channel.throttle, now)
            known[name] = ChannelState(tx.new_id(schema.channel), name, bucket, channel.retry_for, rules)
    for name, state in known.items():
        if name not in configured and state.retired_at is None:
            state.retired_at = now
    channels.save(tx, known.values())
    for name in changed:
        _Rerouting(tx, known[name], configured[name], policy, now).carry_out()


def _bring_up_to_date(state: ChannelState, channel: ChannelPolicy, rules: str) -> None:
    state.retired_at = None
    state.retry_for, state.routing = channel.retry_for, rules
    # Somebody may have put right what was wrong.
    state.retry_at = None


def _rules(channel: ChannelPolicy, policy: Policy) -> str:
    """All that decides whether, in which group, how urgently and when the channel's alerts are told; to be compared."""
    plain = replace(channel, matchers=(), urgent=())
    matchers = [str(matcher) for matcher in channel.matchers]
    urgent = [[str(matcher) for matcher in matchers] for matchers in channel.urgent]
    return repr((plain, matchers, urgent, policy.severity))


class _Rerouting:
    """What is pending on a channel, and what it has told, under its new policy."""

    def __init__(self, tx: Tx, state: ChannelState, channel: ChannelPolicy, policy: Policy, now: int) -> None:
        self._tx = tx
        self._state = state
        self._channel = channel
        self._policy = policy
        self._now = now
        self._groups: dict[int, Group] = {}
        self._of_key: dict[str, Group] = {}

    def carry_out(self) -> None:
        """Route anew what waits or is held, and move to their new groups what is not on its way."""
        tx, channel_id = self._tx, self._state.id
        pending = deliveries.pending(tx, channel_id)
        told = deliveries.told_firing(tx, channel_id)
        self._load([delivery for delivery, _, _ in (*pending, *told)])
        postings, departures = Postings(), []
        for delivery, alert_id, labels in pending:
            delivery.severity = self._policy.severity.rank_of(labels)
            delivery.urgent = self._channel.is_urgent(labels)
            if routing.judge(labels, delivery.severity, self._channel) is not Verdict.TAKEN:
                delivery.phase = Phase.IDLE if delivery.claimed is None else Phase.SENDING
                delivery.muted = False
                postings.outcome(channel_id, Outcome.WITHDRAWN)
                departures.append(_withdrawn(delivery, alert_id))
        changed = [entry.delivery for entry in pending]
        changed += [
            entry.delivery
            for entry in (*pending, *told)
            if entry.delivery.claimed is None and self._move(entry.delivery, entry.labels)
        ]
        deliveries.save(tx, changed)
        deliveries.depart(tx, departures, self._now)
        postings.post(tx, self._now)
        self._schedule()

    def _load(self, members: Iterable[Delivery]) -> None:
        tx = self._tx
        found = groups.by_id(tx, sorted({delivery.group_id for delivery in members}))
        self._groups = {group.id: group for group in (*groups.with_news(tx, self._state.id), *found)}

    def _move(self, delivery: Delivery, labels: Mapping[str, str]) -> bool:
        """Place the delivery in the group that it belongs to now; whether that is another one."""
        values = grouping.values(labels, self._channel.group_by)
        key = grouping.key(self._state.id, values)
        old = self._groups[delivery.group_id]
        if old.key == key:
            return False
        new = self._of_key.get(key) or self._group(key, values)
        grouping.inherit(new, old)
        delivery.group_id = new.id
        return True

    def _group(self, key: str, values: Mapping[str, str]) -> Group:
        known = {group.key: group for group in self._groups.values()}.get(key)
        if known is None:
            stored = groups.by_key(self._tx, [key])
            known = stored[0] if stored else Group(self._tx.new_id(schema.alert_group), self._state.id, key, values)
        self._groups[known.id] = self._of_key[key] = known
        return known

    def _schedule(self) -> None:
        """Count what waits in each group now, and when it is due under the new policy."""
        # The rows of new groups must be there before they are counted.
        every = list(self._groups.values())
        groups.recount(self._tx, every)
        for group in every:
            if group.message_id is None:
                group.due_at = group.due_reason = None
                grouping.schedule(group, self._channel, self._now)
        groups.save(self._tx, every)


def _withdrawn(delivery: Delivery, alert_id: int) -> Departure:
    return Departure(
        delivery.channel_id, alert_id, delivery.episode_id, delivery.status, Outcome.WITHDRAWN, ROUTED_AWAY
    )
