"""What the command line takes as the values of its options."""

import re

import click

from receiver import simulate

SIZE_UNITS = {"": 1, "B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30}


class Size(click.ParamType[int]):
    """A number of bytes as people write it: ``64MiB``."""

    name = "size"

    def convert(self, value: str | int, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """The number of bytes."""
        if isinstance(value, int):
            return value
        match = re.fullmatch(r"(\d+)\s*([A-Za-z]*)", value)
        if match is None or match[2] not in SIZE_UNITS or int(match[1]) == 0:
            self.fail(f"{value!r} is not a size; write it like 64MiB", param, ctx)
        return int(match[1]) * SIZE_UNITS[match[2]]


class Address(click.ParamType[tuple[str, int]]):
    """Where to listen: ``host:port``, ``[::1]:9095``, or ``:9095`` for every interface."""

    name = "address"

    def convert(
        self, value: str | tuple[str, int], param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, int]:
        """Host (empty for every interface) and port (0 for a free one)."""
        if isinstance(value, tuple):
            return value
        host, colon, port = value.rpartition(":")
        if not colon or not port.isdecimal() or int(port) > 65535:
            self.fail(f"{value!r} is not an address; write it like 127.0.0.1:9095", param, ctx)
        return host.removeprefix("[").removesuffix("]"), int(port)


class Instant(click.ParamType[int]):
    """A time as RFC 3339 has it, in UTC milliseconds."""

    name = "time"

    def convert(self, value: str | int, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """The instant."""
        if isinstance(value, int):
            return value
        try:
            return simulate.instant(value)
        except ValueError:
            self.fail(f"{value!r} is not a time; write it like 2026-11-20T21:00:00Z", param, ctx)
