"""``alert-receiver rules``: the bundled rules, listed and exported, from a checkout and from an installed wheel."""

import errno
import os
import shlex
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner, Result

from receiver import bundle
from receiver.cli import main
from tests.rules.rule_files import ROOT, RULES, RUNBOOK_BASE, alerts, paths

ON = {path.name: path for path in paths() if path.parent == RULES}
OPTIONAL = {path.name: path for path in paths() if path.parent != RULES}
EVERYTHING = ",".join(path.stem for path in paths())

MADE_UP = """\
# Pönds.
groups:
  - name: pond.water
    rules:
      # Needs pond_exporter: pond_level.
      # For 1h: it rains.
      - alert: PondDry
        expr: |
          pond_level < 1

            and pond_level offset 1d > 1
        for: 1h
        labels:
          severity: critical
        annotations:
          summary: A pond is dry.
          description: A pond is dry.
          runbook_url: https://github.com/a/b/PondDry.md
      # Needs pond_exporter: pond_frogs.
      # Needs heron_exporter:
      #   heron_meals.
      # At once: none is left.
      - alert: PondWithoutFrogs
        expr: pond_frogs == 0 and heron_meals
        labels:
          severity: info
        annotations:
          summary: A pond has no frogs.
          description: A pond has no frogs.
          runbook_url: "https://github.com/a/b/PondWithoutFrogs.md"
"""


def rules(*arguments: str | Path) -> Result:
    return CliRunner().invoke(main, ["rules", *map(str, arguments)])


