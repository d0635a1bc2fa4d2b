"""Keys that the contract has and this version does not act on yet: accepted, and said so.

When one comes into force, delete its line here.
"""

import re
from collections.abc import Iterator

from receiver.config.problems import Finding, Path

_ACCEPTED = "accepted, but not in force yet"

# By path, without indexes; ``*`` stands for ``defaults`` and ``channels``.
NOT_YET = {
    "storage.retention": _ACCEPTED,
    "heartbeats": f"{_ACCEPTED}: nobody is told when one stays away",
    "reports": _ACCEPTED,
}


def warnings(data: object, path: Path = ()) -> Iterator[Finding]:
    """One finding for each such key that stands in the document."""
    plain = ".".join(part for part in path if isinstance(part, str))
    told = NOT_YET.get(plain) or NOT_YET.get(re.sub(r"^(defaults|channels)\.", "*.", plain))
    if told:
        yield Finding(path, told)
    elif isinstance(data, dict):
        for key, value in data.items():
            yield from warnings(value, (*path, key))
    elif isinstance(data, list):
        for i, value in enumerate(data):
            yield from warnings(value, (*path, i))
