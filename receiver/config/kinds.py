"""The types of channels: those of the house, and those that other packages bring through an entry point.

The installed packages are looked through once, and only when a type is asked for that the house does not have: who has
none of them waits for none of this. A package that is installed or renewed later is seen after a restart.
"""

import logging
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from types import UnionType
from typing import Annotated, Any, Generic, NamedTuple, TypeVar, Union, get_args, get_origin

import msgspec
from msgspec import UNSET, Meta, UnsetType

from receiver.config import keys
from receiver.config.credentials import SECRETS, Secrets
from receiver.config.definitions import definitions
from receiver.config.types import CHANNEL_TYPES, Channel
from receiver.secret import Secret

log = logging.getLogger(__name__)

GROUP = "alert_receiver.channels"

# It stands in metrics, in the schema and in references within it.
_TYPE = re.compile(r"[a-z][a-z0-9_-]{0,30}")

# A Slack channel that a bot writes to goes by this in the books.
_TAKEN = frozenset({*CHANNEL_TYPES, "slack_bot"})

C = TypeVar("C", bound=Channel)


class Mistake(NamedTuple):
    """What is wrong with a key of a channel, as a clause that follows the key's name, and what would be right."""

    key: str
    wrong: str
    right: str = ""


class Unfit(Exception):
    """What a package brings is no type of channel; the text, which is ours, says why."""


def _nothing(_config: Channel) -> Iterable[Mistake]:
    return ()


@dataclass(frozen=True, kw_only=True)
class Kind(Generic[C]):
    """What a configuration needs to know of a type of channel."""

    config: type[C]
    check: Callable[[C], Iterable[Mistake]] = _nothing


@dataclass(frozen=True, slots=True, eq=False)
class Brought:
    """A type that the distribution ``package`` brings.

    ``struct`` is its configuration as it is written in the file: a secret ``x`` may stand there as ``x_file`` or
    ``x_env``. ``needed`` are those of its ``secrets`` without which it can't be.
    """

    name: str
    package: str
    kind: Kind[Any]
    struct: type[Channel]
    secrets: tuple[str, ...]
    needed: tuple[str, ...]
    definitions: Mapping[str, Any]

    @property
    def reference(self) -> str:
        """Which of the ``definitions`` is the channel's own."""
        return f"#/$defs/{self.name}.{self.struct.__name__}"


@dataclass(frozen=True, slots=True)
class Unusable:
    """A type that can't be used: why, and what to do."""

    wrong: str
    right: str


def names() -> tuple[str, ...]:
    """All types that there are, be they usable or not."""
    return (*CHANNEL_TYPES, *sorted(_entries()))


def brought() -> tuple[Brought, ...]:
    """Every type that other packages bring and that can be used."""
    return tuple(one for name in sorted(_entries()) if isinstance(one := find(name), Brought))


def struct(kind: object) -> type[Channel] | None:
    """How a channel of this type is written in the file; None where there is no such type that can be used."""
    if not isinstance(kind, str):
        return None
    found = CHANNEL_TYPES.get(kind) or find(kind)
    return found.struct if isinstance(found, Brought) else found if isinstance(found, type) else None


def secrets(kind: object) -> Secrets:
    """The secrets that there may be in a channel of this type; in a section without a type, those of the house."""
    found = find(kind) if isinstance(kind, str) else None
    return dict.fromkeys(found.secrets, Secret) if isinstance(found, Brought) else SECRETS


@cache
def find(name: str) -> Brought | Unusable | None:
    """The type of this name that another package brings; None where none does, or the house has it."""
    if name in _TAKEN or name not in _entries():
        return None
    found = _entries()[name]
    if len(packages := sorted({_package(entry) for entry in found})) > 1:
        return Unusable(f"is brought by several packages: {', '.join(packages)}", "uninstall all but one")
    [entry] = found
    wrong = f"the package {_package(entry)} that brings this type can't be used"
    try:
        return _fitting(name, _package(entry), _loaded(entry))
    except Unfit as unfit:
        return Unusable(f"{wrong}: {unfit}", "tell its authors")
    except (Exception, SystemExit) as error:
        # Of an exception's text nobody knows what it holds; the name of a module is known.
        missing = f" (no module {error.name})" if isinstance(error, ModuleNotFoundError) else ""
        return Unusable(
            f"{wrong}: {type(error).__name__}{missing}", f'python -c "import {entry.value.partition(":")[0]}" says more'
        )


