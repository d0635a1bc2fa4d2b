"""Reading templates from where the configuration says they are: each part has the twin ``part_file``."""

from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any

from receiver.config.destinations import Templates
from receiver.config.problems import Finding

PARTS = tuple(part.name for part in fields(Templates))

LARGEST = 100_000
"""Bytes of a template. No message may have more, so that no template need."""


class _Unreadable(Exception):
    """A template can't be had; the text says why."""


def read(data: dict[str, Any], folder: Path | None) -> list[Finding]:
    """Put each template that is in a file under the inline key; what is wrong.

    Relative paths start at ``folder``, that of the configuration file; without one no file is read.
    """
    found: list[Finding] = []
    channels = data.get("channels")
    for i, channel in enumerate(channels if isinstance(channels, list) else ()):
        templates = channel.get("templates") if isinstance(channel, dict) else None
        if isinstance(templates, dict):
            found += _read(templates, ("channels", i, "templates"), folder)
    return found


def _read(templates: dict[str, Any], path: tuple[str | int, ...], folder: Path | None) -> Iterator[Finding]:
    for part in PARTS:
        key, name = f"{part}_file", templates.get(f"{part}_file")
        if not isinstance(name, str):
            continue
        if part in templates:
            yield Finding((*path, key), f"is given beside {part}", "exactly one of them says it")
        elif folder is not None:
            try:
                templates[part] = _text(folder / name)
            except _Unreadable as error:
                yield Finding((*path, key), f"can't use {folder / name}: {error}", _remedy(name))


def _remedy(name: str) -> str:
    return "" if Path(name).is_absolute() else "the path starts at the folder of the configuration file"


def _text(file: Path) -> str:
    try:
        # A pipe or a device may never end.
        if file.exists() and not file.is_file():
            raise _Unreadable("it is no plain file")
        with file.open("rb") as opened:
            content = opened.read(LARGEST + 1)
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise _Unreadable(reason[:1].lower() + reason[1:]) from None
    except ValueError:
        raise _Unreadable("its name can't be one") from None
    if len(content) > LARGEST:
        raise _Unreadable(f"it is larger than {LARGEST:,} bytes")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise _Unreadable(f"it is not UTF-8 in line {line}") from None
