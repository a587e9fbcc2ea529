"""Writes what was measured into docs/performance.md."""

import os
import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

from benchmarks.figures import Rate

PAGE = Path(__file__).resolve().parents[1] / "docs" / "performance.md"
RELIABILITY = PAGE.with_name("reliability.md")
_MIB = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Row:
    """One figure: what it is, what it should be, what it was."""

    what: str
    target: str = ""
    measured: str = ""
    ratio: float | None = None
    """Measured against the target; 1 or more is reached."""
    latency: str = ""

    def markdown(self) -> str:
        """Return the row of the table."""
        ratio = "" if self.ratio is None else f"{self.ratio:.2f}"
        return f"| {self.what} | {self.target} | {self.measured} | {ratio} | {self.latency} |"


def rate_row(what: str, rate: Rate, *, target: float | None = None) -> Row:
    """Return the row of a rate by CPU second."""
    return Row(
        what,
        "" if target is None else f"{target:,.0f} / CPU-s",
        f"{rate.per_cpu_second:,.0f} / CPU-s",
        None if target is None else rate.per_cpu_second / target,
        latency(rate),
    )


def at_most_row(what: str, measured: float, limit: float, unit: str) -> Row:
    """Return the row of something that should be small."""
    return Row(what, f"≤ {limit:g} {unit}", f"{measured:,.2f} {unit}", limit / measured)


def latency(rate: Rate) -> str:
    """Return median and 99th percentile in milliseconds."""
    return f"{rate.outcome.median * 1000:.1f} / {rate.outcome.p99 * 1000:.1f} ms"


def memory_rows(resident: Mapping[str, int]) -> list[Row]:
    """Return the resident memory of each process."""
    return [
        Row(f"memory of {name}", measured=f"{used / _MIB:,.0f} MiB")
        for name, used in resident.items()
    ]


def machine() -> str:
    """Describe this machine without naming it."""
    memory = psutil.virtual_memory().total / 1024**3
    return (
        f"{os.cpu_count()} cores ({platform.machine()}), {memory:.0f} GiB, "
        f"{platform.system()}, Python {platform.python_version()}"
    )


def table(command: str, rows: Sequence[Row]) -> str:
    """Return the figures as a table under the command that made them."""
    return "\n".join(
        [
            f"`{command}` on {machine()}:",
            "",
            "| what | target | measured | measured / target | p50 / p99 |",
            "|---|---|---|---|---|",
            *(row.markdown() for row in rows),
        ]
    )


def write(section: str, text: str, page: Path = PAGE) -> None:
    """Put a table into its section of the page, in place of the one before."""
    begin, end = f"<!-- begin {section} -->", f"<!-- end {section} -->"
    before, _, rest = page.read_text().partition(begin)
    _, found, after = rest.partition(end)
    if not found:
        raise ValueError(f"{page} has no section {section!r}")
    page.write_text(f"{before}{begin}\n{text}\n{end}{after}")
