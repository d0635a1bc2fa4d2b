"""The tables of docs/configuration.md, from the schema; ``python -m tests.reference.configuration`` writes them."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import yaml

from receiver.config import schema
from receiver.config.definitions import DURATION
from receiver.config.not_yet import NOT_YET
from tests.reference.pages import DOCS, renewed, table

PAGE = DOCS / "configuration.md"
MODULE = "configuration"

SCHEMA = json.loads(schema.text())

# Each table: its name on the page, the path of its keys, the definition that has them.
TABLES = {
    "storage": ("storage.", "Storage"),
    "severity": ("severity.", "Severity"),
    "top": ("", None),
    "smtp": ("smtp.", "Smtp"),
    "defaults": ("defaults.", "Defaults"),
    "throttle": ("defaults.throttle.", "Throttle"),
    "channels": ("channels[].", "ConsoleChannel"),
    "email": ("channels[].", "EmailChannel"),
    "slack": ("channels[].", "SlackChannel"),
    "templates": ("channels[].templates.", "Templates"),
    "auth": ("auth.tokens[].", "Token"),
}
# Keys that have a table of their own.
SECTIONS = {"storage", "severity", "smtp", "defaults", "auth", "throttle"}
# What the items of a list are, by the beginning of their description.
ITEMS = {
    "A label's name.": "label names",
    "One or more matchers": "[matchers](#matchers)",
    "A mail address.": "mail addresses",
}
# What the text of a key is, where its name tells.
TEXTS = {
    "default": "[level](#severity)",
    "min_severity": "[level](#severity)",
    "fallback": "name of a channel",
    "from": "mail address",
    "aliases": "mapping, each to a level",
    "mention": "mapping of levels",
}
# Their examples say nothing of this key, or the page has better ones of its own.
WITHOUT_EXAMPLES = {"severity.label", "defaults.urgent", "channels[].mention"}
_DEFAULT = re.compile(r" ?\bDefault:? (?P<default>.*)\.$", re.S)
# A key's name or path, where it can't be taken for a word of English; a value in brackets.
_CODE = re.compile(r"(?<![\w`.])([a-z]+\.[a-z]+|(?:[a-z]+_)+[a-z]+|\[[^\]]*\]|/webhook/\{channel\})(?![\w`])")


@dataclass(frozen=True)
class Key:
    """One key, as a table has it."""

    path: str
    schema: dict[str, Any]
    required: bool

    @property
    def name(self) -> str:
        """Without the sections it is in."""
        return self.path.rpartition(".")[2]

    @property
    def said(self) -> tuple[str, str | None]:
        """The description without its last words, which tell the default, and these."""
        text = self.schema.get("description", "")
        found = _DEFAULT.search(text)
        return (text[: found.start()], found["default"]) if found else (text, None)


def _definition(name: str) -> dict[str, Any]:
    found: dict[str, Any] = SCHEMA["$defs"][name]
    return found


def _keys(prefix: str, definition: dict[str, Any]) -> Iterator[Key]:
    for name, described in definition["properties"].items():
        if f"{prefix}{name}" not in NOT_YET:
            yield Key(f"{prefix}{name}", described, name in definition["required"])


COMMON = {key.name for key in _keys("", _definition("ConsoleChannel"))}
INHERITED = {key.name for key in _keys("", _definition("Defaults"))}
OF_SMTP = {key.name for key in _keys("", _definition("Smtp"))}


def keys(part: str) -> list[Key]:
    """The keys of a table, in the file's order."""
    prefix, name = TABLES[part]
    if part == "auth":
        return [*_keys("auth.", _definition("Auth")), *_keys(prefix, _definition("Token"))]
    found = list(_keys(prefix, SCHEMA if name is None else _definition(name)))
    match part:
        case "top":
            return [key for key in found if key.name not in SECTIONS]
        case "channels":
            return [key for key in found if key.name not in INHERITED]
        case "email":
            return [key for key in found if key.name not in COMMON | OF_SMTP]
        case "slack":
            return [key for key in found if key.name not in COMMON]
    return found


