"""The tables of docs/metrics.md, from what a receiver exposes; ``python -m tests.reference.metrics`` writes them."""

import asyncio
import io
import tempfile
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from textwrap import wrap

import aiohttp
from prometheus_client.metrics_core import Metric
from prometheus_client.parser import text_string_to_metric_families

from receiver import app
from receiver.config import loading
from receiver.config.resolve import destinations, resolve
from receiver.messages import failures
from receiver.notifier import REFUSALS
from tests.reference.pages import DOCS, renewed, table
from tests.rules.rule_files import alerts

PAGE = DOCS / "metrics.md"
MODULE = "metrics"
PREFIX = "alert_receiver_"
# The domains whose rules read the receiver's own metrics.
DOMAINS = ("receiver", "mail")

# One channel of each kind, called as receiver/messages/failures.py calls the kinds.
CONFIGURATION = """
smtp: {host: localhost, security: none}
channels:
  - {name: email, type: email, from: alerts@example.com, to: [oncall@example.com]}
  - {name: slack, type: slack, webhook_url: "https://hooks.slack.com/services/T00000000/B00000000/XXXXXXXX"}
  - {name: slack_bot, type: slack, bot_token: xoxb-of-the-reference, channel: "#ops"}
  - {name: console, type: console}
"""

# What each family tells, by the part of the page that it is in.
MEANINGS: Mapping[str, Mapping[str, str]] = {
    "intake": {
        "notifications_received_total": "Notifications that were answered 200: their alerts are on disk. Rises "
        "steadily, as Alertmanager repeats itself; one that stands still for a day means that nothing gets here.",
        "notifications_rejected_total": "Requests that were not answered 200, where they may have been notifications.",
        "auth_failures_total": "Requests of any kind that were refused for who sent them.",
        "alerts_received_total": "Alerts in accepted notifications, repetitions included; one that a notification "
        "holds twice counts once.",
        "alerts_routed_total": "Of these, what at least one channel took.",
        "alerts_unrouted_total": "Of these, what no channel's `matchers` match: nobody is told.",
        "alerts_filtered_total": "Of these, what only `min_severity` kept from every channel: nobody is told.",
        "alerts_truncated_total": "Alerts that Alertmanager cut off by its `max_alerts` and that never came.",
        "alerts_unreadable_total": "Alerts that are not as Alertmanager writes them; told in a plain form.",
        "alerts_severity_unknown_total": "Alerts whose severity is missing or no level: they count as "
        "`severity.default`.",
    },
    "books": {
        "ledger_accepted_total": "Entries that a channel took on: one for each channel and alert that came in.",
        "ledger_outcomes_total": "Entries that are settled; each has exactly one outcome, which never changes.",
        "ledger_pending": "Entries that are not settled yet, counted anew from the rows at each scrape.",
    },
    "channels": {
        "channel_up": "1, or 0 while its provider refuses deliveries in a way that needs a person. A channel that "
        "nobody answers stays 1: see `oldest_pending_seconds`.",
        "oldest_pending_seconds": "How long ago the oldest news came that is not told yet, what is held excepted; 0 "
        "if there is none. Includes what waits for `group_wait` or a cooldown.",
        "alert_latency_seconds": "From an alert's arrival to the provider taking the message that tells it: waiting, "
        "throttling, outages and all.",
        "messages_sent_total": "Messages that a provider took.",
        "messages_throttled_total": "Times that something due began to wait for a token. A storm makes it rise, and "
        "for long it means that `throttle` is too low or a rule too nervous.",
        "delivery_attempts_total": "Attempts to hand a message to the provider; repetitions count again.",
        "delivery_failures_total": "The failed ones of these, by reason.",
        "delivery_duration_seconds": "How long the attempts took, failed ones included.",
        "recipients_refused_total": "Recipients whom a mail server refused for good, while others have the mail.",
        "template_failures_total": "Messages in the built-in form because the channel's own template failed.",
        "mutes_active": "Mutes that hold something back now, or would. 0: nothing makes one yet.",
    },
    "http": {
        "http_request_duration_seconds": "How long requests took to answer; `_count` is how many there were.",
    },
    "store": {
        "store_commit_duration_seconds": "How long write transactions took, commit included. A webhook's answer waits "
        "for one.",
        "store_errors_total": "Write transactions that failed and were rolled back.",
    },
    "process": {
        "config_last_reload_successful": "1, or 0 if the last attempt to load the configuration failed: then the one "
        "before it is in force.",
        "config_last_reload_success_timestamp_seconds": "When the configuration in force was loaded.",
        "build_info": "1; its label is the version.",
        "process_start_time_seconds": "When the process began.",
        "process_cpu_seconds_total": "Processor time used.",
        "process_resident_memory_bytes": "Memory in use.",
        "process_virtual_memory_bytes": "Address space in use; says little.",
        "process_open_fds": "Open files and connections.",
        "process_max_fds": "How many there may be.",
    },
}

