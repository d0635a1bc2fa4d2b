"""Imports point inward: a newcomer can read one folder without the others."""

import ast
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "receiver"

# What each part may import of the project, beside itself. Parts not named here wire others and may import all.
ALLOWED = {
    "core": set[str](),
    "store": {"core"},
    "transitions": {"core", "store"},
    "messages": {"core", "secret"},
    "channels": {"core", "secret"},
    "config": {"access", "core", "secret", "templates"},
    "templates": {"core", "messages", "logs"},
    "bundle": {"config", "messages"},
    "decode": {"core"},
    "dispatch": {"core", "store", "transitions", "messages", "channels.base", "metrics", "reporting", "logs"},
    "healthcheck": set[str](),
    "extension": {"channels.base", "config", "core", "messages", "secret"},
    "brought": {"channels.base", "config", "core", "dispatch", "extension", "logs", "messages"},
    "reporting": {"core", "store", "transitions", "metrics"},
    "notifier": {"core", "store", "transitions", "redaction"},
    "web": {"access", "core", "store", "transitions", "decode", "metrics", "logs"},
    "simulate": {"config", "core", "store", "transitions", "messages", "decode"},
    "reload": {"config", "core", "store", "transitions", "dispatch", "metrics", "redaction", "logs"},
    "metrics": {"core", "store"},
    "secret": set[str](),
    "access": {"secret"},
    "redaction": {"secret"},
    "logs": {"redaction"},
}


def imported(path: Path) -> set[str]:
    """The names of all modules that a file imports."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def modules(part: str) -> list[Path]:
    """The files of a part."""
    return sorted((PACKAGE / part).glob("*.py")) or [PACKAGE / f"{part}.py"]


@pytest.mark.parametrize("part", ALLOWED)
def test_a_part_imports_only_what_lies_further_in(part: str) -> None:
    allowed = {f"receiver.{name}" for name in (part, *ALLOWED[part])}
    for path in modules(part):
        for name in imported(path):
            if name.startswith("receiver.") and name != "receiver.__version__":
                assert any(
                    name == inner or name.startswith(f"{inner}.") or inner.startswith(f"{name}.") for inner in allowed
                ), f"{path.name} imports {name}"


def test_core_needs_the_standard_library_alone() -> None:
    for path in modules("core"):
        outside = {name.split(".")[0] for name in imported(path)} - sys.stdlib_module_names - {"receiver"}
        assert outside == set(), path.name


def test_core_knows_no_clock_and_does_no_io() -> None:
    for path in modules("core"):
        assert not imported(path) & {"time", "asyncio", "os", "socket", "logging", "random"}, path.name


def test_secrets_are_revealed_only_where_they_are_used() -> None:
    revealing = {
        path.relative_to(PACKAGE).parts[0]
        for path in PACKAGE.rglob("*.py")
        if ".reveal()" in path.read_text() and path.name != "secret.py"
    }
    assert revealing <= {"channels"}
