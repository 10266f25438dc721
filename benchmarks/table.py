"""The results in Markdown."""

import statistics

from results import RATIO, Part, Results, Row

_HEAD = ("", "mkiso", "beside it", "", "ratio", "wanted", "reached", "peak memory")


def lines(results: Results) -> list[str]:
    """Return the whole page: the machine, all parts, notes."""
    made = ["# Results of `make bench`", "", *machine_lines(results), "", *table_lines(results)]
    notes = dict.fromkeys(
        f"- {part.number}: {row.note}."
        for part in results.in_order
        for row in part.rows
        if row.note
    )
    return [*made, "", "Notes", "", *notes]


_NOTES = """\
- Tuned: `TCP_NODELAY=1` for every dcmtk program and the archive, `--max-pdu 131072`, \
`storescp +B`; as shipped: none of it.
- Peak memory: the largest process of ours / theirs. What is below 25 MiB is not told apart from \
the benchmark's own.
- Before each turn `sync`, so that no side pays for what the other left to write.
""".splitlines()


def _durations(results: Results) -> list[str]:
    """Return how long each part took, and when."""
    parts = (f"{p.number}: {p.seconds:.0f} s ({p.measured_at})" for p in results.in_order)
    return [f"Parts took: {', '.join(parts)}."]


def machine_lines(results: Results) -> list[str]:
    """Return what machine it was and whether it was quiet."""
    machine = results.machine
    parts = [part for part in results.in_order if part.rows or part.extra]
    rounds = sorted({part.rounds for part in parts})
    loads = sorted({part.load for part in parts})
    hardware = f"{machine.get('cores')} cores ({machine.get('processor')}"
    hardware += f", {machine.get('architecture')}), {machine.get('memory_gib')} GiB of memory"
    circumstances = f"Medians of {_span(rounds)} rounds in turns (A B A B)"
    circumstances += f"; load average at the start {_span(loads)}."
    where = f"{machine.get('file_system')}; archives, peers and mkiso on this one machine."
    said = [f"{hardware}, {where} {circumstances}"]
    noisy = [str(part.number) for part in parts if not part.quiet]
    if noisy:
        said.append(
            f"**The machine had other work during part {', '.join(noisy)}: trials, not results.**"
        )
    if quick := [str(part.number) for part in parts if part.quick]:
        said.append(f"**Part {', '.join(quick)} ran with --quick: sizes too small to mean much.**")
    return said


def table_lines(results: Results) -> list[str]:
    """Return the table of all rows."""
    made = [f"| {' | '.join(_HEAD)} |", "|---" * len(_HEAD) + "|"]
    for part in results.in_order:
        if part.rows:
            made.append(f"| **{part.number}. {part.title}** |" + " |" * (len(_HEAD) - 1))
        made += [f"| {' | '.join(_cells(row))} |" for row in part.rows]
        if part.failure or part.absent:
            made.append(f"| part {part.number}: {_state(part)} |" + " |" * (len(_HEAD) - 1))
    return made


def short_lines(results: Results) -> list[str]:
    """Return the table of what has a wanted figure, for README."""
    head = ("", "mkiso", "beside it", "", "ratio", "wanted")
    made = [f"| {' | '.join(head)} |", "|---" * len(head) + "|"]
    for part in results.in_order:
        made += [
            f"| {part.number}. {' | '.join(_cells(row)[:6])} |"
            for row in part.rows
            if row.wanted is not None
        ]
    return made


def stage_lines(results: Results) -> list[str]:
    """Return where the seconds of parts 5 and 6 went, or nothing when there are none."""
    runs = {
        name.removeprefix("disc.").replace("none.", "").replace("full.", "with the viewer, "): of
        for part in results.in_order
        for name, of in part.extra.items()
        if name.startswith("disc.")
    }
    if not runs:
        return []
    stages = list(next(iter(runs.values()))["stages"])
    made = [f"| seconds | {' | '.join(stages)} | CPU, all of it |"]
    made.append("|---" * (len(stages) + 2) + "|")
    for name, of in runs.items():
        seconds = (f"{of['stages'].get(stage, 0):.2f}" for stage in stages)
        cpu = statistics.median(of["cpu_seconds"])
        made.append(f"| {name} | {' | '.join(seconds)} | {cpu:.2f} |")
    return made


def row_text(row: Row) -> str:
    """Return a row for the terminal."""
    what, ours, theirs, peer, ratio, wanted, reached, peak = _cells(row)
    text = f"  {what}: {ours}"
    if theirs:
        text += f", {peer} {theirs}, ratio {ratio}"
    if wanted:
        text += f" (wanted {wanted}: {reached})"
    return f"{text}, {peak}" if peak else text


def part_text(part: Part) -> str:
    """Return the line about a part that has ended."""
    return f"  {_state(part)} in {part.seconds:.0f} s"


def _state(part: Part) -> str:
    if part.absent:
        return f"not measured ({part.absent} not installed)"
    return part.failure.replace("\n", " ") or "done"


def _cells(row: Row) -> list[str]:
    figure = row.figure
    is_ratio = row.kind == RATIO
    wanted = "" if row.wanted is None else f"≤ {row.wanted:g}"
    if wanted and not is_ratio and row.unit != "times":
        wanted += f" {row.unit}"
    ratio = f"**{_short(figure)}**" if is_ratio and figure is not None else ""
    reached = {None: "", True: "yes", False: "no"}[row.is_reached]
    ours = _quantity(row.ours, row.unit)
    theirs = _quantity(row.theirs, row.unit) if row.theirs else ("not measured" * is_ratio)
    peak = "" if row.peak_mib is None or row.unit == "MiB" else f"{row.peak_mib:.0f} MiB"
    if peak and row.peer_peak_mib:
        peak += f" / {row.peer_peak_mib:.0f} MiB"
    return [row.what, ours, theirs, row.peer, ratio, wanted, reached, peak]


def _quantity(values: list[float], unit: str) -> str:
    if not values:
        return ""
    median = statistics.median(values)
    if unit == "times":
        return f"{median:.2f}"
    if unit == "s" and median < 1:
        return f"{1000 * median:.0f} ms"
    return f"{median:.0f} {unit}" if median >= 100 else f"{median:.3g} {unit}"


def _short(value: float) -> str:
    return f"{value:.3f}" if value < 0.1 else f"{value:.2f}"


def _span(values: list) -> str:
    return (
        f"{values[0]:g}" if len(values) == 1 else f"{values[0]:g} to {values[-1]:g}" * bool(values)
    )
