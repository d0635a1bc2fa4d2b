"""A document on its way to a configuration: as far as it could be read, mistakes left out."""

from collections.abc import Collection, Iterator, Mapping
from contextlib import suppress
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

import msgspec

from receiver.config import durations, kinds
from receiver.config.credentials import Rotation
from receiver.config.durations import Duration
from receiver.config.problems import Finding, Path
from receiver.config.types import Channel, Config, ConsoleChannel
from receiver.secret import Secret


@dataclass(frozen=True, slots=True)
class Draft:
    """A document as far as it could be read.

    ``data`` is the document as written. ``config`` has what the schema let pass, but for the channels: those are in
    ``channels``, by their place in the document. ``doubtful`` are the top keys that the schema found fault with.
    """

    data: Mapping[str, Any]
    config: Config
    channels: Mapping[int, Channel]
    doubtful: frozenset[str | int]

    def written(self, *path: str | int) -> bool:
        """Whether the key is in the document, be it right or wrong."""
        value: Any = self.data
        for part in path:
            if isinstance(part, str) and not (isinstance(value, dict) and part in value):
                return False
            value = value[part]
        return True

    def whole(self) -> Config:
        """The configuration of a document without mistakes."""
        return msgspec.structs.replace(self.config, channels=tuple(self.channels.values()))

    def names(self) -> dict[str, int]:
        """The names and aliases of all channels, those with mistakes too, each with its first channel's place."""
        names: dict[str, int] = {}
        for path, name in self._written_names():
            names.setdefault(name, int(path[1]))
        return names

    def double_names(self) -> Iterator[Path]:
        """Where a name or alias stands that an earlier channel, or the same one, has already."""
        seen: set[str] = set()
        for path, name in self._written_names():
            if name in seen:
                yield path
            seen.add(name)

    def _written_names(self) -> Iterator[tuple[Path, str]]:
        channels = self.data.get("channels")
        for i, channel in enumerate(channels if isinstance(channels, list) else ()):
            for key in ("name", "alias"):
                if isinstance(channel, dict) and isinstance(channel.get(key), str):
                    yield ("channels", i, key), channel[key]


def convert(data: object, kind: Any) -> Any:
    """The document's data as one of the configuration's types; raises msgspec.ValidationError."""
    return msgspec.convert(data, kind, dec_hook=_custom)


def _custom(kind: type, value: Any) -> object:
    if isinstance(value, kind):
        return value
    if kind is Duration:
        return durations.parse(str(value))
    if kind is Secret or kind is Rotation:
        return kind(value)
    raise NotImplementedError(kind)


# For what a channel must have, where that was found amiss: the rest of it is still looked at.
_STAND_INS = {"name": "unnamed", "to": ["nobody@example.com"], "from": "nobody@example.com"}


def draft(written: Mapping[str, Any], sound: dict[str, Any], amiss: Collection[Finding]) -> Draft:
    """What there is of the document ``written`` once it is ``sound``: without what was found ``amiss``."""
    channels: dict[int, Channel] = {}
    for i, channel in enumerate(sound.get("channels", ())):
        # One without a type, or that is no mapping, has been told of already.
        with suppress(msgspec.ValidationError, LookupError, TypeError):
            if struct := kinds.struct(channel["type"]):
                channels[i] = _channel(channel, struct)
    # The channels are looked at one by one; the configuration as a whole only has to have one.
    config = convert({**sound, "channels": [{"name": "none"}]}, Config)
    return Draft(written, config, channels, frozenset(finding.path[0] for finding in amiss))


def _channel(data: dict[str, Any], struct: type[Channel]) -> Channel:
    required = [field.encode_name for field in msgspec.structs.fields(struct) if field.required]
    stand_ins = {key: _STAND_INS[key] for key in required if key in _STAND_INS}
    with suppress(msgspec.ValidationError):
        channel: Channel = convert({**stand_ins, **data}, struct)
        return channel
    # It lacks what only the package knows that brings its type: the rest is still looked at, as of any channel.
    common = {key: value for key, value in data.items() if key in Channel.__struct_encode_fields__}
    plain: Channel = convert({"name": _STAND_INS["name"], **common}, ConsoleChannel)
    return plain


def without(data: dict[str, Any], amiss: Collection[Finding]) -> dict[str, Any]:
    """A copy of the data that lacks what was found amiss: of channels and sections the one key, else the whole."""
    rest = deepcopy(data)
    for finding in amiss:
        match finding.path:
            case ("channels", int(i), str(key), *_) if isinstance(rest["channels"][i], dict):
                rest["channels"][i].pop(key, None)
            case ("channels", int(i), *_):
                rest["channels"][i] = None
            case ("storage" | "severity" | "smtp" | "defaults" as section, str(key), *_):
                rest.get(section, {}).pop(key, None)
            case (str(top), *_):
                rest.pop(top, None)
    return rest
