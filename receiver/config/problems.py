"""What can be wrong with a configuration, said so that it can be put right."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from difflib import get_close_matches
from typing import NamedTuple

# Keys and indexes from the top of the document: ("channels", 0, "group_wait").
Path = tuple[str | int, ...]


class Finding(NamedTuple):
    """Something amiss at a path; ``right`` says what would be right, when that is known.

    ``line`` counts from 1; None where the path alone says which.
    """

    path: Path
    wrong: str
    right: str = ""
    line: int | None = None


@dataclass(frozen=True, slots=True)
class Problem:
    """A finding in its file; ``line`` counts from 1 and is None when the whole file is meant."""

    file: str
    line: int | None
    path: str
    wrong: str
    right: str = ""

    def __str__(self) -> str:
        """``alert-receiver.yml:12: channels[0].group_wiat: unknown key; did you mean "group_wait"?``."""
        place = self.file if self.line is None else f"{self.file}:{self.line}"
        what = f"{self.wrong}; {self.right}" if self.right else self.wrong
        told = ": ".join(part for part in (place, self.path, what) if part)
        # The file's own keys are among it, and what they do to a terminal is theirs to choose.
        return "".join(character if character.isprintable() else repr(character)[1:-1] for character in told)


class ConfigError(Exception):
    """A configuration that can't be used, with all its problems at once."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        """Hold the problems, in the order of their lines."""
        self.problems = tuple(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))


def spelled(path: Path) -> str:
    """The path as people write it: ``channels[0].group_wait``."""
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part[:40]}" for part in path).removeprefix(".")


def suggestion(word: object, known: Collection[str]) -> str:
    """What was probably meant, else all there is to choose from. ``word`` itself is never repeated."""
    close = get_close_matches(word[:100], known, n=1) if isinstance(word, str) else []
    return f'did you mean "{close[0]}"?' if close else choice(known)


def choice(known: Collection[str]) -> str:
    """All there is to choose from."""
    return f"there {'are' if len(known) > 1 else 'is'}: {', '.join(known) or 'nothing'}"
