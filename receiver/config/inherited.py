"""What a channel's own keys leave open comes from ``defaults`` and ``smtp``."""

from typing import TypeVar

import msgspec
from msgspec import UNSET

from receiver.config.types import Channel, Defaults, EmailChannel, Section, Smtp

_Base = TypeVar("_Base", bound=Section)


def settings(defaults: Defaults, channel: Channel) -> Defaults:
    """All settings of a channel."""
    return _overridden(defaults, channel)


def smtp(common: Smtp, channel: EmailChannel) -> Smtp:
    """How a channel's mail is sent."""
    return _overridden(common, channel)


def _overridden(base: _Base, channel: Channel) -> _Base:
    given = {name: getattr(channel, name) for name in base.__struct_fields__}
    return msgspec.structs.replace(base, **{name: value for name, value in given.items() if value is not UNSET})
