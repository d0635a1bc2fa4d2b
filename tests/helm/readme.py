"""The chart's README and the descriptions in its schema, from the comments in values.yaml.

``python -m tests.helm.readme`` writes both anew.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path
from typing import Any

import yaml

CHART = Path(__file__).parents[2] / "helm" / "alert-receiver"
VALUES, SCHEMA, PAGE = CHART / "values.yaml", CHART / "values.schema.json", CHART / "README.md"
BEGIN, END = "<!-- begin: python -m tests.helm.readme -->\n", "<!-- end -->\n"

LONGEST_DEFAULT = 60
"""What is longer is better read in values.yaml."""


@dataclass(frozen=True)
class Value:
    """A key of values.yaml; one that has keys of its own in the schema, ``below``, has no default to show."""

    path: tuple[str, ...]
    description: str
    default: Any
    below: bool

    @property
    def name(self) -> str:
        """The path as `helm --set` has it."""
        return ".".join(self.path)


def values() -> Iterator[Value | str]:
    """The headings and the values, in the file's order."""
    text = VALUES.read_text()
    yield from _of(yaml.compose(text), json.loads(SCHEMA.read_text()), text.splitlines(), ())


def _of(
    node: yaml.Node | None, schema: Mapping[str, Any], lines: list[str], path: tuple[str, ...]
) -> Iterator[Value | str]:
    assert isinstance(node, yaml.MappingNode)
    for key, value in node.value:
        yield from _headings(lines, key.start_mark.line)
        below = schema.get("properties", {}).get(key.value, {})
        # What Kubernetes or the receiver describes, its own schema does; so it is one value here.
        inner = isinstance(value, yaml.MappingNode) and bool(value.value) and "properties" in below
        here = (*path, key.value)
        yield Value(here, " ".join(_comment(lines, key.start_mark.line)), yaml.safe_load(yaml.serialize(value)), inner)
        if inner:
            yield from _of(value, below, lines, here)


def _above(lines: list[str], line: int) -> list[str]:
    above = takewhile(lambda text: text.startswith("#"), (text.strip() for text in reversed(lines[:line])))
    return list(above)[::-1]


def _comment(lines: list[str], line: int) -> list[str]:
    return [text.removeprefix("# ") for text in _above(lines, line) if not text.startswith("## ")]


def _headings(lines: list[str], line: int) -> list[str]:
    return [text.removeprefix("## ") for text in _above(lines, line) if text.startswith("## ")]


def described(schema: dict[str, Any]) -> dict[str, Any]:
    """The schema with the values' descriptions as they are now."""
    for value in values():
        if isinstance(value, Value):
            place = schema
            for key in value.path:
                place = place["properties"][key]
            rest = {key: it for key, it in place.items() if key != "description"}
            place.clear()
            place.update({"description": value.description}, **rest)
    return schema


def tables() -> str:
    """A section for each heading, with its values."""
    return "".join(_lines())


def _lines() -> Iterator[str]:
    for value in values():
        if isinstance(value, str):
            yield f"\n### {value}\n\n| value | default | what |\n|---|---|---|\n"
        else:
            description = value.description.replace("|", "\\|")
            yield f"| `{value.name}` | {_default(value)} | {description} |\n"


def _default(value: Value) -> str:
    if value.below:
        return ""
    shown = json.dumps(value.default, ensure_ascii=False)
    return f"`{shown}`" if len(shown) <= LONGEST_DEFAULT else "see values.yaml"


def renewed(page: str) -> str:
    """The page with its tables as they are now."""
    before, _, rest = page.partition(BEGIN)
    return f"{before}{BEGIN}{tables()}\n{END}{rest.partition(END)[2]}"


def written(schema: Mapping[str, Any]) -> str:
    """The schema as it is in its file."""
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    SCHEMA.write_text(written(described(json.loads(SCHEMA.read_text()))))
    PAGE.write_text(renewed(PAGE.read_text()))
