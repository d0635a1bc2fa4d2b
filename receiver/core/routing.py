"""Which channels take an alert, and why the others don't."""

from collections.abc import Mapping
from enum import StrEnum

from receiver.core.policy import ChannelPolicy, Policy


class Verdict(StrEnum):
    """A channel's answer to an alert. ``FILTERED``: ``min_severity`` alone kept it out."""

    TAKEN = "taken"
    UNMATCHED = "unmatched"
    FILTERED = "filtered"
    NOT_ADDRESSED = "not_addressed"


def addressed(policy: Policy, name: str | None) -> ChannelPolicy | None:
    """The channel that ``/webhook/{name}`` means, by name or alias; None for no name and for an unknown one."""
    if name is None:
        return None
    return next((channel for channel in policy.channels if name in (channel.name, channel.alias)), None)


def judge(labels: Mapping[str, str], severity: int, channel: ChannelPolicy) -> Verdict:
    """The channel's answer to an alert of this rank."""
    if not all(matcher.matches(labels) for matcher in channel.matchers):
        return Verdict.UNMATCHED
    return Verdict.FILTERED if severity < channel.min_severity else Verdict.TAKEN


def route(
    labels: Mapping[str, str], severity: int, policy: Policy, only: ChannelPolicy | None = None
) -> tuple[Verdict, ...]:
    """The verdict of each channel on an alert of this rank, in the policy's order; with ``only``, no other is asked."""
    return tuple(
        judge(labels, severity, channel) if only is None or channel is only else Verdict.NOT_ADDRESSED
        for channel in policy.channels
    )
