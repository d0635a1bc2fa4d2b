"""The Dockerfile as data, and its build context: so much of both as ours use."""

import json
import re
import shlex
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).parents[2]
DOCKERFILE = ROOT / "Dockerfile"
DOCKERIGNORE = ROOT / ".dockerignore"

_VARIABLE = re.compile(r"\$\{(\w+)\}")


@dataclass(frozen=True, slots=True)
class Step:
    """An instruction, with its lines joined."""

    instruction: str
    value: str

    @property
    def words(self) -> list[str]:
        """The value as a shell would split it."""
        return shlex.split(self.value)

    @property
    def listed(self) -> list[str]:
        """The value in exec form; fails where it is for a shell."""
        value: list[str] = json.loads(self.value)
        return value


@dataclass(frozen=True, slots=True)
class Stage:
    """From one FROM to the next."""

    base: str
    name: str | None
    steps: list[Step] = field(default_factory=list)

    def all(self, instruction: str) -> list[Step]:
        """The steps with this instruction."""
        return [step for step in self.steps if step.instruction == instruction]

    def one(self, instruction: str) -> Step:
        """The only step with this instruction."""
        [step] = self.all(instruction)
        return step


@dataclass(frozen=True, slots=True)
class Dockerfile:
    """The arguments before the first stage, and the stages."""

    arguments: dict[str, str]
    stages: list[Stage]

    @property
    def final(self) -> Stage:
        """What becomes the image."""
        return self.stages[-1]


def read(path: Path = DOCKERFILE) -> Dockerfile:
    """The file's steps in order."""
    arguments: dict[str, str] = {}
    stages: list[Stage] = []
    for step in _steps(path.read_text()):
        if step.instruction == "FROM":
            base, *named = step.words
            stages.append(Stage(filled(base, arguments), named[1] if named else None))
        elif stages:
            stages[-1].steps.append(step)
        else:
            assert step.instruction == "ARG", step
            name, _, default = step.value.partition("=")
            arguments[name] = default
    return Dockerfile(arguments, stages)


def _steps(text: str) -> Iterator[Step]:
    lines = [line for line in text.splitlines() if not line.lstrip().startswith("#")]
    for line in "\n".join(lines).replace("\\\n", " ").splitlines():
        if line.strip():
            instruction, _, value = line.strip().partition(" ")
            yield Step(instruction, value.strip())


def filled(text: str, variables: Mapping[str, str]) -> str:
    """The text with its variables filled in."""
    return _VARIABLE.sub(lambda match: variables[match[1]], text)


def assignments(step: Step, variables: Mapping[str, str]) -> dict[str, str]:
    """What an ENV or LABEL assigns."""
    return dict(word.partition("=")[::2] for word in shlex.split(filled(step.value, variables)))


def context() -> Iterator[Path]:
    """The files that are sent to the builder, relative to the root."""
    rules = [line for line in DOCKERIGNORE.read_text().splitlines() if line and not line.startswith("#")]
    # So that nobody has to look into what is left out, such as .git.
    assert all("/" not in rule for rule in rules if rule.startswith("!")), "only whole folders are let in"
    for top in sorted(ROOT.iterdir()):
        if not ignored(Path(top.name), rules):
            files = (path.relative_to(ROOT) for path in (sorted(top.rglob("*")) if top.is_dir() else [top]))
            yield from (path for path in files if (ROOT / path).is_file() and not ignored(path, rules))


def ignored(path: Path, rules: Sequence[str]) -> bool:
    """Whether the last rule that says something of the path, or of a folder that it is in, leaves it out."""
    verdict = False
    for rule in rules:
        pattern = rule.removeprefix("!")
        anywhere = pattern.startswith("**/")
        for candidate in (path, *path.parents[:-1]):
            depth = len(candidate.parts) == len(Path(pattern).parts)
            if (anywhere or depth) and candidate.match(pattern.removeprefix("**/")):
                verdict = not rule.startswith("!")
    return verdict


def send_context(folder: Path) -> None:
    """Put the build context into a folder."""
    for path in context():
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / path, target)
