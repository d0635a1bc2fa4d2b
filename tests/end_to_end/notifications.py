"""Notifications to post, and what was told of them as the sinks got it; nothing here is the receiver's own."""

import email
import email.policy
import json
import re
from collections.abc import Iterable, Mapping
from copy import deepcopy
from datetime import UTC, datetime
from email.message import EmailMessage
from pathlib import Path
from typing import Any

CAPTURED = Path(__file__).parents[1] / "captured"

Body = dict[str, Any]

_NEVER = "0001-01-01T00:00:00Z"
_COUNT = re.compile(r"\b(?<!STILL )(?:FIRING(?: AGAIN)?|RESOLVED|FIRED AND RESOLVED):([\d,]+)")


def captured(name: str) -> Body:
    """A captured body."""
    body: Body = json.loads((CAPTURED / f"{name}.json").read_bytes())
    return body


def encoded(body: Body) -> bytes:
    """The body as bytes, as compact as Go writes it."""
    return json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()


def alert(alertname: str, **labels: str) -> Body:
    """A firing alert that began now."""
    return {
        "status": "firing",
        "labels": {"alertname": alertname, "severity": "warning", **labels},
        "annotations": {"summary": f"{alertname} is happening"},
        "startsAt": datetime.now(UTC).isoformat(timespec="milliseconds"),
        "endsAt": _NEVER,
        "generatorURL": "http://prometheus.example.com/graph",
        "fingerprint": "",
    }


def notification(*alerts: Body) -> bytes:
    """A notification of these alerts."""
    return encoded(
        {
            "version": "4",
            "groupKey": "{}:{}",
            "truncatedAlerts": 0,
            "status": "firing",
            "receiver": "alert-receiver",
            "groupLabels": {},
            "commonLabels": {},
            "commonAnnotations": {},
            "externalURL": "http://alertmanager.example.com:9093",
            "alerts": list(alerts),
        }
    )


def storm(size: int) -> Body:
    """One notification of ``size`` alerts: the captured hundred, each time with other ids, instances and pods."""
    body = captured("big100")
    hundred = body["alerts"]
    body["alerts"] = []
    for number in range(size):
        copy = deepcopy(hundred[number % len(hundred)])
        labels = copy["labels"]
        instance = f"10.{number // 62500}.{number // 250 % 250}.{number % 250}:9100"
        pod = f"{labels['pod'].rpartition('-')[0]}-{number:05x}"
        for name, text in copy["annotations"].items():
            copy["annotations"][name] = text.replace(labels["instance"], instance).replace(labels["pod"], pod)
        labels |= {"id": f"id-{number:06}", "instance": instance, "pod": pod}
        copy["fingerprint"] = f"{number:016x}"
        body["alerts"].append(copy)
    return body


def parsed(data: bytes) -> EmailMessage:
    """A mail."""
    message = email.message_from_bytes(data, policy=email.policy.default)
    assert isinstance(message, EmailMessage)
    return message


def mail_text(data: bytes) -> str:
    """What a mail says: its subject and its plain text."""
    mail = parsed(data)
    body = mail.get_body(("plain",))
    assert body is not None
    return f"{mail['Subject']}\n{body.get_content()}"


def slack_text(payload: Mapping[str, object]) -> str:
    """What a Slack message shows: the texts of its blocks and attachments, one a line."""
    return "\n".join(_texts([payload["blocks"], payload["attachments"]]))


def _texts(value: object) -> Iterable[str]:
    match value:
        case {"text": str() as text}:
            yield text
        case dict():
            for inner in value.values():
                yield from _texts(inner)
        case list():
            for inner in value:
                yield from _texts(inner)


def counted(text: str) -> int:
    """How many alerts a message tells, by its first line: ``[FIRING:2, RESOLVED:1] …``, ``[RESOLVED] …``."""
    first = text.partition("\n")[0]
    return sum(int(number.replace(",", "")) for number in _COUNT.findall(first)) or int(first.startswith("[RESOLVED]"))
