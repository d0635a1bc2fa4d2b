"""The tests notice what they are there to notice: each patch in ``mutations/`` breaks a promise, and a test turns red.

A patch begins with what it breaks and names, after ``Red:``, the test that has to fail.
"""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

PROJECT = Path(__file__).parent.parent
PATCHES = sorted((Path(__file__).parent / "mutations").glob("*.patch"))
RED = re.compile(r"^Red: (tests/\S+\.py::test_\w+)$", re.MULTILINE)
# A git hook that runs the tests would point git at its own tree; options for this pytest are not meant for the inner.
ENVIRONMENT = {name: value for name, value in os.environ.items() if not name.startswith(("GIT_", "PYTEST_"))}
# Nothing here is for people to read, and these take longer than the tests.
PYTEST = ("pytest", "-q", "-p", "no:cacheprovider", "-p", "no:aiohttp", "-p", "no:hypothesispytest", "--assert=plain")


def copied(to: Path) -> Path:
    """A copy of what the tests of the decisions need."""
    for folder in ("receiver", "tests"):
        shutil.copytree(PROJECT / folder, to / folder, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(PROJECT / "pyproject.toml", to)
    return to


def run(copy: Path, *command: str) -> subprocess.CompletedProcess[str]:
    """What Python says with these arguments where the copy comes before the installed project."""
    env = ENVIRONMENT | {"PYTHONPATH": str(copy), "PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.run([sys.executable, *command], cwd=copy, env=env, capture_output=True, text=True, check=False)


def named_test(patch: Path) -> str:
    """The one test that the patch names."""
    named = RED.findall(patch.read_text())
    assert len(named) == 1, f"{patch.name} must name one test, in a line 'Red: tests/…::test_…'"
    return str(named[0])


def mutate(copy: Path, patch: Path) -> None:
    """Apply the patch."""
    # Without the ceiling, git would apply nothing where the copy lies within another repository.
    env = ENVIRONMENT | {"GIT_CEILING_DIRECTORIES": str(copy.parent)}
    applied = subprocess.run(
        ["git", "apply", "--verbose", str(patch)], cwd=copy, env=env, capture_output=True, text=True, check=False
    )
    assert applied.returncode == 0, f"{patch.name} no longer applies: renew it for the code as it is.\n{applied.stderr}"


def test_the_mutations_are_there() -> None:
    assert len(PATCHES) >= 6


def test_what_the_mutations_turn_red_is_green_without_them(tmp_path: Path) -> None:
    copy = copied(tmp_path / "copy")
    imported = run(copy, "-c", "import receiver; print(receiver.__file__)")
    assert imported.stdout.strip() == str(copy / "receiver" / "__init__.py")
    passed = run(copy, "-m", *PYTEST, *sorted({named_test(patch) for patch in PATCHES}))
    assert passed.returncode == 0, passed.stdout + passed.stderr


@pytest.mark.parametrize("patch", PATCHES, ids=lambda patch: patch.stem)
def test_a_mutation_turns_its_test_red(patch: Path, tmp_path: Path) -> None:
    named = named_test(patch)
    copy = copied(tmp_path / "copy")
    mutate(copy, patch)
    tried = run(copy, "-m", *PYTEST, "--junitxml=report.xml", named)
    said = f"{named}\n{tried.stdout}{tried.stderr}"
    assert tried.returncode != 0, f"{patch.name} survives: nothing notices what it breaks.\n{said}"
    assert tried.returncode == 1, f"{patch.name} breaks more than its test.\n{said}"
    report = ElementTree.parse(copy / "report.xml")
    assert not list(report.iter("error")), said
    failures = [failure.get("message", "") for failure in report.iter("failure")]
    assert failures, said
    assert all(message.startswith("AssertionError") for message in failures), f"not by an assertion:\n{said}"
