"""What follows from a configuration: the policy that decisions are made by, and where messages go."""

from dataclasses import fields
from pathlib import Path
from typing import TypeVar

import msgspec
from msgspec import UNSET, UnsetType

from receiver.config import inherited, kinds, network
from receiver.config.credentials import twins
from receiver.config.destinations import (
    BroughtDestination,
    ConsoleDestination,
    Destination,
    EmailDestination,
    Security,
    SlackBotDestination,
    SlackDestination,
    Templates,
)
from receiver.config.patterns import compile_pattern
from receiver.config.types import Channel, Config, ConsoleChannel, EmailChannel, Severity, SlackChannel
from receiver.config.types import Throttle as ThrottleSection
from receiver.core.matchers import Matcher, parse
from receiver.core.policy import ChannelPolicy, Policy, SeverityScale, Throttle

_T = TypeVar("_T")

SLACK_API = "https://slack.com/api/"

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


def _channel(config: Config, channel: Channel, severity: SeverityScale) -> ChannelPolicy:
    settings = inherited.settings(config.defaults, channel)
    # Only the built-in "info" may be unknown here, where the levels are the user's own: then none is too low.
    known = severity.known(settings.min_severity)
    return ChannelPolicy(
        name=channel.name,
        kind=_kind(channel),
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
        mentions=_mentions(channel, severity),
    )


def _kind(channel: Channel) -> str:
    # A bot's messages have another form than a webhook's, and it fails for other reasons. Its token may be unread.
    by_bot = isinstance(channel, SlackChannel) and any(getattr(channel, key) is not UNSET for key in twins("bot_token"))
    return "slack_bot" if by_bot else str(channel.__struct_config__.tag)


def _mentions(channel: Channel, severity: SeverityScale) -> dict[str, str]:
    if not isinstance(channel, SlackChannel) or channel.mention is UNSET:
        return {}
    return {severity.levels[severity.rank(level)]: whom for level, whom in channel.mention.items()}


def _named(config: Config, name: str) -> str:
    """The name of the channel that the file means by a name or an alias; loading has seen to it that there is one."""
    return next(channel.name for channel in config.channels if name in (channel.name, channel.alias))


def _matchers(texts: tuple[str, ...]) -> tuple[Matcher, ...]:
    return tuple(matcher for text in texts for matcher in parse(text, compile_pattern))


def _throttle(throttle: ThrottleSection) -> Throttle:
    burst = throttle.messages if throttle.burst is UNSET else throttle.burst
    return Throttle(messages=throttle.messages, per=int(throttle.per), burst=burst)


def _destination(config: Config, channel: Channel) -> Destination:
    match channel:
        case SlackChannel():
            return _slack(channel)
        case EmailChannel():
            return _email(config, channel)
        case ConsoleChannel():
            return ConsoleDestination(channel.name, _templates(channel))
        case _:
            return _brought(channel)


def _brought(channel: Channel) -> BroughtDestination:
    brought = kinds.find(str(channel.__struct_config__.tag))
    assert isinstance(brought, kinds.Brought), "loading has seen to it"
    common = {field.name: field.default for field in msgspec.structs.fields(Channel) if not field.required}
    read = {key: UNSET for secret in brought.secrets for key in twins(secret)[1:]}
    settings = msgspec.structs.replace(channel, **common, **read)
    return BroughtDestination(channel.name, brought, settings, _templates(channel))


def _templates(channel: Channel) -> Templates:
    if channel.templates is UNSET:
        return Templates()
    return Templates(*(_or_none(getattr(channel.templates, part.name)) for part in fields(Templates)))


def _slack(channel: SlackChannel) -> SlackDestination | SlackBotDestination:
    templates = _templates(channel)
    if channel.bot_token is UNSET:
        assert channel.webhook_url is not UNSET, "loading has seen to it"
        return SlackDestination(channel.name, channel.webhook_url, templates)
    assert channel.channel is not UNSET, "loading has seen to it"
    api_url = SLACK_API if channel.api_url is UNSET else f"{channel.api_url.rstrip('/')}/"
    return SlackBotDestination(channel.name, channel.bot_token, channel.channel, api_url, templates)


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
        templates=_templates(channel),
    )


def _or_none(value: _T | UnsetType) -> _T | None:
    return None if value is UNSET else value
