"""A document on its way to a configuration: as far as it could be read, mistakes left out."""

from collections.abc import Collection, Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

import msgspec

from receiver.config import durations
from receiver.config.durations import Duration
from receiver.config.problems import Finding, Path
from receiver.config.types import CHANNEL_TYPES, AnyChannel, Config, ConsoleChannel
from receiver.secret import Secret


@dataclass(frozen=True, slots=True)
class Draft:
    """A document as far as it could be read.

    ``data`` is the document as written. ``config`` has what the schema let pass, but for the channels: those are in
    ``channels``, by their place in the document. ``doubtful`` are the top keys that the schema found fault with.
    """

    data: Mapping[str, Any]
    config: Config
    channels: Mapping[int, AnyChannel]
    doubtful: frozenset[str | int]

    def written(self, *path: str | int) -> bool:
        """Whether the key is in the document, be it right or wrong."""
        value: Any = self.data
        for part in path:
            if isinstance(part, int):
                value = value[part]
            elif isinstance(value, dict) and part in value:
                value = value[part]
            else:
                return False
        return True

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
    if kind is Secret:
        return Secret(value)
    raise NotImplementedError(kind)


def draft(written: Mapping[str, Any], data: dict[str, Any], amiss: Collection[Finding]) -> Draft:
    """What is left of ``data`` without the places found amiss; ``written`` is the document before secrets were read."""
    sound = _without(data, [finding.path for finding in amiss])
    channels: dict[int, AnyChannel] = {}
    for i, channel in enumerate(sound.pop("channels", ())):
        try:
            channels[i] = convert(channel, CHANNEL_TYPES[channel["type"]])
        except (msgspec.ValidationError, LookupError, TypeError):
            # It lacks something that it can't be without, which is told already.
            continue
    # The channels are looked at one by one; the configuration as a whole only has to have one.
    config = msgspec.structs.replace(
        convert({**sound, "channels": [{"type": "console", "name": "none"}]}, Config), channels=()
    )
    return Draft(written, config, channels, frozenset(finding.path[0] for finding in amiss if finding.path))


def _without(data: dict[str, Any], paths: Collection[Path]) -> dict[str, Any]:
    """The data without these places: of channels and sections the one key, of everything else the whole."""
    rest = deepcopy({key: value for key, value in data.items() if key != "channels"})
    ...
