"""What came of it, for programs: one JSON object a message, and last the books."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from receiver.core.content import Content
from receiver.simulate.engine import Sent, Simulation

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def json_lines(simulation: Simulation) -> Iterator[str]:
    """Run it; a line for each message that its provider took, then a line with every channel's ledger."""
    for step in simulation.run():
        if isinstance(step.event, Sent):
            yield json.dumps(_message(step.at, step.event))
    yield json.dumps({"ledger": simulation.ledger()})


def _message(at: int, sent: Sent) -> dict[str, object]:
    return {
        "at": rfc3339(at),
        "channel": sent.channel,
        "kind": sent.kind,
        "reason": sent.reason,
        # A missing label is the empty value; it is not shown, as in Alertmanager's own groupLabels.
        "groups": [{name: value for name, value in labels.items() if value} for labels in sent.groups],
        "alerts": [{"fingerprint": fingerprint, "status": told} for fingerprint, told in sent.members],
        "also_firing": sent.content.also_firing if isinstance(sent.content, Content) else 0,
    }


def rfc3339(at: int) -> str:
    """UTC milliseconds as ``2026-11-20T21:00:00Z``, with milliseconds only where there are any."""
    time = _EPOCH + timedelta(milliseconds=at)
    return time.isoformat(timespec="milliseconds" if at % 1000 else "seconds").replace("+00:00", "Z")
