"""The benchmark command with tiny sizes: that it measures, keeps, and shows what it measured."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

PROJECT = Path(__file__).resolve().parents[2]
BENCH = PROJECT / "benchmarks" / "bench.py"
PARTS = {str(number) for number in range(1, 12)}


def bench(*options, code=0, limit_seconds=500):
    done = subprocess.run(
        [sys.executable, str(BENCH), *map(str, options)],
        capture_output=True,
        text=True,
        check=False,
        timeout=limit_seconds,
        stdin=subprocess.DEVNULL,
    )
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout + done.stderr


def row(key, ours, theirs=(), **more):
    given = {"what": f"what {key} is", "peer": "peer", "ours": list(ours), "theirs": list(theirs)}
    return {"key": key, **given, **more}


def part(number, rows, **more):
    circumstances = {
        "rounds": 3, "quick": False, "measured_at": "2026-01-05T10:11:12+00:00", "seconds": 1.0,
        "load": 0.1, "busy_cores": 0.0, "quiet": True,
    }  # fmt: skip
    return {"number": number, "title": f"title {number}", "rows": rows, **circumstances, **more}


@pytest.fixture
def kept(tmp_path):
    """Results in a folder, as a run leaves them."""

    def keep(*parts):
        machine = {"cores": 2, "processor": "made up", "memory_gib": 4}
        body = {"machine": machine, "parts": {str(p["number"]): p for p in parts}}
        (tmp_path / "results.json").write_text(json.dumps(body))
        return tmp_path

    return keep


def cells(markdown, words):
    (line,) = [line for line in markdown.splitlines() if words in line]
    return [cell.strip() for cell in line.strip("|").split("|")]


def test_ratios_are_medians_of_the_rounds_and_not_ratios_of_medians(kept):
    folder = kept(part(1, [row("a", [1.0, 2.0, 9.0], [1.0, 4.0, 3.0], wanted=1.2)]))
    bench("--render", "--output", folder, "--documents", folder)
    found = cells((folder / "results.md").read_text(), "what a is")
    assert found[4:7] == ["**1.00**", "≤ 1.2", "yes"]


def test_one_round_of_the_slow_side_is_compared_with_the_median_of_ours(kept):
    folder = kept(part(5, [row("a", [1.0, 2.0, 9.0], [40.0], wanted=0.06)]))
    bench("--render", "--output", folder, "--documents", folder)
    found = cells((folder / "results.md").read_text(), "what a is")
    assert found[4:7] == ["**0.050**", "≤ 0.06", "yes"]


def test_what_was_not_measured_is_never_called_reached(kept):
    folder = kept(part(3, [row("a", [1.0], wanted=1.5)]))
    bench("--render", "--output", folder, "--documents", folder)
    found = cells((folder / "results.md").read_text(), "what a is")
    assert found[2] == "not measured"
    assert found[6] == ""


def test_figures_beside_other_work_are_called_trials(kept):
    folder = kept(part(1, [row("a", [1.0], [1.0])], quiet=False), part(2, [row("b", [1], [1])]))
    bench("--render", "--output", folder, "--documents", folder)
    assert "other work during part 1:" in (folder / "results.md").read_text()


def test_a_document_gets_the_table_between_its_marks_and_nothing_else(kept):
    folder = kept(part(1, [row("a", [1.0], [2.0], wanted=1.2)]))
    readme = folder / "README.md"
    readme.write_text("before\n<!-- bench:results -->\nold\n<!-- /bench:results -->\nafter\n")
    for _ in range(2):
        bench("--render", "--output", folder, "--documents", folder)
    text = readme.read_text()
    assert text.startswith("before\n")
    assert text.endswith("after\n")
    assert "old" not in text
    assert text.count("what a is") == 1


def test_the_plot_is_whole_xml_with_a_point_for_each_ratio(kept):
    rows = [row(key, [1.0, 1.1], [2.0, 1.0], wanted=1.2) for key in ("a <b>", "c&d")]
    folder = kept(part(1, rows), part(9, [row("start", [0.2], wanted=0.25, kind="value")]))
    bench("--render", "--output", folder, "--documents", folder)
    picture = ET.parse(folder / "results.svg")
    ratios = [e for e in picture.iter() if e.tag.endswith("circle") and e.get("cx") != "22"]
    assert len([e for e in ratios if float(e.get("cx")) > 300]) == 2
    assert "prefers-color-scheme:dark" in (folder / "results.svg").read_text()


def test_the_model_finds_the_costs_that_the_points_were_made_of(kept):
    points = [
        {
            "viewer": viewer, "instances": n, "side": side, "bytes": n * side,
            "seconds": 1 + 0.003 * n + 0.002 * n * side / 1e6 + extra * n,
            "cpu_seconds": 0.5 + 0.001 * n, "peak_mib": 50 + 0.01 * n, "viewer_bytes": 0,
            "stages": {"retrieve": 0.1 + 0.002 * n + 0.001 * n * side / 1e6},
        }
        for n, side in ((10, 500_000), (1000, 500_000), (3000, 20_000), (150, 2_000_000))
        for viewer, extra in (("none", 0.0), ("full", 0.004))
    ]  # fmt: skip
    folder = kept(part(11, [], extra={"points": points}))
    (folder / "docs").mkdir()
    page = folder / "docs" / "performance.md"
    marks = ("model", "site")
    page.write_text("".join(f"<!-- bench:{m} -->\n<!-- /bench:{m} -->\n" for m in marks))
    bench("--render", "--output", folder, "--documents", folder)
    text = page.read_text()
    assert cells(text, "| retrieve |")[1:4] == ["100 ms", "2.000 ms", "1.000 ms"]
    assert cells(text, "| the viewer adds |")[2] == "4.000 ms"
    assert "10.0 MiB per 1,000 instances" in text


def test_the_page_says_where_the_time_went(kept):
    run = {"stages": {"find": 0.1, "write": 0.5}, "cpu_seconds": [1.0, 3.0, 2.0]}
    folder = kept(part(5, [], extra={"disc.none.Orthanc": run, "disc.full.Orthanc": run}))
    (folder / "docs").mkdir()
    page = folder / "docs" / "performance.md"
    page.write_text("<!-- bench:stages --><!-- /bench:stages -->\n")
    bench("--render", "--output", folder, "--documents", folder)
    assert cells(page.read_text(), "with the viewer, Orthanc")[1:] == ["0.10", "0.50", "2.00"]


def test_measuring_one_part_keeps_the_others(kept):
    folder = kept(part(1, [row("a", [1.0], [2.0])]), part(9, [row("old", [9.0])]))
    bench("--quick", "--only", "9", "--output", folder)
    body = json.loads((folder / "results.json").read_text())
    assert set(body["parts"]) == {"1", "9"}
    assert body["parts"]["1"]["rows"][0]["theirs"] == [2.0]
    assert {each["key"] for each in body["parts"]["9"]["rows"]} == {
        "start.--version", "start.make --help", "start.--help", "start.make A*",
    }  # fmt: skip
    assert body["parts"]["9"]["quick"]


def test_an_unknown_part_is_refused():
    assert "there is no part 12" in bench("--only", "12", code=2)


@pytest.mark.peers
@pytest.mark.slow
@pytest.mark.timeout(600)
def test_every_part_measures_what_its_peers_allow_and_leaves_nothing(tmp_path, need_program):
    """Missing peers leave their part out; whatever fails in the others ends with 1."""
    need_program("storescp", "storescu")
    work, output = tmp_path / "work", tmp_path / "output"
    work.mkdir()
    said = bench("--quick", "--folder", work, "--output", output)
    assert list(work.iterdir()) == []
    body = json.loads((output / "results.json").read_text())
    assert set(body["parts"]) == PARTS
    for number, found in body["parts"].items():
        assert not found["failure"], said
        assert found["rows"] or found["absent"] or number == "11", said
        for each in found["rows"]:
            assert all(value > 0 for value in (*each["ours"], *each["theirs"])), each
    table = (output / "results.md").read_text()
    if shutil.which("dcmmkdir"):
        assert re.search(r"DICOMDIR of 50 instances \| .*dcmmkdir", table)
