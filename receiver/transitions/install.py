"""A policy takes effect: its channels have rows, those it no longer names are retired, what waits is routed anew."""

from dataclasses import replace

from receiver.core import throttling
from receiver.core.policy import ChannelPolicy, Policy
from receiver.store import channels, groups, messages, probe, schema
from receiver.store.channels import ChannelState
from receiver.store.connect import Tx
from receiver.transitions.reroute import reroute


def resume(tx: Tx, policy: Policy, now: int) -> None:
    """A process starts: where there was none for longer than ``group_interval``, the first message is one digest."""
    last = probe.last(tx)
    known = channels.load(tx)
    for channel in policy.channels:
        state = known.get(channel.name)
        if state is not None and last is not None and now - last > channel.group_interval:
            state.catching_up = True
            groups.put_off_due_since(tx, state.id, now - last, now)
    channels.save(tx, known.values())


def install(tx: Tx, policy: Policy, now: int) -> None:
    """Give every channel of the policy a row; what a retired one owes stays pending, and resumes when it is back.

    Where what decides about a channel's alerts has changed, its pending entries are routed and grouped anew.
    """
    known = channels.load(tx)
    configured = {channel.name: channel for channel in policy.channels}
    changed: dict[str, bool] = {}
    for name, channel in configured.items():
        rules = _rules(channel, policy)
        if name in known:
            state = known[name]
            if state.routing != rules or state.retired_at is not None:
                changed[name] = state.routing.partition("\n")[0] != rules.partition("\n")[0]
                messages.outdate_policy(tx, state.id)
            _bring_up_to_date(state, channel, rules)
            messages.hasten(tx, state.id, now)
        else:
            bucket = throttling.full(channel.throttle, now)
            known[name] = ChannelState(tx.new_id(schema.channel), name, channel.kind, bucket, channel.retry_for, rules)
    for name, state in known.items():
        if name not in configured and state.retired_at is None:
            state.retired_at = now
    channels.save(tx, known.values())
    for name, places_anew in changed.items():
        reroute(tx, known[name], configured[name], policy, now, places_anew=places_anew)


def _bring_up_to_date(state: ChannelState, channel: ChannelPolicy, rules: str) -> None:
    state.retired_at = None
    state.kind, state.retry_for, state.routing = channel.kind, channel.retry_for, rules
    # Somebody may have put right what was wrong.
    state.retry_at = state.rests_until = None


def _rules(channel: ChannelPolicy, policy: Policy) -> str:
    """All that decides whether, in which group, how urgently and when the channel's alerts are told; to be compared.

    The first line is what places and ranks an alert, and so concerns also what was told.
    """
    plain = replace(channel, matchers=(), urgent=())
    matchers = [str(matcher) for matcher in channel.matchers]
    urgent = [[str(matcher) for matcher in matchers] for matchers in channel.urgent]
    return f"{(channel.group_by, policy.severity)!r}\n{(plain, matchers, urgent)!r}"
