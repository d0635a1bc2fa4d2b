"""Real Prometheus and Alertmanager around the receiver, each in a folder of its own."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import yaml

from tests.end_to_end.processes import Program, ReceiverProcess, spelled, until


@dataclass(frozen=True, slots=True)
class Prometheus:
    """A running Prometheus."""

    url: str

    async def get(self, path: str, **parameters: str) -> Any:
        """What its API answers; fails where that is no success."""
        async with (
            aiohttp.ClientSession() as session,
            session.get(f"{self.url}/api/v1/{path}", params=parameters) as response,
        ):
            answer = await response.json()
        assert answer["status"] == "success", answer
        return answer["data"]

    async def query(self, expression: str) -> dict[str, float]:
        """An instant vector, each sample by its name and labels."""
        samples = {}
        for sample in (await self.get("query", query=expression))["result"]:
            labels = {name: value for name, value in sample["metric"].items() if name not in ("instance", "job")}
            samples[spelled(labels.pop("__name__"), labels)] = float(sample["value"][1])
        return samples


async def answers(url: str) -> None:
    """Wait until this address answers 200."""

    async def probe() -> bool:
        try:
            async with aiohttp.ClientSession() as session, session.get(url) as response:
                return response.status == 200
        except aiohttp.ClientError:
            return False

    await until(probe, f"{url} answers")


def write(folder: Path, name: str, config: object) -> None:
    """A program's configuration, in a folder of its own."""
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(yaml.safe_dump(config))


async def run_alertmanager(programs: list[Program], folder: Path, port: int, receiver: ReceiverProcess) -> str:
    """A real Alertmanager that posts to the receiver; its address."""
    config = {
        "route": {
            "receiver": "alert-receiver",
            "group_by": ["alertname"],
            "group_wait": "100ms",
            "group_interval": "300ms",
            "repeat_interval": "1h",
        },
        "receivers": [
            {
                "name": "alert-receiver",
                "webhook_configs": [{"url": f"{receiver.url}/webhook", "send_resolved": True, "max_alerts": 1000}],
            }
        ],
    }
    write(folder, "alertmanager.yml", config)
    address = f"127.0.0.1:{port}"
    program = Program(
        "prometheus-alertmanager",
        "--config.file=alertmanager.yml",
        "--storage.path=data",
        f"--web.listen-address={address}",
        "--cluster.listen-address=",
        cwd=folder,
    )
    programs.append(program)
    await program.start()
    await answers(f"http://{address}/-/ready")
    return address


async def run_prometheus(
    programs: list[Program],
    folder: Path,
    port: int,
    alertmanager: str,
    targets: dict[str, str],
    rule_files: Sequence[Path],
    interval: str = "200ms",
) -> Prometheus:
    """A real Prometheus that scrapes the targets (by job), and sends its alerts to the Alertmanager."""
    config = {
        "global": {"scrape_interval": interval, "scrape_timeout": interval, "evaluation_interval": interval},
        "rule_files": [str(path) for path in rule_files],
        "alerting": {"alertmanagers": [{"static_configs": [{"targets": [alertmanager]}]}]},
        "scrape_configs": [
            {"job_name": job, "static_configs": [{"targets": [address]}]} for job, address in targets.items()
        ],
    }
    write(folder, "prometheus.yml", config)
    program = Program(
        "prometheus",
        "--config.file=prometheus.yml",
        "--storage.tsdb.path=data",
        f"--web.listen-address=127.0.0.1:{port}",
        cwd=folder,
    )
    programs.append(program)
    await program.start()
    url = f"http://127.0.0.1:{port}"
    await answers(f"{url}/-/ready")
    return Prometheus(url)
