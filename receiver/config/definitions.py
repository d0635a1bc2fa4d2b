"""The JSON Schema of single types of the configuration."""

import re
from collections.abc import Sequence
from typing import Any

import msgspec
from msgspec import NODEFAULT

from receiver.config import durations, types
from receiver.config.credentials import Rotation
from receiver.config.durations import Duration
from receiver.config.not_yet import NOT_YET
from receiver.secret import Secret

# Where in the file the types stand whose keys may not be in force yet.
SECTIONS = {
    "Storage": "storage",
    "Defaults": "defaults",
    **{struct.__name__: "channels" for struct in types.CHANNEL_TYPES.values()},
}

# Tells a duration's schema from others; no validator need know it.
DURATION = "prometheus-duration"


def definitions(structs: Sequence[type[msgspec.Struct]], prefix: str = "") -> dict[str, Any]:
    """The schemas of these types and of all that they are made of, by their names with ``prefix``."""
    _, found = msgspec.json.schema_components(structs, schema_hook=_custom, ref_template=f"#/$defs/{prefix}{{name}}")
    known = {name: struct for name, struct in vars(types).items() if name in found}
    known |= {struct.__name__: struct for struct in structs}
    for name, definition in found.items():
        definition["title"] = name
        if struct := known.get(name):
            _complete(struct, definition["properties"])
        _mark_not_yet(SECTIONS.get(name, ""), definition["properties"])
    return {f"{prefix}{name}": definition for name, definition in found.items()}


def _mark_not_yet(section: str, properties: dict[str, Any]) -> None:
    """Say of each key that this version does not act on that it does not."""
    for key, schema in properties.items():
        path = f"{section}.{key}".removeprefix(".")
        if path in NOT_YET or re.sub(r"^(defaults|channels)\.", "*.", path) in NOT_YET:
            schema["description"] = f"Not in force yet. {schema.get('description', '')}".strip()


def _custom(kind: type) -> dict[str, Any]:
    if kind is Duration:
        # The one number among durations is 0, which needs no unit.
        return {
            "type": ["string", "integer"],
            "format": DURATION,
            "pattern": "^(0|([0-9]+y)?([0-9]+w)?([0-9]+d)?([0-9]+h)?([0-9]+m)?([0-9]+s)?([0-9]+ms)?)$",
            "minLength": 1,
            "minimum": 0,
            "maximum": 0,
        }
    if kind in (Secret, Rotation):
        return {"type": "string", "minLength": 1, "writeOnly": True}
    raise NotImplementedError(kind)


def _complete(section: type[msgspec.Struct], properties: dict[str, Any]) -> None:
    """Add what msgspec leaves out: defaults that are made anew each time, and what ``type`` means."""
    for field in msgspec.structs.fields(section):
        if field.default_factory is not NODEFAULT:
            properties[field.encode_name]["default"] = msgspec.to_builtins(field.default_factory(), enc_hook=_plain)
    if "type" in properties and section.__struct_config__.tag:
        properties["type"]["description"] = "What kind of channel this is."


def _plain(value: object) -> object:
    if isinstance(value, Duration):
        return durations.written(value)
    raise NotImplementedError(type(value))