# What the values of each label mean, but of `channel`. A text stands for values that are not ours to list.
LABELS: Mapping[tuple[str, str], str | Mapping[str, str]] = {
    ("notifications_received_total", "source"): "`default`, and each `source` of `auth.tokens`",
    ("notifications_rejected_total", "reason"): REFUSALS,
    ("auth_failures_total", "reason"): {
        "missing": "no token, or an empty one (401)",
        "not_bearer": "basic auth, another scheme, or more than one Authorization header (401)",
        "unknown_token": "not a token that is accepted here (401)",
        "missing_scope": "the token lacks the path's scope (403)",
        "token_in_query": "a credential in the URL, with tokens or without (400)",
        "admission": "there are no tokens, and what changes state was asked from elsewhere than this machine (403)",
    },
    ("alerts_received_total", "status"): {
        "firing": "said to fire",
        "resolved": "said to have ended",
    },
    ("ledger_accepted_total", "origin"): {
        "webhook": "came in a notification",
        "fallback": "came from a channel that could not tell it",
        "redelivery": "was dead, and somebody asked for it again",
    },
    ("ledger_outcomes_total", "outcome"): {
        "delivered": "its provider took a message that tells it",
        "duplicate": "was told, or waited to be told, already",
        "superseded": "newer news of the same alert says it too",
        "unannounced": "the end of what nobody was told of, or an end with `send_resolved: false`",
        "stale": "came out of order, and was over",
        "muted": "ended while it was muted",
        "failed_over": "the fallback channel told it, and tells its end",
        "withdrawn": "a new configuration does not send it there, or its channel was removed",
        "dead": "refused for good, or over and older than `retry_for`: nobody was told there",
    },
    ("ledger_pending", "state"): {
        "waiting": "waits for its group, a cooldown, a token, or its provider",
        "held": "a mute holds it, or it came out of order between HA peers (`reorder_window`)",
        "sending": "in a message that is on its way, or whose fate is unknown",
        "retired": "of a channel that was removed, until `retry_for` is over",
    },
    ("messages_sent_total", "kind"): {
        "group": "the news of one group",
        "digest": "the news of several groups",
        "notice": "what the receiver has to say of itself",
    },
    ("delivery_attempts_total", "result"): {
        "taken": "the provider took the message, a mail server for one recipient at least",
        "failed": "it did not, or nobody knows",
    },
    ("delivery_failures_total", "reason"): "[what each means](#reasons-of-failed-deliveries), by kind of channel",
    ("http_request_duration_seconds", "handler"): "{values}; `other` for any other path",
    ("http_request_duration_seconds", "method"): "{values}; `other` for any other method",
    ("http_request_duration_seconds", "code"): "the answer's status",
    ("store_errors_total", "reason"): {
        "database": "the database could not: the disk is full or gone, the file is damaged or locked",
        "work": "a defect of the receiver met one request; those that shared its commit are tried again alone",
    },
    ("build_info", "version"): "as `alert-receiver --version` prints it",
}

