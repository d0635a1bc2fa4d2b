"""Reading secrets from where the configuration says they are: each ``x`` has the twins ``x_file`` and ``x_env``."""

from collections.abc import Mapping
from pathlib import Path as FilePath
from typing import Any

from receiver.config.problems import Finding, Path
from receiver.secret import Secret

SECRETS = ("webhook_url", "password", "bot_token", "token")

# No credential is longer; and a file that never ends, such as /dev/zero, must.
_LONGEST = 65_536


class Reader:
    """Replaces the secrets of a document by Secrets. Findings never hold a value, nor what may be one.

    Relative paths start at ``folder``, that of the configuration file.
    """

    def __init__(self, folder: FilePath, environ: Mapping[str, str]) -> None:
        """Read from files and from ``environ``."""
        self.findings: list[Finding] = []
        self._folder = folder
        self._environ = environ

    def read(self, value: Any, path: Path = ()) -> Any:
        """A copy of the document in which every secret that could be had stands as a Secret under its own key.

        Every key that is a secret's name, wherever it stands, is taken for one: better one too many.
        """
        if isinstance(value, list):
            return [self.read(item, (*path, i)) for i, item in enumerate(value)]
        if not isinstance(value, dict):
            return value
        copy = {key: self.read(item, (*path, key)) for key, item in value.items()}
        for name in SECRETS:
            given = [key for key in (name, f"{name}_file", f"{name}_env") if isinstance(value.get(key), str)]
            if len(given) > 1:
                self.findings.append(
                    Finding((*path, given[1]), f"is given beside {given[0]}", "exactly one of them says it")
                )
            elif given and value[given[0]] and (secret := self._secret(given[0], value[given[0]], path)):
                copy[name] = secret
        return copy

    def _secret(self, key: str, value: str, path: Path) -> Secret | None:
        try:
            if key.endswith("_file"):
                return Secret(self._from_file(value))
            if key.endswith("_env"):
                return Secret(self._from_environment(value))
            return Secret(value)
        except ValueError as error:
            # Never with the file's or the variable's name: people mistake the key and put the secret itself there.
            self.findings.append(Finding((*path, key), str(error)))
            return None

    def _from_file(self, name: str) -> str:
        """The file's text without one newline at its end."""
        try:
            with (self._folder / name).open("rb") as file:
                content = file.read(_LONGEST + 1)
        except OSError as error:
            raise ValueError(f"can't read this file: {error.strerror}") from None
        except ValueError:
            raise ValueError("can't read this file: its name can't be one") from None
        if len(content) > _LONGEST:
            raise ValueError("this file is too long to hold a secret")
        try:
            text = content.decode()
        except UnicodeDecodeError:
            raise ValueError("this file is not UTF-8") from None
        text = text.removesuffix("\n").removesuffix("\r") if text.endswith("\n") else text
        if not text:
            raise ValueError("this file is empty")
        return text

    def _from_environment(self, name: str) -> str:
        if name not in self._environ:
            raise ValueError("this environment variable is not set")
        text = self._environ[name]
        if not text:
            raise ValueError("this environment variable is empty")
        if not _is_unicode(text):
            raise ValueError("this environment variable is not UTF-8")
        return text


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
