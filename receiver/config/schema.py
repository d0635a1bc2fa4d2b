"""The JSON Schema of the configuration file, generated from the types."""

import json
from copy import deepcopy
from functools import cache
from typing import Any

from receiver.config import kinds
from receiver.config.definitions import definitions
from receiver.config.types import CHANNEL_TYPES, Config


def generate() -> dict[str, Any]:
    """The schema, draft 2020-12, as a JSON object: with the types of channels that installed packages bring."""
    schema = deepcopy(of_the_house())
    channel = schema["properties"]["channels"]["items"]
    for brought in kinds.brought():
        schema["$defs"] |= brought.definitions
        channel["anyOf"].append({"$ref": brought.reference})
        channel["discriminator"]["mapping"][brought.name] = brought.reference
    return schema


@cache
def of_the_house() -> dict[str, Any]:
    """The schema without other packages' types. One object for all callers: don't change it."""
    found = definitions([Config, *CHANNEL_TYPES.values()])
    config = found.pop("Config")
    # The types of channels stand in its place.
    del found["Channel"]
    references = {kind: f"#/$defs/{struct.__name__}" for kind, struct in CHANNEL_TYPES.items()}
    config["properties"]["channels"]["items"] = {
        "anyOf": [{"$ref": reference} for reference in references.values()],
        "discriminator": {"propertyName": "type", "mapping": references},
    }
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **config,
        "title": "alert-receiver.yml",
        "$defs": dict(sorted(found.items())),
    }


def text() -> str:
    """The schema as it is committed."""
    return json.dumps(of_the_house(), indent=2, ensure_ascii=False) + "\n"
