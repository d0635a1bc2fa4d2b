"""The rules as pint sees them, a linter that knows more of what goes wrong with rules than promtool does."""

import subprocess

import pytest

from tests.rules.rule_files import RULES, paths


@pytest.mark.real("pint")
def test_pint_finds_nothing_to_say_about_the_rules() -> None:
    # Offline: what it would ask a Prometheus about is what the end-to-end test asks a real one.
    files = [str(path.relative_to(RULES)) for path in paths()]
    linted = subprocess.run(
        ["pint", "--no-color", "--offline", "lint", "--min-severity=info", "--fail-on=info", *files],
        cwd=RULES,
        capture_output=True,
        text=True,
        check=False,
    )
    assert linted.returncode == 0, linted.stderr
    assert "Problems found" not in linted.stderr
