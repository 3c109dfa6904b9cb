"""Writes docs/benchmarks.md: each command replaces its own section."""

import os
import platform
import re
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from benchmarks.platform import MODEL

PAGE = Path(__file__).parents[1] / "docs" / "benchmarks.md"
_HEAD = "# Benchmarks\n\nWritten by the commands that each section names; measured, never edited.\n"
_SERVING_PACKAGES = ("scikit-learn", "mlflow", "fastapi", "uvicorn", "numba")


def section(title: str, text: str) -> None:
    """Replace one section of the page, or add it."""
    page = PAGE.read_text() if PAGE.exists() else _HEAD
    new = f"## {title}\n\n{text.strip()}\n"
    old = re.compile(rf"^## {re.escape(title)}\n.*?(?=^## |\Z)", re.MULTILINE | re.DOTALL)
    found = old.search(page)
    page = page[: found.start()] + new + "\n" + page[found.end() :] if found else f"{page}\n{new}"
    PAGE.parent.mkdir(exist_ok=True)
    PAGE.write_text(page.rstrip() + "\n")
    print(f"\n{new}\nWritten to {PAGE.relative_to(PAGE.parents[1])}")


def conditions(command: str, packages: Sequence[str]) -> str:
    """Return the conditions: the command, the date, the machine and the installed packages."""
    versions = [f"Python {platform.python_version()}"]
    for name in packages:
        with suppress(PackageNotFoundError):
            versions.append(f"{name} {version(name)}")
    return (
        f"`{command}`, {datetime.now(UTC).date()}, on {_processor()}, {os.cpu_count()} cores; "
        f"{', '.join(versions)}."
    )


def serving_conditions(command: str) -> str:
    """Return the conditions and the served model."""
    return f"{conditions(command, _SERVING_PACKAGES)} The model: {MODEL}."


def _processor() -> str:
    cpu = Path("/proc/cpuinfo")
    lines = cpu.read_text().splitlines() if cpu.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a Markdown table with numbers aligned to the right."""
    lines = [head, ["---", *["---:"] * (len(head) - 1)], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
