"""The committed JSON Schema is the types' own, and describes every key."""

from collections.abc import Iterator
from importlib.resources import files
from typing import Any

from jsonschema import Draft202012Validator

from receiver.config import schema
from receiver.config.not_yet import NOT_YET


def keys(definition: dict[str, Any], path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Every key of every section."""
    for name, section in {"": definition, **definition["$defs"]}.items():
        for key, value in section["properties"].items():
            yield f"{name}.{key}", value


def test_the_committed_schema_is_fresh() -> None:
    committed = files("receiver.config").joinpath("schema.json").read_text(encoding="utf-8")
    assert committed == schema.text(), "write it anew: alert-receiver schema > receiver/config/schema.json"


def test_it_is_a_valid_schema_of_the_draft_it_names() -> None:
    Draft202012Validator.check_schema(schema.generate())
    assert schema.generate()["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert "$id" not in schema.generate()


def test_every_key_is_described_and_no_unknown_one_is_allowed() -> None:
    generated = schema.generate()
    assert all(value.get("description") or "$ref" in value for _, value in keys(generated))
    for section in (generated, *generated["$defs"].values()):
        assert section["title"]
        assert section["description"]
        assert section["additionalProperties"] is False


def test_defaults_are_shown_as_they_would_be_written() -> None:
    defaults = schema.generate()["$defs"]["Defaults"]["properties"]
    assert defaults["group_wait"]["default"] == "10s"
    assert defaults["throttle"]["default"] == {"messages": 6, "per": "1m"}


def test_the_schema_says_of_every_key_that_is_not_in_force_that_it_is_not() -> None:
    generated = schema.generate()
    sections = [generated, *generated["$defs"].values()]
    marked = {
        key
        for section in sections
        for key, described in section["properties"].items()
        if described.get("description", "").startswith("Not in force yet.")
    }
    assert marked == {path.rpartition(".")[2] for path in NOT_YET}