KINDS = {
    "email": "Email",
    "slack": "Slack, by an incoming webhook",
    "slack_bot": "Slack, by a bot",
    "console": "Console",
}


@cache
def exposed() -> dict[str, Metric]:
    """What ``/metrics`` of a receiver has that has just begun, by the name that one asks for."""
    with tempfile.TemporaryDirectory() as folder:
        text = asyncio.run(_scraped(Path(folder)))
    return {_asked_for(family): family for family in text_string_to_metric_families(text)}


async def _scraped(folder: Path) -> str:
    file = folder / "alert-receiver.yml"
    file.write_text(CONFIGURATION)
    config = loading.load(file, {}).config
    settings = app.Settings(f"sqlite:///{folder / 'books.db'}", resolve(config), destinations(config), port=0)
    async with (
        app.running(settings, io.StringIO()) as receiver,
        aiohttp.ClientSession(receiver.url) as client,
        client.get("/metrics") as response,
    ):
        return await response.text()


def _asked_for(family: Metric) -> str:
    return f"{family.name}_total" if family.type == "counter" else family.name


def full(name: str) -> str:
    """A family's name with the prefix, where it has it."""
    return name if name.startswith("process_") else PREFIX + name


def values(name: str) -> dict[str, list[str]]:
    """The labels of a family, in its order, and the values that each has from the start."""
    found: dict[str, dict[str, None]] = {}
    for sample in exposed()[full(name)].samples:
        for label, value in sample.labels.items():
            if label != "le":
                found.setdefault(label, {})[value] = None
    return {label: list(listed) for label, listed in found.items()}


def texts() -> dict[str, str]:
    """What the page has between its markers, by part."""
    found = {part: "\n\n".join(_part(meanings)) for part, meanings in MEANINGS.items()}
    return found | {"reasons": "\n\n".join(_reasons())}


def _part(meanings: Mapping[str, str]) -> Iterator[str]:
    yield table(("metric", "type", "labels", "what it tells"), (_row(*one) for one in meanings.items()))
    yield from (_open_set(*one) for one, listed in LABELS.items() if one[0] in meanings and isinstance(listed, str))
    for (name, label), listed in LABELS.items():
        if name in meanings and not isinstance(listed, str):
            yield f"`{label}` of `{name}`:"
            there = values(name)[label]
            yield table((label, "meaning"), ((f"`{value}`", listed[value]) for value in there))


def _row(name: str, meaning: str) -> tuple[str, ...]:
    labels = ", ".join(f"`{label}`" for label in values(name))
    return f"`{full(name)}`", exposed()[full(name)].type, labels or "–", meaning + _alerts(full(name))


def _open_set(name: str, label: str) -> str:
    there = ", ".join(f"`{value}`" for value in values(name)[label])
    line = f"`{label}` of `{name}`: {str(LABELS[name, label]).format(values=there)}."
    return "\n".join(wrap(line, 120, break_on_hyphens=False))


def _alerts(name: str) -> str:
    reading = {name, f"{name}_bucket", f"{name}_count", f"{name}_sum"}
    found = [alert.name for alert in alerts() if alert.domain in DOMAINS and alert.metrics & reading]
    links = ", ".join(f"[{alert}](runbooks/{alert}.md)" for alert in found)
    return f" <br>Alerts: {links}." if found else ""


def _reasons() -> Iterator[str]:
    for kind, title in KINDS.items():
        yield f"### {title}"
        there = sorted(reasons(kind))
        rows = [(f"`{reason}`", failures.SAID[kind][reason], failures.ADVICE[kind][reason]) for reason in there]
        yield table(("reason", "what happened", "what to do"), rows)


def reasons(kind: str) -> set[str]:
    """Why deliveries of the channel of this kind can fail, as its series say."""
    samples = exposed()[full("delivery_failures_total")].samples
    return {sample.labels["reason"] for sample in samples if sample.labels["channel"] == kind}


if __name__ == "__main__":
    PAGE.write_text(renewed(PAGE.read_text(encoding="utf-8"), MODULE, texts()), encoding="utf-8")
