"""The chart as a whole: what it says of itself, that Helm has nothing against it, and that a package is the same."""

import subprocess
import tarfile
from pathlib import Path

import pytest
import yaml

from receiver import __version__
from tests.helm.loader import load
from tests.helm.readme import CHART
from tests.helm.rendering import CASES, NEWEST, OLDEST, ROOT, helm, rendering, template

every_case = pytest.mark.parametrize("values", CASES, ids=lambda path: path.name.removesuffix("-values.yaml"))


def about() -> dict[str, str]:
    """Chart.yaml."""
    read = yaml.safe_load((CHART / "Chart.yaml").read_text())
    assert isinstance(read, dict)
    return read


def test_the_chart_installs_the_receiver_of_this_repository() -> None:
    assert about()["appVersion"] == __version__
    assert about()["annotations"]["artifacthub.io/images"].rstrip().endswith(f"/alert-receiver:{__version__}")  # type: ignore[index]


def test_the_oldest_kubernetes_is_the_one_that_the_tests_render_for() -> None:
    assert about()["kubeVersion"] == f">={OLDEST}-0"


def test_the_icon_is_in_the_repository() -> None:
    _, _, path = about()["icon"].partition("/main/")
    assert (ROOT / path).is_file()


def test_the_rules_are_the_very_files_of_the_repository() -> None:
    ours, theirs = (
        {
            path.relative_to(folder): path.read_bytes()
            for path in folder.rglob("*.*")
            if path.suffix in (".yml", ".json")
        }
        for folder in (ROOT / "rules", CHART / "rules")
    )
    assert ours
    # A link in the repository; in a source distribution a copy.
    assert ours == theirs


def test_each_template_is_named_as_the_kind_that_it_makes() -> None:
    for path in (CHART / "templates").glob("*.yaml"):
        kinds = {line.removeprefix("kind: ") for line in path.read_text().splitlines() if line.startswith("kind: ")}
        if path.name == "extramanifests.yaml":
            assert not kinds
        else:
            [kind] = kinds
            assert path.stem.rpartition("-")[2] == kind.lower()


@pytest.mark.real("helm")
@every_case
def test_helm_lint_has_nothing_against_it(values: Path) -> None:
    run = helm("lint", "--strict", CHART, "--kube-version", NEWEST, "-f", values)
    assert run.returncode == 0, run.stdout
    # Also what is only told, such as a missing icon.
    assert "[" not in run.stdout, run.stdout


@pytest.mark.real("helm")
def test_an_older_kubernetes_is_refused() -> None:
    with pytest.raises(AssertionError, match=r"requires kubeVersion: >=1\.25\.0-0"):
        template("-f", CASES[0], kubernetes="1.24.9")


@pytest.mark.real("helm")
def test_the_version_of_a_provider_is_taken() -> None:
    template("-f", CASES[0], kubernetes="1.31.2-gke.100")


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The chart as helm package makes it."""
    folder = tmp_path_factory.mktemp("package")
    run = helm("package", CHART, "--destination", folder)
    assert run.returncode == 0, run.stderr
    return folder / f"alert-receiver-{about()['version']}.tgz"


@pytest.mark.real("helm")
def test_the_package_holds_the_rules_and_nothing_of_the_repositorys_own(package: Path) -> None:
    with tarfile.open(package) as opened:
        held = {member.name.removeprefix("alert-receiver/") for member in opened.getmembers()}
        read = opened.extractfile("alert-receiver/rules/receiver.yml")
        assert read is not None
        assert read.read() == (ROOT / "rules" / "receiver.yml").read_bytes()
    rules = {str(path.relative_to(ROOT)) for path in (ROOT / "rules").rglob("*") if path.suffix in (".yml", ".json")}
    assert rules < held
    unwanted = [name for name in held if name.startswith(("ci/", ".git")) or name.endswith((".lint", ".svg"))]
    assert not unwanted


@pytest.mark.real("helm")
@every_case
def test_the_package_renders_as_the_folder_does(package: Path, values: Path) -> None:
    assert template("-f", values, chart=package) == rendering(values).text


@pytest.mark.real("helm", "helm-4")
@every_case
def test_helm_4_makes_the_same_objects(values: Path) -> None:
    arguments = ["template", "demo", str(CHART), "-n", "alerting", "--kube-version", NEWEST, "-f", str(values)]
    run = subprocess.run(["helm-4", *arguments], capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    assert load(run.stdout) == rendering(values).objects
