"""Holding a document against the schema, and saying what is wrong in the user's words, not the schema's."""

from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

from jsonschema import Draft202012Validator, FormatChecker
from jsonschema.exceptions import ValidationError

from receiver.config import durations, kinds, schema
from receiver.config.definitions import DURATION
from receiver.config.problems import Finding, Path, choice, suggestion
from receiver.config.types import CHANNEL_TYPES

_NAMED = {
    "object": "a mapping (key: value)",
    "array": "a list",
    "string": "a text",
    "integer": "a whole number",
    "boolean": "true or false",
}
# What a key's pattern lets pass, where its description does not say so.
_ALLOWED: Mapping[str | int, str] = {
    "at": "a time such as 09:00",
    "host": "a name or an address, without a port",
    "source": "visible ASCII without spaces, at least one character and at most 100",
}


def findings(data: dict[str, Any]) -> list[Finding]:
    """Everything in the document that the schema does not allow, at most one finding a place."""
    found: dict[Path, Finding] = {}
    for finding in _all(data):
        found.setdefault(finding.path, finding)
    return list(found.values())


def _all(data: dict[str, Any]) -> Iterator[Finding]:
    whole = _validators()
    yield from _explained(whole[""], data, ())
    channels = data.get("channels")
    for i, channel in enumerate(channels if isinstance(channels, list) else ()):
        if not isinstance(channel, dict):
            continue
        kind = channel.get("type")
        if isinstance(kind, str) and kind in CHANNEL_TYPES:
            yield from _explained(whole[kind], channel, ("channels", i))
        elif isinstance(kind, str) and (found := kinds.find(kind)):
            yield from _of_a_package(found, channel, ("channels", i))
        elif "type" in channel:
            yield Finding(("channels", i, "type"), "no such type of channel", suggestion(kind, kinds.names()))
        else:
            yield Finding(("channels", i, "type"), "is missing", f"one of {', '.join(kinds.names())}")


def _of_a_package(found: kinds.Brought | kinds.Unusable, channel: dict[str, Any], at: Path) -> Iterator[Finding]:
    if isinstance(found, kinds.Unusable):
        yield Finding((*at, "type"), found.wrong, found.right)
    else:
        yield from _explained(_validator_of(found), channel, at)


@cache
def _validator_of(brought: kinds.Brought) -> Draft202012Validator:
    own = {"$defs": brought.definitions, "$ref": brought.reference}
    return Draft202012Validator(own, format_checker=_checker())


@cache
def _validators() -> dict[str, Draft202012Validator]:
    """One for each type of channel, and under the empty name one for everything else.

    Apart, because a channel that fits none of the types is told as just that: "not valid under any of the given
    schemas", whatever the typo.
    """
    generated = schema.of_the_house()
    definitions = {"$defs": generated["$defs"]}
    channels = {**generated["properties"]["channels"], "items": {"type": "object"}}
    schemas = {"": {**generated, "properties": {**generated["properties"], "channels": channels}}}
    for kind, struct in CHANNEL_TYPES.items():
        schemas[kind] = {**definitions, "$ref": f"#/$defs/{struct.__name__}"}
    return {kind: Draft202012Validator(one, format_checker=_checker()) for kind, one in schemas.items()}


@cache
def _checker() -> FormatChecker:
    checker = FormatChecker(())
    checker.checks(DURATION, raises=ValueError)(_is_duration)
    return checker


def _is_duration(value: object) -> bool:
    if isinstance(value, str | int) and not isinstance(value, bool):
        durations.parse(str(value))
    return True


def _explained(validator: Draft202012Validator, data: object, at: Path) -> Iterator[Finding]:
    for error in validator.iter_errors(data):
        path = (*at, *error.absolute_path)
        if error.validator == "additionalProperties":
            known = tuple(error.schema.get("properties", ()))
            for key in error.instance:
                if key not in known:
                    yield Finding((*path, key), "unknown key", suggestion(key, known))
        elif error.validator == "required":
            for key in error.validator_value:
                if key not in error.instance:
                    yield Finding((*path, key), "is missing", _described(error.schema["properties"][key]))
        else:
            yield Finding(path, *_wrong(error))


def _wrong(error: ValidationError) -> tuple[str, str]:
    """What is wrong with the value, and what would be right; the value itself may be a credential and is not told."""
    limit: Any = error.validator_value
    expected = error.schema if isinstance(error.schema, dict) else {}
    if error.instance is None:
        return "has no value", "give it one, or leave the key out"
    if expected.get("format") == DURATION:
        return _wrong_duration(error.instance), ""
    match error.validator:
        case "type":
            return f"must be {_NAMED[limit]}", _quoting(error.instance, limit)
        case "enum":
            return "is none of the possible values", suggestion(error.instance, limit)
        case "minLength":
            return "is empty", _described(expected)
        case "minItems":
            possible = expected.get("items", {}).get("enum")
            return "is an empty list", choice(possible) if possible else _described(expected)
        case "maxLength":
            return f"is longer than {limit} characters", ""
        case "pattern" if (key := error.absolute_path[-1]) in _ALLOWED:
            return f"must be {_ALLOWED[key]}", ""
        case "minimum" | "maximum":
            return f"must be at {'least' if error.validator == 'minimum' else 'most'} {limit}", ""
        case "uniqueItems":
            return "lists something twice", ""
        case _:
            return "is not as it should be", _described(expected)


def _wrong_duration(value: object) -> str:
    if isinstance(value, bool) or not isinstance(value, str | int):
        return "must be a duration such as 30s or 1h30m"
    try:
        durations.parse(str(value))
    except ValueError as error:
        return str(error)
    return "must be longer than 0"


def _quoting(value: object, wanted: str) -> str:
    return "quote it" if wanted == "string" and isinstance(value, int | float) else ""


def _described(expected: dict[str, Any]) -> str:
    """The first sentence of a key's description."""
    text: str = expected.get("description", "").split(". ")[0].removesuffix(".")
    return text[:1].lower() + text[1:]
