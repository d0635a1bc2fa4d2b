"""Reading secrets from where the configuration says they are: each ``x`` has the twins ``x_file`` and ``x_env``."""

import ssl
from collections.abc import Callable, Iterator, Mapping
from hashlib import sha256
from pathlib import Path as FilePath
from typing import Any

from receiver.config.problems import Finding, Path
from receiver.secret import Secret


class Rotation:
    """A credential that may be two: the new value and the old one, each on a line of its own.

    ``values`` are the lines with something on them, none twice; how many there may be is not judged here.
    """

    __slots__ = ("values",)

    def __init__(self, text: str) -> None:
        """Make a Secret of each line."""
        lines = (line.strip() for line in text.split("\n"))
        self.values = tuple(Secret(line) for line in dict.fromkeys(lines) if line)


Secrets = Mapping[str, type[Secret] | type[Rotation]]

SECRETS: Secrets = {
    "webhook_url": Secret,
    "password": Secret,
    "bot_token": Secret,
    "token": Rotation,
}

# No credential is longer; and a file that never ends, such as /dev/zero, must.
_LONGEST = 65_536

# Tells whether a file still holds the same, without holding it; None: it can't be read.
Fingerprint = bytes | None


def fingerprint(file: FilePath) -> Fingerprint:
    """What the file holds now. A pipe or a device is never read: that would take from it what it holds."""
    try:
        if not file.is_file():
            return None
        with file.open("rb") as opened:
            return _digest(opened.read(_LONGEST + 1))
    except OSError:
        return None


def _digest(content: bytes) -> bytes:
    return sha256(content).digest()


class _Unreadable(Exception):
    """A secret can't be had: what is wrong, and what would be right."""

    def __init__(self, wrong: str, right: str = "") -> None:
        super().__init__(wrong)
        self.wrong = wrong
        self.right = right


class Reader:
    """Puts Secrets in the place of a document's secrets. Findings never hold a value, nor what may be one.

    Relative paths start at ``folder``, that of the configuration file. ``files`` are those that were read.
    """

    def __init__(self, folder: FilePath, environ: Mapping[str, str]) -> None:
        """Read from files and from ``environ``."""
        self.findings: list[Finding] = []
        self.files: dict[FilePath, Fingerprint] = {}
        self._folder = folder
        self._environ = environ

    def read(self, data: dict[str, Any], secrets: Callable[[object], Secrets] = lambda _type: SECRETS) -> None:
        """Put each secret that can be had as a Secret under its own key, and make the paths of certificates whole.

        ``secrets`` tells which there are in a section, by its ``type``, if any.
        """
        for path, section in _sections(data):
            for name, kind in secrets(section.get("type")).items():
                self._read(name, kind, section, path)
            if isinstance(section.get("ca_file"), str):
                section["ca_file"] = self._certificates(section["ca_file"], (*path, "ca_file"))

    def _read(self, name: str, kind: type[Secret] | type[Rotation], section: dict[str, Any], path: Path) -> None:
        given = [key for key in twins(name) if isinstance(section.get(key), str)]
        if len(given) > 1:
            self.findings.append(
                Finding((*path, given[1]), f"is given beside {given[0]}", "exactly one of them says it")
            )
        elif given and (text := self._text(given[0], section[given[0]], path)):
            section[name] = kind(text)

    def _certificates(self, name: str, path: Path) -> str:
        """The file's whole path, once it is seen to hold certificates."""
        file = self._folder / name
        try:
            ssl.create_default_context(cafile=file)
        except OSError as error:
            # SSL's errors are among these; only the system's have a reason that says more.
            reason = "no certificates in PEM form" if isinstance(error, ssl.SSLError) else _reason(error)
            self.findings.append(Finding(path, f"can't use this file: {reason}"))
        except ValueError:
            self.findings.append(Finding(path, "can't use this file: its name can't be one"))
        return str(file)

    def _text(self, key: str, value: str, path: Path) -> str | None:
        try:
            if key.endswith("_file"):
                return self._from_file(value, key.removesuffix("_file"))
            if key.endswith("_env"):
                return self._from_environment(value)
            return value
        except _Unreadable as error:
            self.findings.append(Finding((*path, key), error.wrong, error.right))
            return None

    def _from_file(self, name: str, secret: str) -> str:
        """The file's text without one newline at its end."""
        path = self._folder / name
        try:
            with path.open("rb") as file:
                content = file.read(_LONGEST + 1)
            if path.is_file():
                self.files[path] = _digest(content)
        except OSError as error:
            place = _place(name, self._folder)
            raise _Unreadable(f"can't read {place}: {_reason(error)}", _remedy(error, secret)) from None
        except ValueError:
            raise _Unreadable("can't read this file: its name can't be one") from None
        if len(content) > _LONGEST:
            raise _Unreadable("this file is too long to hold a secret")
        try:
            text = content.decode()
        except UnicodeDecodeError:
            raise _Unreadable("this file is not UTF-8") from None
        text = text.removesuffix("\n").removesuffix("\r") if text.endswith("\n") else text
        if not text:
            raise _Unreadable("this file is empty")
        return text

    def _from_environment(self, name: str) -> str:
        if name not in self._environ:
            raise _Unreadable("this environment variable is not set")
        text = self._environ[name]
        if not text:
            raise _Unreadable("this environment variable is empty")
        if not _is_unicode(text):
            raise _Unreadable("this environment variable is not UTF-8")
        return text


class Unopened(Reader):
    """Opens no file and asks no variable: for what sends nothing, where no secrets are at hand."""

    def __init__(self) -> None:
        """Nothing is needed."""
        super().__init__(FilePath(), {})

    def _certificates(self, name: str, path: Path) -> str:
        return name

    def _text(self, key: str, value: str, path: Path) -> str | None:
        return None if key.endswith(("_file", "_env")) else value


def twins(name: str) -> tuple[str, str, str]:
    """The three keys that can hold a secret."""
    return name, f"{name}_file", f"{name}_env"


def _sections(data: dict[str, Any]) -> Iterator[tuple[Path, dict[str, Any]]]:
    """The mappings that may hold secrets."""
    auth = data.get("auth")
    places: list[tuple[Path, Any]] = [(("smtp",), data.get("smtp"))]
    places += _items(("channels",), data.get("channels"))
    places += _items(("auth", "tokens"), auth.get("tokens") if isinstance(auth, dict) else None)
    return ((path, section) for path, section in places if isinstance(section, dict))


def _items(path: Path, values: object) -> list[tuple[Path, Any]]:
    return [((*path, i), value) for i, value in enumerate(values)] if isinstance(values, list) else []


def _place(name: str, folder: FilePath) -> str:
    """Where a file was looked for, without what may be no name at all: people put the secret itself there.

    What begins with a folder that there is, is a path; of any other name only the folder is told that it starts at.
    """
    file = FilePath(name)
    if file.is_absolute() and len(file.parts) > 2 and FilePath(*file.parts[:2]).is_dir():
        return name
    return "this absolute path" if file.is_absolute() else f"this file in the folder {folder.absolute()}"


def _reason(error: OSError) -> str:
    """In the system's words, as they go on a sentence."""
    words = error.strerror or type(error).__name__
    return words[:1].lower() + words[1:]


def _remedy(error: OSError, secret: str) -> str:
    if isinstance(error, FileNotFoundError):
        return f"create it, or give {secret}_env"
    if isinstance(error, PermissionError):
        return "let the receiver's user read it"
    return ""


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