@cache
def _entries() -> dict[str, tuple[EntryPoint, ...]]:
    found: dict[str, tuple[EntryPoint, ...]] = {}
    for entry in entry_points(group=GROUP):
        if entry.name in _TAKEN:
            log.warning(
                "the package %s brings a channel type %s, which is built in: the built-in one is used",
                _package(entry),
                entry.name,
            )
        else:
            found[entry.name] = (*found.get(entry.name, ()), entry)
    return found


def _package(entry: EntryPoint) -> str:
    try:
        name: str | None = entry.dist.name if entry.dist is not None else None
    except Exception:  # its metadata may be as broken as the package
        name = None
    return name or entry.value


def _loaded(entry: EntryPoint) -> object:
    import_module(entry.module)  # an AttributeError in here is another one
    try:
        return entry.load()
    except AttributeError:
        raise Unfit(f"{entry.module} has no {entry.attr!r}") from None


def _fitting(name: str, package: str, kind: object) -> Brought:
    if not isinstance(kind, Kind):
        raise Unfit("its entry point leads to no ChannelKind")
    config = kind.config
    if not (isinstance(config, type) and issubclass(config, Channel) and config is not Channel):
        raise Unfit("its config is no subclass of ChannelConfig")
    if config.__struct_config__.tag != name or not _TYPE.fullmatch(name):
        raise Unfit(f"its config must say tag={name!r}, of small letters, digits, _ and -")
    fields = msgspec.structs.fields(config)
    common = {one.name: one for one in msgspec.structs.fields(Channel)}
    if taken := [one.name for one in fields if one != common.get(one.name, one)]:
        raise Unfit(f"its key {taken[0]} is one that every channel has")
    found = [one for one in fields if _is_secret(one.type)]
    for one in found:
        if one.name != one.encode_name or one.name.endswith(("_file", "_env")):
            raise Unfit(f"its secret {one.name} needs a plain name, the same in the file, without _file or _env")
    struct = _written(config, found)
    try:
        # By the type, as two packages may both have a PagerChannel.
        described = definitions([struct], f"{name}.")
    except Exception as error:
        raise Unfit(f"its keys have no JSON Schema ({type(error).__name__})") from None
    return Brought(
        name=name,
        package=package,
        kind=kind,
        struct=struct,
        secrets=tuple(one.name for one in found),
        needed=tuple(one.name for one in found if one.required),
        definitions=described,
    )


def _is_secret(annotation: Any) -> bool:
    if get_origin(annotation) is Annotated:
        return _is_secret(get_args(annotation)[0])
    if isinstance(annotation, UnionType) or get_origin(annotation) is Union:
        return any(_is_secret(part) for part in get_args(annotation))
    return annotation is Secret


def _written(config: type[Channel], found: Iterable[msgspec.structs.FieldInfo]) -> type[Channel]:
    """The configuration with the twins of its secrets, each of which may be left out as another one says it."""
    fields: list[tuple[str, Any, Any]] = []
    for secret in found:
        file = Annotated[keys.FilePath, Meta(description=f"A file with {secret.name}.")]
        variable = Annotated[
            keys.EnvironmentVariable, Meta(description=f"The environment variable with {secret.name}.")
        ]
        fields += [
            (secret.name, secret.type | UnsetType, UNSET),
            (f"{secret.name}_file", file | UnsetType, UNSET),
            (f"{secret.name}_env", variable | UnsetType, UNSET),
        ]
    written = msgspec.defstruct(
        config.__name__,
        fields,
        bases=(config,),
        namespace={"__doc__": config.__doc__},
        module=config.__module__,
        tag=config.__struct_config__.tag,
        kw_only=True,
        frozen=True,
    )
    assert issubclass(written, Channel)
    return written
