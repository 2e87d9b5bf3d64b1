"""From measurements to the tables that are printed and kept in docs/benchmarks.md."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from benchmarks.contenders import (
    CONTENDERS,
    EVIDENTLY_DRIFT,
    HUGE,
    LARGE,
    MEDIUM,
    OURS,
    SMALL,
    WHYLOGS,
)
from benchmarks.process_meter import Measurement, median_of

Results = Mapping[tuple[str, int], Sequence[Measurement]]

BEGIN = "<!-- measured: written by make bench, do not edit -->"
END = "<!-- /measured -->"
_MIB = 1024 * 1024


def result_tables(results: Results) -> str:
    """Return one table of medians per window size, in Markdown; the last column compares CPU time with ours.

    The least CPU time of all runs stands beside the median: on a machine shared with others, it is the steadier one.
    """
    parts = []
    for rows in sorted({rows for _, rows in results}):
        ours = results.get((OURS, rows))
        parts += [f"### {rows:,} rows", "", *_HEAD]
        for contender in CONTENDERS:
            runs = results.get((contender.key, rows))
            if runs is None:
                continue
            found = median_of(runs)
            least = min(run.cpu_seconds for run in runs)
            ratio = f"{found.cpu_seconds / median_of(ours).cpu_seconds:.2f}×" if ours else ""
            parts.append(
                f"| {contender.title} | {found.wall_seconds:.2f} | {found.cpu_seconds:.2f} | {least:.2f} "
                f"| {found.peak_bytes / _MIB:,.0f} | {rows / found.cpu_seconds:,.0f} | {ratio} |"
            )
        parts.append("")
    return "\n".join(parts)


_HEAD = (
    "| | wall s | CPU s | least CPU s | peak MiB | rows per CPU s | CPU, ours = 1 |",
    "|---|---:|---:|---:|---:|---:|---:|",
)


def target_list(results: Results) -> str:
    """Return what we set out to reach, what was measured, and whether that is enough; unmeasured ones are left out."""
    medians = {entry: median_of(runs) for entry, runs in results.items()}
    ours = {rows: found for (key, rows), found in medians.items() if key == OURS}
    lines = []
    if small := ours.get(SMALL):
        lines.append(_target("a window of 1,000 rows, as a cold process", small.wall_seconds, "<", 0.5, "s wall"))
    if large := ours.get(LARGE):
        lines.append(_target("rows per CPU second at 1M rows", LARGE / large.cpu_seconds, "≥", 200_000, ""))
        lines.append(_target("peak memory at 1M rows", large.peak_bytes / _MIB, "<", 256, "MiB"))
    if (huge := ours.get(HUGE)) and large:
        lines.append(_target("peak memory at 5M rows", huge.peak_bytes / _MIB, "<", 256, "MiB"))
        growth = huge.peak_bytes / large.peak_bytes
        lines.append(_target("peak memory at 5M rows, times that at 1M", growth, "<", 1.1, "×"))
    for key, name, least in ((WHYLOGS, "whylogs", 5.0), (EVIDENTLY_DRIFT, "Evidently's drift report", 12.0)):
        for rows in (LARGE, MEDIUM):
            peer = medians.get((key, rows))
            if peer and rows in ours:
                ratio = peer.cpu_seconds / ours[rows].cpu_seconds
                lines.append(
                    _target(f"throughput per CPU second, times {name} at {rows:,} rows", ratio, "≥", least, "×")
                )
                break
    return "\n".join(lines)


def _target(what: str, found: float, relation: str, limit: float, unit: str) -> str:
    met = found >= limit if relation == "≥" else found < limit
    digits = "0" if found >= 1000 else "2"
    verdict = "met" if met else "**not met**"
    return f"- {verdict}: {what}: {found:,.{digits}f} {unit} (wanted {relation} {limit:,g} {unit})".replace(" )", ")")


def write_page(page: Path, lines: Iterable[str], *, begin: str = BEGIN, end: str = END) -> None:
    """Put the lines between the page's markers, and leave the rest of the page alone.

    Raises
    ------
    ValueError
        when the page lacks its markers.
    """
    head, found, rest = page.read_text().partition(begin)
    _, ended, tail = rest.partition(end)
    if not found or not ended:
        message = f"{page}: the lines {begin!r} and {end!r} were expected"
        raise ValueError(message)
    page.write_text("\n\n".join([head + begin, *(line.strip("\n") for line in lines), end + tail]))
