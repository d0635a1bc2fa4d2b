"""The marker ``real``, for tests that need programs which pip does not install; how hard the properties are tried."""

import logging
import os
import shutil
import sys
import threading
import warnings
from collections.abc import Iterator

import pytest
from hypothesis import settings

from receiver import secret

# CI tries the same cases every time, so that what it finds is the change's own; new cases are sought at the desk.
settings.register_profile("ci", derandomize=True)
settings.register_profile("deep", max_examples=4_000, deadline=None)
if os.environ.get("CI") == "true":
    settings.load_profile("ci")

# What Debian calls the packages of these programs; others are named like the program.
PACKAGES = {
    "amtool": "prometheus-alertmanager",
    "nsenter": "util-linux",
    "promtool": "prometheus",
    "setpriv": "util-linux",
    "systemd-analyze": "systemd",
    "unshare": "util-linux",
}

BUILT = {"dashboard-linter", "helm", "helm-4", "pint", "promtool-current"}
"""No distribution has these: ``make tools`` builds them, where there is Go and its module proxy answers."""

MISSING = "not on the PATH: "


@pytest.fixture(autouse=True)
def secrets_of_this_test_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """What one test has made a secret is not taken out of what another one says."""
    monkeypatch.setattr(secret, "_known", set(secret.known_values()))


@pytest.fixture(autouse=True)
def logs_of_this_test_alone() -> Iterator[None]:
    """A command that is run within a test sets up logging as it would for a process of its own."""
    root, ours = logging.getLogger(), logging.getLogger("receiver")
    levels, handlers, raising = (root.level, ours.level), root.handlers[:], logging.raiseExceptions
    hooks = sys.excepthook, sys.unraisablehook, threading.excepthook, warnings.showwarning
    yield
    root.setLevel(levels[0])
    ours.setLevel(levels[1])
    root.handlers[:] = handlers
    logging.raiseExceptions = raising
    sys.excepthook, sys.unraisablehook, threading.excepthook, warnings.showwarning = hooks


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip a test whose programs are missing; with CI=true that is an error, but for those that Go must build."""
    programs = [program for marker in item.iter_markers("real") for program in marker.args]
    missing = [program for program in programs if shutil.which(program) is None]
    if not missing:
        return
    if os.environ.get("CI") == "true" and not BUILT.issuperset(missing):
        reason = f"{MISSING}{', '.join(missing)}"
        pytest.fail(f"{reason}; with CI=true every test must run, so CI has to install them first", pytrace=False)
    pytest.skip(f"{MISSING}{', '.join(missing)}")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say plainly what was not run, and how to have it run."""
    # The reports come from all processes that the tests are spread over.
    not_run = {report.nodeid: list(_missing(report)) for report in terminalreporter.stats.get("skipped", [])}
    not_run = {test: programs for test, programs in not_run.items() if programs}
    if not not_run:
        return
    missing = {program for programs in not_run.values() for program in programs}
    packages = sorted({PACKAGES.get(program, program) for program in missing - BUILT})
    terminalreporter.section("tests that did not run", sep="=", yellow=True)
    for test, programs in not_run.items():
        terminalreporter.line(f"{test}: needs {', '.join(programs)}")
    if packages:
        terminalreporter.line(f"To run them too: apt-get install {' '.join(packages)} (Debian's names)")
    if missing & BUILT:
        terminalreporter.line("To run them too: make tools (needs Go)")


def _missing(report: pytest.TestReport) -> Iterator[str]:
    """The programs for want of which the test was skipped, if it was for that."""
    match report.longrepr:
        case (_, _, str(reason)) if MISSING in reason:
            yield from reason.partition(MISSING)[2].split(", ")
