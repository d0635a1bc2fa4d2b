"""What is wrong with a channel's templates: each is compiled, and tried on notifications of every shape.

Here and not at night, when the one alert comes that lacks a label.
"""

from collections.abc import Iterator, Mapping
from contextlib import closing

from msgspec import UNSET

from receiver.config.draft import Draft
from receiver.config.problems import Finding, Path
from receiver.config.template_files import LARGEST, PARTS
from receiver.config.types import Channel
from receiver.templates.forms import Form, form_of
from receiver.templates.own import Failure, attempt
from receiver.templates.process import Renderer
from receiver.templates.samples import samples

Failures = Mapping[str, tuple[Failure, str]]
"""By part, with the sample that it fails on first, in words; in none where that is the very first."""


def findings(draft: Draft) -> Iterator[Finding]:
    """Templates that can't be tried at all, of all channels."""
    for i, channel in draft.channels.items():
        form = form_of(draft.data["channels"][i]["type"])
        yield from _foreign(draft, ("channels", i, "templates"), form, sources_of(channel))


def failures(draft: Draft) -> Iterator[Finding]:
    """Templates that fail when they are tried, of all channels."""
    # Many channels may share their templates, by an anchor or by a file.
    judged: dict[tuple[str, tuple[tuple[str, str], ...]], Failures] = {}
    with closing(Renderer()) as renderer:
        for i, channel in draft.channels.items():
            form, path = form_of(draft.data["channels"][i]["type"]), ("channels", i, "templates")
            sources = {
                part: source
                for part, source in sources_of(channel).items()
                if part in form.parts and not _too_large(source)
            }
            known = form.name, tuple(sources.items())
            if sources and known not in judged:
                judged[known] = tried(form, sources, renderer)
            for part, (failure, sample) in judged.get(known, {}).items():
                yield _finding(draft, path, part, failure, sample)


def sources_of(channel: Channel) -> dict[str, str]:
    """The channel's templates by their parts."""
    templates = channel.templates
    if templates is UNSET:
        return {}
    sources = ((part, getattr(templates, part)) for part in PARTS)
    return {part: source for part, source in sources if source is not UNSET}


def _foreign(draft: Draft, path: Path, form: Form, written: Mapping[str, str]) -> Iterator[Finding]:
    """Parts that this kind of channel does not have, in files or not, and what is too large."""
    for part in PARTS:
        for key in (part, f"{part}_file"):
            if part not in form.parts and draft.written(*path, key):
                yield Finding((*path, key), f"{form.name} has no such part", f"it takes {_listed(form.parts)}")
    for part, source in written.items():
        if _too_large(source):
            yield Finding((*path, part), f"is larger than {LARGEST:,} bytes")


def _too_large(source: str) -> bool:
    return len(source.encode(errors="replace")) > LARGEST


def _listed(parts: tuple[str, ...]) -> str:
    return f"{', '.join(parts[:-1])} and {parts[-1]}"


def tried(form: Form, sources: Mapping[str, str], renderer: Renderer) -> Failures:
    """What fails when the templates are tried on the samples."""
    failed: dict[str, tuple[Failure, str]] = {}
    for n, (name, content) in enumerate(samples()):
        left = {part: source for part, source in sources.items() if part not in failed}
        if not left:
            break
        for failure in attempt(form, left, content, renderer).failures:
            failed.setdefault(failure.part, (failure, f" (tried on {name})" if n else ""))
    return failed


def _finding(draft: Draft, path: Path, part: str, failure: Failure, sample: str) -> Finding:
    in_file = not draft.written(*path, part)
    key = f"{part}_file" if in_file else part
    places = [draft.data["channels"][path[1]]["templates"][key]] if in_file else []
    if failure.line is not None:
        places.append(f"line {failure.line}" if in_file else f"line {failure.line} of this template")
    wrong = ": ".join(filter(None, (", ".join(places), failure.explained)))
    return Finding((*path, key), f"{wrong}{sample}", failure.advice)
