"""The bundled alerting rules, a file for each domain: what they say, and as people take them into their Prometheus."""

import json
import os
import re
import secrets
import shlex
import stat
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from textwrap import indent

import yaml

from receiver.config.problems import choice, suggestion
from receiver.messages.wording import number

PROMETHEUS, PROMETHEUS_RULE = FORMATS = ("prometheus", "prometheusrule")

# Whose dashboards lie among the rules.
WITH_DASHBOARDS = "receiver"

_NEEDS = re.compile(r"^ *# Needs ([^:\n]+):", re.MULTILINE)
_RUNBOOK = re.compile(r"""^( *runbook_url: +["']?)\S*(/\w+\.md["']?)$""", re.MULTILINE)
_BASE = re.compile(r"""https?://[^\s"'/?#][^\s"']*""")

# https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/#syntax-and-character-set
_LABEL_NAME = re.compile(r"[A-Za-z0-9]([-\w.]{0,61}[A-Za-z0-9])?", re.ASCII)
_LABEL_PREFIX = re.compile(r"(?=.{1,253}$)[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
_LABELS = {"app.kubernetes.io/name": "alert-receiver", "app.kubernetes.io/component": "rules"}


class Misused(Exception):
    """An option that can't be meant so; the text says what could."""

    def __init__(self, option: str, text: str) -> None:
        """Hold the option as it is typed."""
        self.option = option
        super().__init__(text)


class Failed(Exception):
    """The rules can't be read or written; the text says where and why."""


@dataclass(frozen=True, slots=True)
class Alert:
    """What is listed of an alert."""

    name: str
    severity: str
    summary: str


@dataclass(frozen=True, slots=True)
class Domain:
    """A file of rules, and its dashboards by their files' names; one that is optional is taken only by its name."""

    name: str
    text: str
    optional: bool = False
    dashboards: Mapping[str, str] = field(default_factory=dict)

    @property
    def file(self) -> str:
        """The name of the file."""
        return f"{self.name}.yml"


@dataclass(frozen=True, slots=True)
class Form:
    """How the rules are written; without a runbook base, with the bundled one."""

    format: str = PROMETHEUS
    runbook_base: str | None = None
    labels: Mapping[str, str] = field(default_factory=dict)


def home() -> Path:
    """The folder of the rules: an installed package has them within, a checkout beside it."""
    package = Path(__file__).parent
    installed = package / "rules"
    return installed if installed.is_dir() else package.parent / "rules"


def read(folder: Path) -> tuple[Domain, ...]:
    """All domains, the optional ones last; raises Failed."""
    try:
        dashboards = {path.name: path.read_bytes().decode() for path in sorted(folder.glob("dashboards/*.json"))}
        domains = tuple(
            Domain(
                path.stem,
                # As bytes, for reading as text would change the ends of lines.
                path.read_bytes().decode(),
                optional,
                dashboards if path.stem == WITH_DASHBOARDS else {},
            )
            for optional, pattern in ((False, "*.yml"), (True, "optional/*.yml"))
            for path in sorted(folder.glob(pattern))
        )
    except OSError as error:
        raise Failed(f"can't read {error.filename}: {error.strerror}") from None
    if not domains:
        raise Failed(f"there are no rules in {folder}: install alert-receiver anew")
    return domains


def chosen(domains: Sequence[Domain], only: Sequence[str]) -> tuple[Domain, ...]:
    """The domains named, each entry being one or more with commas between; raises Misused. All when none is named."""
    names = {name.strip() for entry in only for name in entry.split(",")}
    known = [domain.name for domain in domains]
    for name in sorted(names.difference(known)):
        raise Misused("--only", _unknown(name, known))
    return tuple(domain for domain in domains if domain.name in names or not only)


def _unknown(name: str, known: Collection[str]) -> str:
    meant, there_are = suggestion(name, known), choice(known)
    if meant == there_are:
        return f"no domain {name!r}; {there_are}"
    return f"no domain {name!r}: {meant.replace(chr(34), chr(39))} {there_are.capitalize()}"


def form_of(format_: str, runbook_base: str | None, labels: Sequence[str]) -> Form:
    """How the rules are to be written; raises Misused."""
    if labels and format_ != PROMETHEUS_RULE:
        raise Misused("--label", f"only a Kubernetes object has labels: add --format {PROMETHEUS_RULE}")
    return Form(format_, None if runbook_base is None else base(runbook_base), dict(map(label, labels)))


def base(given: str) -> str:
    """The base of the runbooks' URLs, without a slash at its end; raises Misused."""
    bare = given.rstrip("/")
    # Prometheus would take {{ for a template; without quotes and whitespace YAML takes the URL as it is.
    if not _BASE.fullmatch(bare) or not bare.isprintable() or "{{" in bare:
        raise Misused(
            "--runbook-base",
            f"{given!r} is no URL for runbooks; write it like https://wiki.example.com/runbooks, "
            "with no whitespace, quotes or {{ in it",
        )
    return bare


def label(given: str) -> tuple[str, str]:
    """Key and value of a Kubernetes label, given as key=value; raises Misused."""
    key, equals, value = given.partition("=")
    prefix, slash, name = key.rpartition("/")
    valid = (
        equals
        and _LABEL_NAME.fullmatch(name)
        and (not slash or _LABEL_PREFIX.fullmatch(prefix))
        and (not value or _LABEL_NAME.fullmatch(value))
    )
    if not valid:
        raise Misused(
            "--label",
            f"{given!r} is no Kubernetes label; write it like release=prometheus: letters, digits, "
            '"-", "_" and "." on both sides, at most 63, the first and the last a letter or digit',
        )
    return key, value


def alerts(text: str) -> list[Alert]:
    """The alerts of a file of rules, in its order."""
    return [
        Alert(rule["alert"], rule["labels"]["severity"], rule["annotations"]["summary"])
        for group in yaml.safe_load(text)["groups"]
        for rule in group["rules"]
        if "alert" in rule
    ]


def needs(text: str) -> list[str]:
    """What exports the metrics that the rules need, as the comments above them name it."""
    return list(dict.fromkeys(_NEEDS.findall(text)))


def listing(domains: Sequence[Domain]) -> Iterator[str]:
    """The domains and their alerts, line by line, for people to read."""
    found = {domain.name: alerts(domain.text) for domain in domains}
    everything = [alert for those in found.values() for alert in those]
    name = max((len(alert.name) for alert in everything), default=0)
    severity = max((len(alert.severity) for alert in everything), default=0)
    for n, domain in enumerate(domains):
        if n:
            yield ""
        yield _headline(domain, len(found[domain.name]))
        for alert in found[domain.name]:
            yield f"  {alert.name:{name}}  {alert.severity:{severity}}  {alert.summary}"


def _headline(domain: Domain, count: int) -> str:
    exporters = needs(domain.text)
    facts = [f"{number(count, 'alert', 'alerts')} in {domain.file}"]
    facts += [f"needs {', '.join(exporters)}"] if exporters else []
    facts += ["off by default: name it with --only"] if domain.optional else []
    return f"{domain.name}: {'; '.join(facts)}"


def rebased(text: str, runbook_base: str) -> str:
    """The rules with their runbooks at another place."""
    return _RUNBOOK.sub(lambda found: f"{found[1]}{runbook_base}{found[2]}", text)


def prometheus_rule(domain: Domain, text: str, labels: Mapping[str, str]) -> str:
    """The rules as an object for the Prometheus operator."""
    # Quoted, for "yes", "1e3" and the like are strings only so.
    shown = "".join(f"    {json.dumps(key)}: {json.dumps(value)}\n" for key, value in {**_LABELS, **labels}.items())
    return (
        "apiVersion: monitoring.coreos.com/v1\n"
        "kind: PrometheusRule\n"
        "metadata:\n"
        f"  name: {_object(domain)}\n"
        f"  labels:\n{shown}"
        f"spec:\n{indent(text, '  ')}"
    )


def _object(domain: Domain) -> str:
    return f"alert-receiver-{domain.name}"


def written(domain: Domain, form: Form) -> str:
    """A domain's rules in this form."""
    text = domain.text if form.runbook_base is None else rebased(domain.text, form.runbook_base)
    return prometheus_rule(domain, text, form.labels) if form.format == PROMETHEUS_RULE else text


def printed(domains: Sequence[Domain], form: Form) -> str:
    """What goes to stdout; raises Misused where that would be no one file."""
    if form.format == PROMETHEUS and len(domains) > 1:
        raise Misused(
            "--format", f"{PROMETHEUS} prints one domain alone: name it with --only, or say in which DIR to write all"
        )
    return "---\n".join(written(domain, form) for domain in domains)


def files(domains: Sequence[Domain], form: Form) -> dict[str, str]:
    """What goes into a folder: each file's text by its path there."""
    if form.format == PROMETHEUS_RULE:
        # So that neither form replaces the other, and rule_files: [DIR/*.yml] takes no object.
        return {f"{_object(domain)}.yaml": written(domain, form) for domain in domains}
    found = {domain.file: written(domain, form) for domain in domains}
    return found | {f"dashboards/{name}": text for domain in domains for name, text in domain.dashboards.items()}


def write(folder: Path, texts: Mapping[str, str]) -> Iterator[Path]:
    """Write the files, each told once it is there; raises Failed. What else is in the folder stays as it is."""
    for name, text in texts.items():
        path = folder / name
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            _replace(path, text.encode())
        except (FileExistsError, NotADirectoryError):
            raise Failed(f"can't write {path}: {path.parent} is no folder") from None
        except OSError as error:
            raise Failed(f"can't write {path}: {error.strerror}") from None
        yield path


def _replace(path: Path, content: bytes) -> None:
    """Write the whole file or leave it as it was: half a file can be valid rules, with the other half missing."""
    # A link stays one.
    path = Path(os.path.realpath(path))
    # Nothing that rule_files or kubectl would take.
    new = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
    try:
        with new.open("xb") as file:
            file.write(content)
            file.flush()
            _keep_rights(file.fileno(), path)
            os.fsync(file.fileno())
        new.replace(path)
    finally:
        new.unlink(missing_ok=True)


def _keep_rights(file: int, path: Path) -> None:
    """Let those read it who could read what it replaces, such as Prometheus' own group."""
    with suppress(FileNotFoundError):
        before = path.stat()
        with suppress(PermissionError):
            os.fchown(file, before.st_uid, before.st_gid)
        os.fchmod(file, stat.S_IMODE(before.st_mode))


def usage(folder: Path, form: Form, names: Collection[str]) -> Iterator[str]:
    """What to do with the files of these names."""
    # A relative path would be one from the place of Prometheus' configuration.
    place = str(folder.absolute())
    if form.format == PROMETHEUS:
        yield f"In prometheus.yml:  rule_files: [{json.dumps(f'{place}/*.yml', ensure_ascii=False)}]"
        yield f"Before a reload:    promtool check rules {shlex.quote(place)}/*.yml"
        yield from (f"Import into Grafana: {place}/{name}" for name in names if name.startswith("dashboards/"))
        return
    yield f"Now: kubectl apply -n NAMESPACE -f {shlex.quote(place)}"
    if not form.labels:
        yield "If your Prometheus selects rules by a label, such as kube-prometheus-stack's: --label release=NAME"
