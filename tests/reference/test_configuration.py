"""docs/configuration.md has every key as the schema has it, and its examples are accepted as they stand."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from receiver.config import durations, loading
from receiver.config.definitions import DURATION
from receiver.config.not_yet import NOT_YET
from tests.reference import configuration
from tests.reference.pages import blocks, lines_of_prose, parts, renewed

PAGE = configuration.PAGE.read_text(encoding="utf-8")
EXAMPLES = blocks(PAGE, "yaml")
SCHEMA = configuration.SCHEMA
SECRETS = {"webhook_url_file": "https://hooks.slack.com/services/T00000000/B00000000/XXXXXXXX"}


def described(definition: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """The path of every key there can be, however deep, with its schema; sections included."""
    for name, found in definition.get("properties", {}).items():
        path = f"{prefix}{name}"
        yield path, found
        items = found.get("items", {})
        for one, infix in ((found, "."), *((one, "[].") for one in (items, *items.get("anyOf", ())))):
            if reference := one.get("$ref"):
                yield from described(SCHEMA["$defs"][reference.rpartition("/")[2]], path + infix)


PATHS = dict(described(SCHEMA))
IN_FORCE = [
    path for path in PATHS if not any(path == key or path.startswith((f"{key}.", f"{key}[")) for key in NOT_YET)
]


def test_the_tables_are_what_the_schema_says() -> None:
    again = renewed(PAGE, configuration.MODULE, configuration.texts())
    assert again == PAGE, "write them anew: python -m tests.reference.configuration"


def test_the_page_has_a_place_for_each_part() -> None:
    assert sorted(parts(PAGE, configuration.MODULE)) == sorted(configuration.texts())


def test_every_key_there_can_be_is_on_the_page() -> None:
    assert len(PATHS) > 100
    # A section is its heading; a channel's throttle has the keys of the other one.
    headings = set(re.findall(r"^### (\w+)$", PAGE, re.M))
    named = set(re.findall(r"(?<!`)`([^`\n]+)`(?!`)", PAGE)) | headings
    paths = {path.replace("channels[].throttle.", "defaults.throttle.") for path in IN_FORCE}
    assert paths - named == set()


def test_nothing_is_in_a_table_that_is_no_key() -> None:
    rows = re.findall(r"^\| `([^`]+)` \| .* \| .* \| .* \|$", PAGE, re.M)
    assert len(rows) > 60
    assert set(rows) - set(PATHS) == set()
    assert len(rows) == len(set(rows))


@pytest.mark.parametrize("path", NOT_YET)
def test_what_is_not_in_force_is_named_once_and_described_nowhere(path: str) -> None:
    assert PAGE.count(f"`{path}`") == 1
    assert PAGE.index(f"`{path}`") > PAGE.index("\n## Accepted, but not in force\n")


@pytest.mark.parametrize(
    ("path", "said"),
    [(key.path, key.said[1]) for part in configuration.TABLES for key in configuration.keys(part) if key.said[1]],
)
def test_the_default_in_words_is_the_one_in_force(path: str, said: str) -> None:
    found = PATHS[path]
    if not configuration.is_value(said):
        # None, or one that follows from other keys: nothing is in force by itself.
        assert found.get("default") in (None, [])
    elif found.get("format") == DURATION:
        assert durations.parse(said) == durations.parse(found["default"])
    else:
        # Of what receives its default past the schema, the address of Slack's Web API, the schema knows none.
        assert yaml.safe_load(said) == found.get("default", "https://slack.com/api/")


@pytest.mark.parametrize("example", EXAMPLES, ids=range(len(EXAMPLES)))
def test_an_example_is_accepted_without_a_warning(example: str, tmp_path: Path) -> None:
    for key, name in re.findall(r"(\w+_file): /run/secrets/([\w-]+)", example):
        (tmp_path / name).write_text(SECRETS.get(key, f"s3cret-of-the-page-{name}") + "\n")
    path = tmp_path / "alert-receiver.yml"
    path.write_text(example.replace("/run/secrets", str(tmp_path)))
    loaded = loading.load(path, {"SMTP_PASSWORD": "s3cret-of-the-page"})
    assert [str(warning) for warning in loaded.warnings] == []


@pytest.mark.parametrize("key", ["matchers", "urgent", "throttle", "mention", "fallback", "tokens", "scopes", "source"])
def test_a_key_that_does_not_explain_itself_has_an_example(key: str) -> None:
    assert any(re.search(rf"\b{key}:", example) for example in EXAMPLES)


def test_lines_of_prose_are_short_enough_to_read_a_difference() -> None:
    assert [line for line in lines_of_prose(PAGE) if len(line) > 120] == []
