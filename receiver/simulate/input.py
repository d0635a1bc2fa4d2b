"""What can happen in a simulation, each at its instant."""

from collections.abc import Iterable
from dataclasses import dataclass

from receiver.config.problems import Problem
from receiver.core.alerts import Notification
from receiver.core.muting import Mute
from receiver.core.policy import Policy
from receiver.core.retrying import FailureClass


@dataclass(frozen=True, slots=True)
class Outage:
    """A channel's provider surely refuses every attempt for a time, in milliseconds."""

    channel: str
    length: int
    failure_class: FailureClass


@dataclass(frozen=True, slots=True)
class Reject:
    """A channel's provider refuses so many messages for good."""

    channel: str
    messages: int


@dataclass(frozen=True, slots=True)
class Reload:
    """Another configuration takes effect."""

    policy: Policy


@dataclass(frozen=True, slots=True)
class Restart:
    """The process ends and starts again: what is not in the store is gone."""


@dataclass(frozen=True, slots=True)
class ClockStep:
    """The wall clock jumps by so many milliseconds."""

    by: int


What = Notification | Outage | Reject | Mute | Reload | Restart | ClockStep


@dataclass(frozen=True, slots=True)
class Input:
    """Something happens ``at`` an instant of the wall clock, in UTC milliseconds."""

    at: int
    what: What


class BadInput(Exception):
    """Lines that can't be used, with all their problems at once."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        """Hold the problems, in the order of their lines."""
        self.problems = tuple(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))
