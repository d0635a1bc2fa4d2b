"""For channels that other packages bring: everything that one is made of. CONTRIBUTING.md has a whole example.

A distribution names a ``ChannelKind`` in the entry point group ``alert_receiver.channels``, under the name that people
give as ``type``. What is promised is this module: its names, and what their documentation says. It grows by what may be
left out, and anything else is a new major version; before version 1.0 a new minor one, as CHANGELOG.md then says. All
other modules may change at any time.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import msgspec

from receiver.channels.base import (
    Channel,
    DeliveryError,
    Receipt,
    Refusal,
    misconfigured,
    rejected,
    transient,
)
from receiver.config.durations import Duration
from receiver.config.kinds import C, Kind, Mistake, Unfit
from receiver.config.types import Channel as ChannelConfig
from receiver.core.content import Content, Failover, Line, Rendered, Told
from receiver.core.retrying import Failure, FailureClass
from receiver.messages import console
from receiver.secret import Secret

__all__ = [
    "Channel",
    "ChannelConfig",
    "ChannelKind",
    "Content",
    "DeliveryError",
    "Duration",
    "Failover",
    "Failure",
    "FailureClass",
    "Line",
    "Mistake",
    "Receipt",
    "Refusal",
    "Rendered",
    "Secret",
    "Told",
    "misconfigured",
    "rejected",
    "transient",
]


@dataclass(frozen=True, kw_only=True)
class ChannelKind(Kind[C]):
    """A type of channel.

    ``config``: a subclass of ChannelConfig whose ``tag`` is the type's name. Each key that is a ``Secret`` may also be
    given as ``x_file`` or ``x_env``; it is read, and its absence told, before anybody else sees the configuration.
    ``check`` says what no type can say of the keys, if anything.
    ``channel`` makes the channel that sends; of the configuration it gets the name and its own keys alone.
    ``failures``: each reason that its DeliveryErrors can have, with what happened, as a clause ("the pager knows no
    such key"), and what to do about it, as an order ("check api_key"). A reason that is not here counts as a defect.
    ``render`` makes of a message's content what the channel's ``build`` gets; by default a subject and plain text.
    """

    channel: Callable[[C], Channel]
    failures: Mapping[str, tuple[str, str]]
    render: Callable[[Content], Rendered] = console.render

    def __post_init__(self) -> None:
        """Refuse what can't work as soon as it is written, so that its author sees the line."""
        for name in ("check", "channel", "render"):
            if not callable(getattr(self, name)):
                raise Unfit(f"its {name} can't be called")
        if isinstance(self.channel, type):
            for name in ("build", "send", "check", "close"):
                if not callable(getattr(self.channel, name, None)):
                    raise Unfit(f"its channel has no {name}")
        try:
            msgspec.convert(dict(self.failures), dict[str, tuple[str, str]])
        except Exception:
            raise Unfit("its failures must give for each reason two texts: what happened, and what to do") from None
