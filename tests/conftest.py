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
PACKAGES = {"amtool": "prometheus-alertmanager", "promtool": "prometheus"}

NOT_RUN = pytest.StashKey[dict[str, tuple[str, ...]]]()


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


def pytest_configure(config: pytest.Config) -> None:
    """Nothing has been left out yet."""
    config.stash[NOT_RUN] = {}


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip a test whose programs are missing, and remember it; with CI=true that is an error."""
    programs = [program for marker in item.iter_markers("real") for program in marker.args]
    missing = tuple(program for program in programs if shutil.which(program) is None)
    if not missing:
        return
    reason = f"not on the PATH: {', '.join(missing)}"
    if os.environ.get("CI") == "true":
        pytest.fail(f"{reason}; with CI=true every test must run, so CI has to install them first", pytrace=False)
    item.config.stash[NOT_RUN][item.nodeid] = missing
    pytest.skip(reason)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Say plainly what was not run, and how to have it run."""
    not_run = config.stash[NOT_RUN]
    if not not_run:
        return
    missing = sorted({program for programs in not_run.values() for program in programs})
    packages = sorted({PACKAGES.get(program, program) for program in missing})
    terminalreporter.section("tests that did not run", sep="=", yellow=True)
    for test, programs in not_run.items():
        terminalreporter.line(f"{test}: needs {', '.join(programs)}")
    terminalreporter.line(f"To run them too: apt-get install {' '.join(packages)} (Debian's names)")