def texts(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def groups(text: str | bytes) -> object:
    return yaml.safe_load(text)["groups"]


@pytest.fixture
def made_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two domains with a dashboard, and an optional one."""
    folder = tmp_path / "rules"
    for name in ("pond.yml", "receiver.yml", "optional/lake.yml"):
        path = folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(MADE_UP)
    (folder / "dashboards").mkdir()
    (folder / "dashboards" / "alert-receiver.json").write_text('{"title": "Größe"}')
    monkeypatch.setattr(bundle, "home", lambda: folder)
    return folder


def test_the_list_has_every_alert_with_its_severity_and_what_it_says() -> None:
    result = rules()
    assert (result.exit_code, result.stderr) == (0, "")
    listed = [line.split(maxsplit=2) for line in result.stdout.splitlines() if line.startswith("  ")]
    assert listed == [[alert.name, alert.severity, alert.annotations["summary"]] for alert in alerts()]


def test_the_list_says_of_a_domain_how_many_alerts_which_file_and_what_it_needs() -> None:
    headlines = [line for line in rules().stdout.splitlines() if line and not line.startswith(" ")]
    assert [line.partition(":")[0] for line in headlines] == [path.stem for path in paths()]
    for path, line in zip(paths(), headlines, strict=True):
        of_it = [alert for alert in alerts() if alert.path == path]
        assert f" {len(of_it)} alert" in line
        assert f" in {path.name}; needs " in line
        for exporter in {exporter for alert in of_it for exporter in alert.needs}:
            assert exporter in line
        assert line.endswith("off by default: name it with --only") == (path.name in OPTIONAL)


@pytest.mark.usefixtures("made_up")
def test_the_list_is_aligned_over_all_domains() -> None:
    assert rules("--only", "lake,pond").stdout == (
        "pond: 2 alerts in pond.yml; needs pond_exporter, heron_exporter\n"
        "  PondDry           critical  A pond is dry.\n"
        "  PondWithoutFrogs  info      A pond has no frogs.\n"
        "\n"
        "lake: 2 alerts in lake.yml; needs pond_exporter, heron_exporter; off by default: name it with --only\n"
        "  PondDry           critical  A pond is dry.\n"
        "  PondWithoutFrogs  info      A pond has no frogs.\n"
    )


@pytest.mark.usefixtures("made_up")
@pytest.mark.parametrize("only", [["--only", "lake, receiver"], ["--only", "receiver", "--only", "lake,receiver"]])
def test_only_may_have_commas_and_be_repeated(only: list[str]) -> None:
    headlines = [line for line in rules(*only).stdout.splitlines() if "alerts in" in line]
    assert [line.partition(":")[0] for line in headlines] == ["receiver", "lake"]


@pytest.mark.usefixtures("made_up")
@pytest.mark.parametrize(
    ("only", "said"),
    [
        ("recever", "no domain 'recever': did you mean 'receiver'? There are: pond, receiver, lake\n"),
        ("pond,lakes", "no domain 'lakes': did you mean 'lake'? There are: pond, receiver, lake\n"),
        ("zzz", "no domain 'zzz'; there are: pond, receiver, lake\n"),
        ("", "no domain ''; there are: pond, receiver, lake\n"),
    ],
)
def test_an_unknown_domain_is_refused_with_what_there_is(only: str, said: str, tmp_path: Path) -> None:
    result = rules(tmp_path / "out", "--only", only)
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.endswith(f"for --only: {said}")
    assert not (tmp_path / "out").exists()


def test_exported_files_are_the_bundled_ones_byte_for_byte_but_for_those_off_by_default(tmp_path: Path) -> None:
    out = tmp_path / "new" / "folder"
    result = rules(out)
    assert result.exit_code == 0, result.stderr
    exported = texts(out)
    assert {name: text for name, text in exported.items() if "/" not in name} == {
        name: path.read_bytes() for name, path in ON.items()
    }
    *wrote, use, check = [line for line in result.stdout.splitlines() if not line.startswith("Import into Grafana")]
    assert sorted(wrote) == sorted(f"Wrote {out / name}" for name in exported)
    assert use == f'In prometheus.yml:  rule_files: ["{out}/*.yml"]'
    assert check == f"Before a reload:    promtool check rules {out}/*.yml"


def test_what_is_off_by_default_is_exported_by_its_name(tmp_path: Path) -> None:
    assert OPTIONAL
    for name, path in OPTIONAL.items():
        assert rules(tmp_path / name, "--only", path.stem).exit_code == 0
        assert texts(tmp_path / name) == {name: path.read_bytes()}
        assert rules("--format", "prometheus", "--only", path.stem).stdout_bytes == path.read_bytes()


def test_ends_of_lines_and_characters_stay_as_they_are(made_up: Path, tmp_path: Path) -> None:
    text = MADE_UP.replace("\n", "\r\n").encode()
    (made_up / "pond.yml").write_bytes(text)
    rules(tmp_path / "out", "--only", "pond")
    assert texts(tmp_path / "out") == {"pond.yml": text}
    assert rules("--format", "prometheus", "--only", "pond").stdout_bytes == text


@pytest.mark.usefixtures("made_up")
def test_files_of_the_same_name_are_replaced_and_others_left_alone(tmp_path: Path) -> None:
    (tmp_path / "pond.yml").write_text("old, and longer than the new one\n" * 1_000)
    (tmp_path / "lake.yml").write_text("mine")
    (tmp_path / "thresholds.yml").write_text("mine")
    assert rules(tmp_path, "--only", "pond").exit_code == 0
    assert (tmp_path / "pond.yml").read_text() == MADE_UP
    assert (tmp_path / "lake.yml").read_text() == (tmp_path / "thresholds.yml").read_text() == "mine"


@pytest.mark.usefixtures("made_up")
@pytest.mark.parametrize(
    ("arguments", "files"),
    [
        ([], {"pond.yml", "receiver.yml", "dashboards/alert-receiver.json"}),
        (["--only", "receiver"], {"receiver.yml", "dashboards/alert-receiver.json"}),
        (["--only", "pond,lake"], {"pond.yml", "lake.yml"}),
        (["--format", "prometheusrule"], {"alert-receiver-pond.yaml", "alert-receiver-receiver.yaml"}),
    ],
)
def test_the_dashboard_goes_with_the_receivers_own_rules_for_prometheus(
    arguments: list[str], files: set[str], tmp_path: Path
) -> None:
    out = tmp_path / "out"
    result = rules(out, *arguments)
    assert set(texts(out)) == files
    dashboard = "dashboards/alert-receiver.json" in files
    assert (f"Import into Grafana: {out}/dashboards/alert-receiver.json\n" in result.stdout) == dashboard
    if dashboard:
        assert (out / "dashboards" / "alert-receiver.json").read_text() == '{"title": "Größe"}'


def test_the_bundled_dashboard_is_exported(tmp_path: Path) -> None:
    bundled = {f"dashboards/{path.name}": path.read_bytes() for path in (RULES / "dashboards").iterdir()}
    assert "dashboards/alert-receiver.json" in bundled
    rules(tmp_path, "--only", "receiver")
    assert texts(tmp_path) == {"receiver.yml": ON["receiver.yml"].read_bytes()} | bundled


@pytest.mark.real("promtool")
@pytest.mark.parametrize("more", [[], ["--runbook-base", "https://wiki.example.com/~sre/?p=#%C3%A9:"]])
def test_promtool_takes_what_is_exported(more: list[str], tmp_path: Path) -> None:
    assert rules(tmp_path, "--only", EVERYTHING, *more).exit_code == 0
    files = sorted(tmp_path.glob("*.yml"))
    assert len(files) == len(paths())
    said = subprocess.run(["promtool", "check", "rules", *files], capture_output=True, text=True, check=False)
    assert said.returncode == 0, said.stdout + said.stderr
    assert sum(int(line.split()[1]) for line in said.stdout.splitlines() if "SUCCESS" in line) >= len(alerts())


def test_a_runbook_base_is_changed_everywhere_and_nothing_else_is(tmp_path: Path) -> None:
    # A backslash and a digit would be a reference in a pattern's replacement.
    base = r"https://wiki.example.com/\1/runbooks"
    assert rules(tmp_path, "--only", EVERYTHING, "--runbook-base", f"{base}/").exit_code == 0
    for path in paths():
        text = (tmp_path / path.name).read_text()
        assert text.count(f"{base}/") == text.count("- alert:")
        assert text.replace(base, RUNBOOK_BASE) == path.read_text()
        for group in yaml.safe_load(text)["groups"]:
            for rule in group["rules"]:
                assert rule["annotations"]["runbook_url"] == f"{base}/{rule['alert']}.md"


@pytest.mark.usefixtures("made_up")
def test_a_quoted_runbook_stays_quoted() -> None:
    shown = rules("--only", "pond", "--format", "prometheus", "--runbook-base", "http://w").stdout
    assert shown == MADE_UP.replace("https://github.com/a/b/", "http://w/")


@pytest.mark.parametrize(
    "base",
    [
        "",
        "wiki.example.com/runbooks",
        "ftp://wiki.example.com",
        "javascript:alert(1)",
        "https://",
        "https:///runbooks",
        "https://wiki.example.com/a b",
        "https://wiki.example.com/a\nb",
        "https://wiki.example.com/a\u00a0b",
        "https://wiki.example.com/a\x1b[1m",
        'https://wiki.example.com/"',
        "https://wiki.example.com/'",
        "https://wiki.example.com/{{ $labels.x }}",
        "https://wiki.example.com/{{$labels.x}}",
        " https://wiki.example.com",
    ],
)
def test_what_is_no_base_of_runbooks_is_refused(base: str, tmp_path: Path) -> None:
    result = rules(tmp_path / "out", "--runbook-base", base)
    assert (result.exit_code, result.stdout) == (2, "")
    assert f"for --runbook-base: {base!r} is no URL for runbooks; write it like https://" in result.stderr
    assert not (tmp_path / "out").exists()


def test_a_list_has_no_runbooks_to_rebase() -> None:
    result = rules("--runbook-base", "https://wiki.example.com")
    assert (result.exit_code, result.stdout) == (2, "")
    assert "for --runbook-base: it changes what is exported: say to which DIR, or --format" in result.stderr


def test_an_object_for_the_operator_has_the_files_groups_and_comments(tmp_path: Path) -> None:
    assert rules(tmp_path, "--only", EVERYTHING, "--format", "prometheusrule").exit_code == 0
    for path in paths():
        domain, bundled = path.stem, path.read_text()
        text = (tmp_path / f"alert-receiver-{domain}.yaml").read_text()
        assert yaml.safe_load(text) == {
            "apiVersion": "monitoring.coreos.com/v1",
            "kind": "PrometheusRule",
            "metadata": {
                "name": f"alert-receiver-{domain}",
                "labels": {"app.kubernetes.io/name": "alert-receiver", "app.kubernetes.io/component": "rules"},
            },
            "spec": {"groups": groups(bundled)},
        }
        comments = [line.strip() for line in bundled.splitlines() if line.strip().startswith("#")]
        assert [line.strip() for line in text.splitlines() if line.strip().startswith("#")] == comments
        assert not any(line.endswith(" ") for line in text.splitlines())


def test_objects_are_printed_as_documents_without_those_off_by_default() -> None:
    result = rules("--format", "prometheusrule", "--runbook-base", "https://w")
    assert (result.exit_code, result.stderr) == (0, "")
    documents = list(yaml.safe_load_all(result.stdout))
    assert [each["spec"]["groups"] for each in documents] == [
        groups(path.read_text().replace(RUNBOOK_BASE, "https://w")) for path in ON.values()
    ]


@pytest.mark.usefixtures("made_up")
def test_each_object_is_a_document_of_its_own() -> None:
    documents = list(yaml.safe_load_all(rules("--format", "prometheusrule").stdout))
    assert [each["metadata"]["name"] for each in documents] == ["alert-receiver-pond", "alert-receiver-receiver"]


@pytest.mark.usefixtures("made_up")
def test_labels_of_an_object_are_strings_whatever_they_look_like() -> None:
    labels = {
        "release": "yes",
        "no": "1.0",
        "example.com/role": "",
        "app.kubernetes.io/name": "mine",
        "x" * 63: "0" * 63,
        "a_b": "A-1.b",
    }
    options = [option for key, value in labels.items() for option in ("--label", f"{key}={value}")]
    shown = rules("--only", "pond", "--format", "prometheusrule", *options).stdout
    assert yaml.safe_load(shown)["metadata"]["labels"] == {"app.kubernetes.io/component": "rules"} | labels
    # Kubernetes' YAML knows more numbers than Python's.
    assert '    "1e3": "1e3"\n' in rules("--only", "pond", "--format", "prometheusrule", "--label", "1e3=1e3").stdout


@pytest.mark.parametrize(
    "label",
    [
        "",
        "release",
        "=prometheus",
        "release=-x",
        "release=x-",
        "release=a b",
        "release=a\n",
        "release=a=b",
        "release=é",
        'release="x"',
        f"release={'x' * 64}",
        f"{'x' * 64}=x",
        "-a=x",
        "/a=x",
        "a/=x",
        "A.com/a=x",
        "a..com/a=x",
        "a/b/c=x",
        f"{'a.' * 126}ab/a=x",
    ],
)
def test_what_is_no_label_is_refused(label: str) -> None:
    result = rules("--format", "prometheusrule", "--label", label)
    assert (result.exit_code, result.stdout) == (2, "")
    assert f"for --label: {label!r} is no Kubernetes label; write it like release=prometheus" in result.stderr


@pytest.mark.parametrize("form", [[], ["--format", "prometheus"]])
def test_only_objects_have_labels(form: list[str]) -> None:
    result = rules("--label", "release=prometheus", *form)
    assert (result.exit_code, result.stdout) == (2, "")
    assert "for --label: only a Kubernetes object has labels: add --format prometheusrule" in result.stderr


@pytest.mark.usefixtures("made_up")
def test_what_to_do_with_objects_is_said(tmp_path: Path) -> None:
    out = tmp_path / "with space"
    assert rules(out, "--only", "pond", "--format", "prometheusrule").stdout == (
        f"Wrote {out}/alert-receiver-pond.yaml\n"
        f"Now: kubectl apply -n NAMESPACE -f '{out}'\n"
        "If your Prometheus selects rules by a label, such as kube-prometheus-stack's: --label release=NAME\n"
    )
    labelled = rules(out, "--only", "pond", "--format", "prometheusrule", "--label", "release=x")
    assert "selects rules" not in labelled.stdout


def test_a_relative_folder_is_said_in_full_for_prometheus_has_another_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert f'rule_files: ["{tmp_path}/out/*.yml"]\n' in rules("out", "--only", "receiver").stdout


@pytest.mark.usefixtures("made_up")
def test_one_domain_is_printed_as_it_is_and_several_are_refused() -> None:
    one = rules("--format", "prometheus", "--only", "pond")
    assert (one.exit_code, one.stdout) == (0, MADE_UP)
    for only in ([], ["--only", "pond,lake"]):
        several = rules("--format", "prometheus", *only)
        assert (several.exit_code, several.stdout) == (2, "")
        assert several.stderr.endswith(
            "for --format: prometheus prints one domain alone: name it with --only, or say in which DIR to write all\n"
        )


@pytest.mark.usefixtures("made_up")
def test_what_cannot_be_written_is_said_in_a_line(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for folder in (tmp_path / "file", tmp_path / "file" / "below"):
        result = rules(folder)
        assert (result.exit_code, result.stdout) == (1, "")
        assert result.stderr == f"can't write {folder}/pond.yml: {folder} is no folder\n"
    (tmp_path / "out" / "receiver.yml").mkdir(parents=True)
    result = rules(tmp_path / "out")
    assert (result.exit_code, result.stdout) == (1, f"Wrote {tmp_path}/out/pond.yml\n")
    assert result.stderr == f"can't write {tmp_path}/out/receiver.yml: Is a directory\n"
    assert [*texts(tmp_path / "out")] == ["pond.yml"]


def test_an_export_that_fails_leaves_the_file_that_was_there(tmp_path: Path) -> None:
    """Half a file of rules is often valid: Prometheus would take it, and the other half would be gone."""
    old = {"receiver.yml": b"groups: []\n", "mine.yml": b"groups: []\n"}
    for name, text in old.items():
        (tmp_path / name).write_bytes(text)
    assert ON["receiver.yml"].stat().st_size > 4096
    command = f"ulimit -f 4; exec {shlex.quote(sys.executable)} -B -m receiver rules . --only receiver"
    done = subprocess.run(["sh", "-c", command], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "can't write receiver.yml: File too large\n"
    assert texts(tmp_path) == old


@pytest.mark.usefixtures("made_up")
def test_a_file_is_on_the_disk_before_it_replaces_another(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / "pond.yml").write_text("mine")

    def full(file: int) -> None:
        assert os.fstat(file).st_size == len(MADE_UP.encode())
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", full)
        result = rules(out, "--only", "pond")
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == f"can't write {out}/pond.yml: No space left on device\n"
    assert texts(out) == {"pond.yml": b"mine"}


@pytest.mark.usefixtures("made_up")
def test_whoever_reads_a_file_while_it_is_replaced_gets_the_whole_old_one(tmp_path: Path) -> None:
    path = tmp_path / "pond.yml"
    path.write_text("old")
    with path.open() as old:
        assert rules(tmp_path, "--only", "pond").exit_code == 0
        assert old.read() == "old"
    assert path.read_text() == MADE_UP


@pytest.mark.usefixtures("made_up")
@pytest.mark.parametrize("refused", [False, True])
def test_a_file_keeps_its_rights_when_it_is_replaced(
    refused: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    owners = []

    def give(file: int, user: int, group: int) -> None:
        owners.append((user, group))
        if refused:
            raise PermissionError

    monkeypatch.setattr(os, "fchown", give)
    assert rules(tmp_path, "--only", "pond").exit_code == 0
    path, fresh = tmp_path / "pond.yml", tmp_path / "fresh"
    fresh.touch()
    assert path.stat().st_mode == fresh.stat().st_mode
    assert owners == []
    path.chmod(0o646)
    assert rules(tmp_path, "--only", "pond").exit_code == 0
    assert path.stat().st_mode & 0o7777 == 0o646
    assert owners == [(path.stat().st_uid, path.stat().st_gid)]


@pytest.mark.usefixtures("made_up")
def test_a_link_stays_one(tmp_path: Path) -> None:
    out, kept = tmp_path / "out", tmp_path / "kept"
    out.mkdir()
    kept.mkdir()
    (out / "pond.yml").symlink_to("../kept/mine.yml")
    assert rules(out, "--only", "pond").exit_code == 0
    assert (out / "pond.yml").is_symlink()
    assert texts(kept) == {"mine.yml": MADE_UP.encode()}


@pytest.mark.parametrize("form", [[], ["--format", "prometheus"], ["--format", "prometheusrule"]])
def test_an_empty_folder_name_is_refused(form: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    result = rules("", "--only", "receiver", *form)
    assert (result.exit_code, result.stdout) == (2, "")
    assert "for DIR: it is empty, as an unset variable is; the current folder is written .\n" in result.stderr
    assert texts(tmp_path) == {}
    assert rules(".", "--only", "receiver", *form).exit_code == 0
    assert texts(tmp_path) != {}


@pytest.mark.usefixtures("made_up")
@pytest.mark.parametrize("order", [("prometheus", "prometheusrule"), ("prometheusrule", "prometheus")])
def test_neither_form_replaces_the_other(order: tuple[str, str], tmp_path: Path) -> None:
    out = tmp_path / "out"
    for form in order:
        assert rules(out, "--format", form, "--only", "pond").exit_code == 0
    assert set(texts(out)) == {"pond.yml", "alert-receiver-pond.yaml"}
    # What the hint for rule_files takes.
    assert [path.read_text() for path in out.glob("*.yml")] == [MADE_UP]
    assert yaml.safe_load((out / "alert-receiver-pond.yaml").read_text())["kind"] == "PrometheusRule"


@pytest.mark.parametrize(
    "arguments", [["rules"], ["rules", "--format", "prometheusrule"], ["rules", "--help"], ["schema"], ["--help"]]
)
def test_output_that_has_no_room_is_said_in_a_line(arguments: list[str]) -> None:
    with Path("/dev/full").open("wb") as full:
        command = [sys.executable, "-m", "receiver", *arguments]
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert (done.returncode, done.stderr) == (1, "can't write the output: No space left on device\n")


def test_an_installation_without_rules_is_said(made_up: Path) -> None:
    shutil.rmtree(made_up)
    result = rules()
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == f"there are no rules in {made_up}: install alert-receiver anew\n"
    (made_up / "pond.yml").mkdir(parents=True)
    assert (rules().exit_code, rules().stderr) == (1, f"can't read {made_up}/pond.yml: Is a directory\n")


def test_an_installed_wheel_brings_the_rules(tmp_path: Path) -> None:
    project, site, elsewhere = tmp_path / "project", tmp_path / "site", tmp_path / "elsewhere"
    for name in ("receiver", "rules"):
        shutil.copytree(ROOT / name, project / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, project)
    # Not the checkout's: whoever read those would be found out.
    with (project / "rules" / "receiver.yml").open("a") as file:
        file.write("# Of the wheel.\n")
    subprocess.run([sys.executable, "-m", "hatchling", "build", "-t", "wheel"], cwd=project, check=True)
    [wheel] = (project / "dist").iterdir()
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(site)
    bundled = texts(project / "rules")
    assert texts(site / "receiver" / "rules") == bundled
    shutil.rmtree(project)
    elsewhere.mkdir()

    def installed(*arguments: str) -> str:
        command = [sys.executable, "-m", "receiver", "rules", *arguments]
        env = os.environ | {"PYTHONPATH": str(site)}
        return subprocess.run(command, cwd=elsewhere, env=env, capture_output=True, text=True, check=True).stdout

    assert installed() == rules().stdout
    installed("out", "--only", EVERYTHING)
    expected = {name.removeprefix("optional/"): text for name, text in bundled.items()}
    assert texts(elsewhere / "out") == expected
    assert expected["receiver.yml"].endswith(b"\n# Of the wheel.\n")
