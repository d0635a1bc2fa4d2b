"""A credential that stands in the wrong place of a configuration is not told by those who find it there."""

import asyncio
import random
from pathlib import Path

import pytest

from tests.canaries.canary import Canaries, leaks
from tests.canaries.misconfigured import files
from tests.end_to_end.processes import command

SAMPLE = 4


@pytest.fixture
def broken(canaries: Canaries, tmp_path: Path) -> dict[str, Path]:
    """Configurations that can't be used."""
    return files(canaries, tmp_path)


async def started(name: str, file: Path, cores: asyncio.Semaphore) -> dict[str, bytes]:
    """What the program says that is to start with the file and can't."""
    async with cores:
        listen = "--web.listen-address=127.0.0.1:0"
        finished = await command("serve", listen, f"--config.file={file.name}", "--log.level=debug", cwd=file.parent)
    assert finished.code == 1, f"{name}: {finished.stderr}"
    return {f"{name}, stdout": finished.stdout.encode(), f"{name}, stderr": finished.stderr.encode()}


async def all_started(some: dict[str, Path]) -> dict[str, bytes]:
    """What all of them say."""
    cores = asyncio.Semaphore(2)
    told = await asyncio.gather(*(started(name, file, cores) for name, file in some.items()))
    return {place: text for one in told for place, text in one.items()}


async def test_what_stands_in_the_wrong_place_is_not_told_at_the_start(
    broken: dict[str, Path], canaries: Canaries
) -> None:
    some = dict(random.sample(sorted(broken.items()), SAMPLE))
    assert leaks(await all_started(some), canaries.all) == []


@pytest.mark.prove
async def test_nothing_that_stands_in_the_wrong_place_is_told_at_the_start(
    broken: dict[str, Path], canaries: Canaries
) -> None:
    assert leaks(await all_started(broken), canaries.all) == []


async def test_checking_a_configuration_does_not_tell_what_stands_in_the_wrong_place(
    broken: dict[str, Path], canaries: Canaries, tmp_path: Path
) -> None:
    finished = await command("check-config", *(file.name for file in broken.values()), cwd=tmp_path)
    assert finished.code == 1
    told = {"stderr": finished.stderr.encode()}
    for checked in finished.stdout.split("Checking ")[1:]:
        name = next(name for name, file in broken.items() if checked.startswith(f"{file.name}\n"))
        told[name] = checked.encode()
    assert told.keys() >= broken.keys()
    assert leaks(told, canaries.all) == []
