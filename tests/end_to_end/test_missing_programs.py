"""Where the real programs are missing, the test run says plainly what it did not show; in CI that is an error."""

import asyncio
import os
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
TEST = HERE / "test_prometheus_to_mail_and_slack.py"


@pytest.mark.parametrize(
    ("ci", "code", "words"),
    [
        (
            "",
            0,
            (
                "tests that did not run",
                "its_resolve: needs prometheus, prometheus-alertmanager",
                "To run them too: apt-get install prometheus prometheus-alertmanager",
            ),
        ),
        ("true", 1, ("2 errors", "not on the PATH: prometheus, prometheus-alertmanager", "with CI=true")),
    ],
    ids=["on a machine of one's own", "in CI"],
)
async def test_a_missing_program_is_named_and_an_error_in_ci(
    tmp_path: Path, ci: str, code: int, words: tuple[str, ...]
) -> None:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "pytest", str(TEST), "-k", "prometheus_arrives or promtool", "-p", "no:cacheprovider"),
        cwd=HERE.parents[1],
        env={name: value for name, value in os.environ.items() if name != "CI"} | {"PATH": str(tmp_path), "CI": ci},
        stdout=asyncio.subprocess.PIPE,
    )
    said, _ = await process.communicate()
    text = said.decode()
    assert process.returncode == code, text
    for word in words:
        assert word in text
