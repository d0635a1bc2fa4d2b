"""What follows from a configuration: the policy that decisions are made by, and where messages go."""

from pathlib import Path
from typing import TypeVar

from msgspec import UNSET, UnsetType

from receiver.config import inherited, network
from receiver.config.destinations import (
    ConsoleDestination,
    Destination,
    EmailDestination,
    Security,
    SlackDestination,
)
from receiver.config.patterns import compile_pattern
from receiver.config.types import AnyChannel, Config, ConsoleChannel, EmailChannel, Severity, SlackChannel
from receiver.config.types import Throttle as ThrottleSection
from receiver.core.matchers import Matcher, parse
from receiver.core.policy import ChannelPolicy, Policy, SeverityScale, Throttle

_T = TypeVar("_T")

_PORTS: dict[Security, int] = {"starttls": 587, "tls": 465, "none": 25}


def resolve(config: Config) -> Policy:
    """The policy of a loaded configuration; channels in its order."""
    severity = _severity(config.severity)
    return Policy(
        channels=tuple(_channel(config, channel, severity) for channel in config.channels),
        severity=severity,
        ignore_labels=frozenset(config.ignore_labels),
        expire_after=int(config.expire_after),
        reorder_window=int(config.reorder_window),
        compile_pattern=compile_pattern,
        notices=tuple(dict.fromkeys(_named(config, name) for name in config.notices)),
    )


def destinations(config: Config) -> tuple[Destination, ...]:
    """Where the channels of a loaded configuration send to, in its order."""
    return tuple(_destination(config, channel) for channel in config.channels)


def _severity(section: Severity) -> SeverityScale:
    levels = tuple(level.lower() for level in section.levels)
    aliases = {alias.lower(): level.lower() for alias, level in section.aliases.items()}
    return SeverityScale(
        label=section.label,
        levels=levels,
        default=section.default.lower(),
        # Only the built-in alias may not fit here, where the levels are the user's own.
        aliases={a: level for a, level in aliases.items() if level in levels and a not in levels},
    )


def _channel(config: Config, channel: AnyChannel, severity: SeverityScale) -> ChannelPolicy:
    settings = inherited.settings(config.defaults, channel)
    # Only the built-in "info" may be unknown here, where the levels are the user's own: then none is too low.
    known = severity.known(settings.min_severity)
    return ChannelPolicy(
        name=channel.name,
        kind=str(channel.__struct_config__.tag),
        alias=_or_none(channel.alias),
        matchers=_matchers(channel.matchers),
        min_severity=severity.rank(settings.min_severity) if known else 0,
        group_by=None if settings.group_by == ("...",) else settings.group_by,
        group_wait=int(settings.group_wait),
        group_threshold=settings.group_threshold,
        group_interval=int(settings.group_interval),
        repeat_interval=int(settings.repeat_interval),
        urgent=tuple(parse(text, compile_pattern) for text in settings.urgent),
        urgent_interval=int(settings.urgent_interval),
        digest_interval=int(settings.digest_interval),
        throttle=_throttle(settings.throttle),
        send_resolved=settings.send_resolved,
        retry_for=int(settings.retry_for),
        fallback=None if channel.fallback is UNSET else _named(config, channel.fallback),
        fallback_after=int(settings.fallback_after),
    )


def _named(config: Config, name: str) -> str:
    """The name of the channel that the file means by a name or an alias; loading has seen to it that there is one."""
    return next(channel.name for channel in config.channels if name in (channel.name, channel.alias))


def _matchers(texts: tuple[str, ...]) -> tuple[Matcher, ...]:
    return tuple(matcher for text in texts for matcher in parse(text, compile_pattern))


def _throttle(throttle: ThrottleSection) -> Throttle:
    burst = throttle.messages if throttle.burst is UNSET else throttle.burst
    return Throttle(messages=throttle.messages, per=int(throttle.per), burst=burst)


def _destination(config: Config, channel: AnyChannel) -> Destination:
    match channel:
        case SlackChannel():
            assert channel.webhook_url is not UNSET, "loading has seen to it"
            return SlackDestination(channel.name, channel.webhook_url)
        case EmailChannel():
            return _email(config, channel)
        case ConsoleChannel():
            return ConsoleDestination(channel.name)


def _email(config: Config, channel: EmailChannel) -> EmailDestination:
    smtp = inherited.smtp(config.smtp, channel)
    assert smtp.host is not UNSET, "loading has seen to it"
    recipients = (network.address(mailbox) for mailbox in channel.to)
    return EmailDestination(
        name=channel.name,
        sender=channel.sender,
        # Nobody gets a mail twice for being listed twice.
        recipients=tuple(dict.fromkeys(address for address in recipients if address)),
        host=smtp.host,
        port=_PORTS[smtp.security] if smtp.port is UNSET else smtp.port,
        security=smtp.security,
        username=_or_none(smtp.username),
        password=_or_none(smtp.password),
        ca_file=None if smtp.ca_file is UNSET else Path(smtp.ca_file),
        timeout=smtp.timeout / 1000,
    )


def _or_none(value: _T | UnsetType) -> _T | None:
    return None if value is UNSET else value
