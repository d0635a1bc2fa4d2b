"""What the receiver would do: the real transitions on a virtual clock, with the world outside read from a file.

``reading`` makes ``input`` of lines, ``engine`` lets it happen, ``providers`` stand in for Slack and mail servers,
``journal`` finds what moved in the books, ``output`` and ``story`` tell what came of it, to programs and to people.
"""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import click

from receiver.config.problems import Problem
from receiver.core.policy import Policy
from receiver.simulate.engine import Simulation
from receiver.simulate.input import BadInput
from receiver.simulate.output import json_lines
from receiver.simulate.reading import instant, read
from receiver.simulate.story import lines

__all__ = ["WRITERS", "BadInput", "instant", "prepare"]

WRITERS: Mapping[str, Callable[[Simulation], Iterator[str]]] = {"json": json_lines, "text": lines}


def prepare(policy: Policy, events: Path, until: int | None) -> Simulation:
    """A simulation of the file ``events``, - for stdin; raises BadInput with all that is wrong with it."""
    try:
        with click.open_file(str(events), "rb") as file:
            content: bytes = file.read()
    except OSError as error:
        raise BadInput([Problem(str(events), None, "", f"can't be read: {error.strerror}")]) from None
    return Simulation(policy, read(content, str(events), policy), until)