def texts() -> dict[str, str]:
    """What the page has between its markers, by part."""
    head = ("key", "type", "default", "what it is")
    found = {part: table(head, map(_row, keys(part))) for part in TABLES}
    found["inherited"] = _paths(sorted(INHERITED & COMMON, key=list(_definition("Defaults")["properties"]).index))
    found["of smtp"] = _paths([name for name in _definition("Smtp")["properties"] if name in OF_SMTP])
    found["not in force"] = ", ".join(f"`{path}`" for path in NOT_YET) + "."
    return found


def _paths(names: list[str]) -> str:
    words = " ".join(f"`channels[].{name}`," for name in names).split()
    lines = [""]
    for word in words:
        joined = f"{lines[-1]} {word}".strip()
        lines[-1:] = [joined] if len(joined) <= 120 else [lines[-1], word]
    return "\n".join(lines).removesuffix(",") + "."


def _row(key: Key) -> tuple[str, str, str, str]:
    text, default = key.said
    if "$ref" in key.schema and not text:
        text = SCHEMA["$defs"][key.schema["$ref"].rpartition("/")[2]]["description"]
    return f"`{key.path}`", _type(key), _default(key, default), _marked(text) + _example(key, default)


def _type(key: Key) -> str:
    described, name = key.schema, key.name
    if reference := described.get("$ref"):
        return f"[mapping](#{reference.rpartition('/')[2].lower()})"
    if name in TEXTS:
        return TEXTS[name]
    if name == "type":
        return "`email`, `slack` or `console`"
    if described.get("format") == DURATION:
        return "duration, not 0" if "not" in described else "duration"
    if choices := described.get("enum"):
        return " or ".join(f"`{choice}`" for choice in choices)
    match described["type"]:
        case "array":
            return f"list of {_items(name, described['items'])}"
        case "object":
            return "mapping of texts"
        case "boolean":
            return "`true` or `false`"
        case "integer":
            return f"number, {described['minimum']} to {described['maximum']:,}"
    if described.get("writeOnly"):
        return "secret"
    return "path" if name.endswith("_file") else "name of a variable" if name.endswith("_env") else "text"


def _items(name: str, items: dict[str, Any]) -> str:
    if choices := items.get("enum"):
        return ", ".join(f"`{choice}`" for choice in choices)
    if "$ref" in items or "anyOf" in items:
        return f"[{name}](#{name})"
    if name == "notices":
        return "names of channels"
    return next((word for text, word in ITEMS.items() if items.get("description", "").startswith(text)), "texts")


def _default(key: Key, said: str | None) -> str:
    if key.required:
        return "**required**"
    if said is None:
        return f"`{_flow(key.schema['default'])}`" if "default" in key.schema else "–"
    return f"`{said}`" if is_value(said) else _marked(said)


def is_value(said: str) -> bool:
    """Whether it can be written into the file as it stands, and is no sentence."""
    return said != "none" and (said[0] in "[{" or " " not in said)


def _example(key: Key, default: str | None) -> str:
    if key.path in WITHOUT_EXAMPLES:
        return ""
    shown = [_flow(one) for one in key.schema.get("examples", ())]
    shown = [one for one in shown if one not in (default or "")]
    return f" E.g. {' or '.join(f'`{one}`' for one in shown)}." if shown else ""


def _flow(value: object) -> str:
    text = yaml.safe_dump(value, default_flow_style=True, allow_unicode=True, width=1000)
    return text.removesuffix("\n").removesuffix("\n...")


def _marked(text: str) -> str:
    """With the names of keys, and values in brackets, as code."""
    return _CODE.sub(r"`\1`", text)


if __name__ == "__main__":
    PAGE.write_text(renewed(PAGE.read_text(encoding="utf-8"), MODULE, texts()), encoding="utf-8")
