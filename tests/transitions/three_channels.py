"""Three channels as plain settings, and what a reload can make of them.

``ops`` groups several alerts and has few tokens; what it can't tell goes to ``slow``, or as a reload says. ``quiet``
tells each alert alone, and no ends; it is told the notices. ``slow`` has a single group, and a single token.
"""

from collections.abc import Mapping
from typing import Any

from receiver.config.patterns import compile_pattern
from receiver.core.matchers import parse
from receiver.core.policy import ChannelPolicy, Throttle
from tests.timeline import HOUR, MINUTE, SCALE, SECOND, channel

ALERTS = [
    {"alertname": "A", "pod": "a", "severity": "warning"},
    {"alertname": "A", "pod": "b", "severity": "warning"},
    {"alertname": "A", "pod": "c", "severity": "critical"},
    {"alertname": "B", "pod": "a", "severity": "warning"},
    {"alertname": "B", "pod": "b", "severity": "critical"},
    {"alertname": "C", "pod": "a", "severity": "info"},
    {"alertname": "D", "pod": "a", "severity": "warning"},
]
LOUD = ("warning", "critical")
COMMON = {
    "severities": ("info", *LOUD),
    "urgent": ("critical",),
    "group_wait": 10 * SECOND,
    "group_threshold": 5,
    "group_interval": 2 * MINUTE,
    "urgent_interval": MINUTE,
    "repeat_interval": HOUR,
    "send_resolved": True,
    "retry_for": 24 * HOUR,
    "per": MINUTE,
    "fallback": None,
    "fallback_after": 5 * MINUTE,
}
OPS = COMMON | {"alertnames": "ABC", "severities": LOUD, "group_by": ("alertname",), "group_threshold": 2}
OPS |= {"messages": 2, "burst": 2, "retry_for": 2 * HOUR, "fallback": "slow"}
QUIET = COMMON | {"alertnames": "AB", "group_by": None, "send_resolved": False, "messages": 3, "burst": 3}
SLOW = COMMON | {"alertnames": "A", "group_by": (), "messages": 1, "burst": 1}
CHANNELS: dict[str, dict[str, Any]] = {"ops": OPS, "quiet": QUIET, "slow": SLOW}
RELOADS: dict[str, tuple[str, dict[str, Any] | None]] = {
    "ops by pod": ("ops", OPS | {"group_by": ("pod",)}),
    "ops for B": ("ops", OPS | {"alertnames": "B"}),
    "ops for critical": ("ops", OPS | {"severities": ("critical",)}),
    "ops without a fallback": ("ops", OPS | {"fallback": None}),
    "ops with another fallback": ("ops", OPS | {"fallback": "quiet"}),
    "ops as it was": ("ops", OPS),
    "no ops": ("ops", None),
    "quiet by alertname": ("quiet", QUIET | {"group_by": ("alertname",)}),
    "quiet as it was": ("quiet", QUIET),
    "no quiet": ("quiet", None),
    "slow by severity, warnings urgent": ("slow", SLOW | {"group_by": ("severity",), "urgent": ("warning",)}),
    "slow as it was": ("slow", SLOW),
}


def as_valid(channels: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """The channels without fallbacks that are not there."""
    return {
        name: {**given, "fallback": given["fallback"] if given["fallback"] in channels else None}
        for name, given in channels.items()
    }


def channel_policy(name: str, given: Mapping[str, Any]) -> ChannelPolicy:
    """A channel's settings as the transitions know them."""
    matchers = parse(f'alertname=~"{"|".join(given["alertnames"])}"', compile_pattern)
    urgent = tuple(parse(f'severity="{severity}"', compile_pattern) for severity in given["urgent"])
    throttle = Throttle(given["messages"], given["per"], given["burst"])
    least = min(SCALE.rank(severity) for severity in given["severities"])
    own = {"alertnames", "severities", "messages", "per", "burst", "urgent"}
    same = {setting: value for setting, value in given.items() if setting not in own}
    return channel(name, matchers=matchers, urgent=urgent, throttle=throttle, min_severity=least, **same)
