"""What Slack is given: its texts, and whether an endpoint that refuses what Slack refuses takes them."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from receiver.channels.slack_answers import parts
from receiver.core.content import Rendered
from receiver.demo import slack_endpoint


def objects(value: Any) -> Iterator[Mapping[str, Any]]:
    """Every text object within blocks and attachments."""
    if isinstance(value, Mapping):
        if value.get("type") in ("plain_text", "mrkdwn"):
            yield value
        else:
            yield from (found for inner in value.values() for found in objects(inner))
    elif isinstance(value, (list, tuple)):
        yield from (found for inner in value for found in objects(inner))


def every_block(rendered: Rendered) -> list[Any]:
    """The blocks from the top to the bottom, those of attachments with them."""
    return [*rendered.blocks, *(block for attachment in rendered.attachments for block in inner(attachment))]


def inner(attachment: Mapping[str, Any]) -> list[Any]:
    """An attachment's blocks."""
    return list(attachment["blocks"])


def said(block: Any) -> str:
    """What a block says."""
    return "\n".join(found["text"] for found in objects(block))


def words(rendered: Rendered) -> str:
    """All that the message says."""
    return "\n".join(map(said, every_block(rendered)))


def markups(rendered: Rendered) -> list[str]:
    """Every text that Slack reads markup in."""
    return [found["text"] for found in objects(every_block(rendered)) if found["type"] == "mrkdwn"]


def payload(rendered: Rendered) -> str:
    """What goes to Slack."""
    return json.dumps(parts(rendered))


def taken(rendered: Rendered) -> bool:
    """Whether Slack takes it."""
    return bool(slack_endpoint.accepted(payload(rendered).encode()))
