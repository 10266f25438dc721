"""Parts 5 and 6: from the accession number to a published, verified disc, beside the chain."""

from collections.abc import Iterator
from typing import Any

from archives import Archive
from chain import SHIPPED, TUNED, run_chain
from lab import Lab
from making import make
from results import Row, medians
from studies import ACCESSION_NUMBER

_ARCHIVES = ("dcmqrscp", "Orthanc")
_NOTE = "the chain hashes and verifies nothing and does not fsync; ours does all three"


def without_viewer(lab: Lab, extra: dict[str, Any]) -> Iterator[Row]:
    """Compare with the tuned chain in turns, and with the chain as shipped."""
    for name in _ARCHIVES:
        row, made = _compare(lab, extra, name, "none", 1.3)
        yield row
        yield from _as_shipped(lab, name, row, made)


def with_viewer(lab: Lab, extra: dict[str, Any]) -> Iterator[Row]:
    """Compare with the tuned chain, which makes no viewer."""
    for name in _ARCHIVES:
        row, _ = _compare(lab, extra, name, "full", 2.5)
        yield row


def _compare(
    lab: Lab, extra: dict[str, Any], name: str, viewer: str, wanted: float
) -> tuple[Row, list[dict[str, Any]]]:
    archive = lab.archive(name, lab.slices())
    made, chains = [], []
    for _ in range(lab.rounds):
        chains.append(_chain(lab, archive, TUNED))
        lab.settle()
        made.append(make(archive, ACCESSION_NUMBER, lab.new_folder(), viewer))
    extra[f"disc.{viewer}.{name}"] = {
        "stages": medians(made),
        "cpu_seconds": [run["cpu_seconds"] for run in made],
        "C-MOVE in make": [run["move"] for run in made],
        "C-MOVE in the chain": [move for _, move in chains],
        "size_bytes": made[-1]["size_bytes"],
    }
    kind = "with the viewer" if viewer == "full" else "without viewer"
    return Row(
        f"disc.{viewer}.{name}",
        f"Disc of {lab.sizes.slices:,} slices {kind}, {name}",
        "tuned chain",
        [run["seconds"] for run in made],
        [seconds for seconds, _ in chains],
        wanted,
        note=_NOTE,
        peak_mib=max(run["peak_mib"] for run in made),
    ), made


def _as_shipped(lab: Lab, name: str, tuned: Row, made: list[dict[str, Any]]) -> Iterator[Row]:
    archive = lab.archive(name, lab.slices(), SHIPPED)
    chains, beside = [], []
    for _ in range(min(lab.rounds, lab.sizes.shipped_rounds)):
        chains.append(_chain(lab, archive, SHIPPED)[0])
        lab.settle()
        beside.append(make(archive, ACCESSION_NUMBER, lab.new_folder())["seconds"])
    yield Row(
        f"disc.shipped.{name}", f"The same, {name}", "chain and archive as shipped",
        [run["seconds"] for run in made], chains, 0.06, peak_mib=tuned.peak_mib,
        note="ours with the tuned archive",
    )  # fmt: skip
    yield Row(
        f"disc.shipped.untouched.{name}", f"The same, {name} as shipped for both",
        "chain and archive as shipped", beside, chains,
        note="Nagle's algorithm stays on in the archive",
    )  # fmt: skip


def _chain(lab: Lab, archive: Archive, tuning) -> tuple[float, float]:
    lab.settle()
    return run_chain(
        archive.port, archive.receiver_port, ACCESSION_NUMBER, lab.new_folder(), tuning
    )
