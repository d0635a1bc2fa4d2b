"""A policy takes effect: its channels have rows, those it no longer names are retired."""

from receiver.core import throttling
from receiver.core.policy import Policy
from receiver.core.retrying import FailureClass
from receiver.store import channels, schema
from receiver.store.channels import ChannelState
from receiver.store.connect import Tx


def install(tx: Tx, policy: Policy, now: int) -> None:
    """Give every channel of the policy a row; what a retired one owes stays pending, and resumes when it is back."""
    known = channels.load(tx)
    configured = {channel.name: channel for channel in policy.channels}
    for name, channel in configured.items():
        if name in known:
            known[name].retired_at = None
            if known[name].failure_class != FailureClass.TRANSIENT:
                # Somebody may have put right what was wrong.
                known[name].retry_at = None
        else:
            bucket = throttling.full(channel.throttle, now)
            known[name] = ChannelState(tx.new_id(schema.channel), name, bucket)
    for name, state in known.items():
        if name not in configured and state.retired_at is None:
            state.retired_at = now
    channels.save(tx, known.values())
