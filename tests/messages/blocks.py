"""What Slack is given: its texts, and whether an endpoint that refuses what Slack refuses takes them."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from receiver.core.content import Rendered
from receiver.demo import slack_endpoint


def objects(value: Any) -> Iterator[Mapping[str, Any]]:
    """Every text object within blocks."""
    if isinstance(value, Mapping):
        if value.get("type") in ("plain_text", "mrkdwn"):
            yield value
        else:
            yield from (found for inner in value.values() for found in objects(inner))
    elif isinstance(value, (list, tuple)):
        yield from (found for inner in value for found in objects(inner))


def words(rendered: Rendered) -> str:
    return "\n".join(found["text"] for found in objects(rendered.blocks))


def taken(rendered: Rendered) -> bool:
    body = json.dumps({"text": rendered.text, "blocks": rendered.blocks}).encode()
    return bool(slack_endpoint.accepted(body))
