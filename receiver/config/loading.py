"""Loading the configuration file: all of its problems at once, or the configuration and its warnings."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from receiver.config import advice, checks, kinds, not_yet, template_checks, template_files, validation
from receiver.config.credentials import Fingerprint, Reader, Unopened
from receiver.config.document import BadDocument, Document
from receiver.config.draft import Draft, draft, without
from receiver.config.problems import ConfigError, Finding, Problem, spelled
from receiver.config.types import Config, ConsoleChannel

# A configuration of thousands of channels is a tenth of it; reading YAML takes its time.
LARGEST = 4 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Loaded:
    """A configuration that can be used, and what its author should know.

    ``secret_files``: the files that secrets were read from, each with the fingerprint of what it held.
    """

    config: Config
    warnings: tuple[Problem, ...] = ()
    secret_files: Mapping[Path, Fingerprint] = field(default_factory=dict)


def embedded() -> Loaded:
    """The configuration without a file: everything to the console, the books in the working folder."""
    return Loaded(Config(channels=(ConsoleChannel(name="console"),)))


def load(path: Path, environ: Mapping[str, str] | None) -> Loaded:
    """Load the file with the templates and the secrets it names; ``environ`` has those of ``x_env`` keys.

    None leaves the secrets in files and variables unread, for what sends nothing; then templates may fail, which is a
    warning. Raises ConfigError with everything that is wrong.
    """
    document = _document(path)
    data = _mapping(path, document)
    reader = Unopened() if environ is None else Reader(path.parent, environ)
    drafted, found = _judged(data, reader, document.findings, path.parent)
    failures = list(template_checks.failures(drafted))
    if found or (failures and environ is not None):
        raise ConfigError(_problems(path, document, [*found, *failures]))
    warnings = [*not_yet.warnings(data), *advice.findings(drafted), *failures]
    return Loaded(drafted.whole(), tuple(_problems(path, document, warnings)), reader.files)


def judge(data: dict[str, Any]) -> Config | list[Finding]:
    """The configuration that the data is, files and variables that it names unread, else everything wrong with it."""
    drafted, found = _judged(data, Unopened())
    found += template_checks.failures(drafted)
    return list(dict.fromkeys(found)) if found else drafted.whole()


def _judged(
    data: dict[str, Any], reader: Reader, amiss: Sequence[Finding] = (), folder: Path | None = None
) -> tuple[Draft, list[Finding]]:
    """The data without its mistakes, as far as it could be read, and all of them; ``amiss`` was found before.

    No template is tried. Without a ``folder`` that their paths start at, templates in files stay unread.
    """
    unsound = validation.findings(data)
    sound = without(data, unsound)
    reader.read(sound, kinds.secrets)
    found = [*amiss, *unsound, *reader.findings, *template_files.read(sound, folder)]
    drafted = draft(data, sound, found)
    found += checks.findings(drafted)
    found += template_checks.findings(drafted)
    return drafted, found


def _document(path: Path) -> Document:
    try:
        with path.open("rb") as file:
            content = file.read(LARGEST + 1)
        if len(content) > LARGEST:
            raise BadDocument(None, f"too large: more than {LARGEST} bytes")
        return Document(content.decode("utf-8-sig"))
    except OSError as error:
        problem = Problem(str(path), None, "", f"can't be read: {error.strerror}")
    except UnicodeDecodeError as error:
        problem = Problem(str(path), error.object.count(b"\n", 0, error.start) + 1, "", "not UTF-8")
    except BadDocument as error:
        problem = Problem(str(path), error.line, "", error.wrong)
    raise ConfigError([problem])


def _mapping(path: Path, document: Document) -> dict[str, Any]:
    if isinstance(document.data, dict):
        return document.data
    if document.data is None:
        wrong = Problem(str(path), None, "", "the file is empty", "at the least it needs channels")
    else:
        wrong = Problem(str(path), 1, "", "the file must be a mapping (key: value)", "begin with channels:")
    raise ConfigError([wrong])


def _problems(path: Path, document: Document, found: Iterable[Finding]) -> list[Problem]:
    """The findings with their lines, in the order of the file, each said once."""
    problems = [
        Problem(
            str(path), finding.line or document.line(finding.path), spelled(finding.path), finding.wrong, finding.right
        )
        for finding in dict.fromkeys(found)
    ]
    return sorted(problems, key=lambda problem: problem.line or 0)
