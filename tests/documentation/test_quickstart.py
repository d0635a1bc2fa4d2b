"""The way with Helm, as far as it goes without a cluster: what Helm renders, and what it prints."""

from pathlib import Path

import pytest

from tests.documentation.pages import page
from tests.helm.rendering import NAMESPACE, Rendering, notes, template

QUICKSTART = page("quickstart")


@pytest.fixture
def values(tmp_path: Path) -> Path:
    """The page's values, as the file that it names."""
    path = tmp_path / "my-values.yaml"
    path.write_text(QUICKSTART.block("yaml", "secrets:"))
    assert f"`{path.name}`" in QUICKSTART.text
    return path


@pytest.mark.real("helm")
def test_helm_prints_the_notes_as_shown(values: Path, tmp_path: Path) -> None:
    assert NAMESPACE == "alerting"
    shown = QUICKSTART.block("text", "is installed as").rstrip("\n")
    assert notes(tmp_path, values, "alert-receiver").startswith(f"{shown}\n")


@pytest.mark.real("helm")
def test_what_the_page_names_is_what_the_chart_makes(values: Path) -> None:
    made = Rendering(template("-f", values, release="alert-receiver"))
    assert made.one("StatefulSet")["metadata"]["name"] == "alert-receiver"
    assert made.one("Service")["metadata"]["name"] == "alert-receiver"
    assert made.of_kind("NetworkPolicy")
    lines = " ".join(it.line for it in QUICKSTART.commands())
    assert "statefulset/alert-receiver" in lines
    assert "create secret generic smtp-credentials --from-file=password=" in lines


def test_the_compose_files_that_the_page_names_say_what_it_says() -> None:
    folder = QUICKSTART.path.parent / "examples"
    compose = (folder / "compose.yml").read_text()
    for port in ("9090", "9093", "8025", "9095"):
        assert f"127.0.0.1:{port}:" in compose
        assert f"http://localhost:{port}" in QUICKSTART.text
    assert "- alert: DemoAlwaysFires" in (folder / "compose" / "demo.yml").read_text()
    assert "name: oncall" in (folder / "compose" / "alert-receiver.yml").read_text()
    assert "./compose/alert-receiver.yml:/etc/alert-receiver/alert-receiver.yml:ro" in compose
