"""A distribution as somebody else would publish it, and a way to put others beside it, as pip would."""

from pathlib import Path

PUBLISHED = Path(__file__).parent
"""The folder that has acme-pager, to be put on the path."""


def install(folder: Path, package: str, entry: str, code: str) -> None:
    """Have the folder, which is to be on the path, hold a distribution with an entry point such as ``x = y:kind``."""
    module = entry.partition("=")[2].partition(":")[0].strip()
    (folder / f"{module}.py").write_text(code)
    about = folder / f"{package.replace('-', '_')}-1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text(f"[alert_receiver.channels]\n{entry}\n")
