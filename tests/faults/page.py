"""Writes docs/faults.md: every row of the matrix, the tests that make it happen, how they ended.

`python tests/faults/page.py` runs the tests that carry the mark `fault` and writes the page;
folders and files below `tests/` as arguments limit that to those. `--nightly` runs those that take
long instead. Other results stay as they are on the page; `--keep-results` runs nothing.
"""
# ruff: noqa: T201

import ast
import re
import sys
from collections import Counter, defaultdict
from pathlib import Path

TESTS = Path(__file__).resolve().parent.parent
#: Before the results of what runs by night, in a cell.
_NIGHTLY = "nightly: "
PAGE = TESTS.parent / "docs" / "faults.md"

HEAD = """# Faults: what was tried

Each row is a fault that tests make happen for real: real sockets, real processes, real disks, and
system calls that fail. What must then happen is in the third column, with the exit codes that are
right. After each of them one function (`tests/invariants.py`) checks what must hold whatever goes
wrong:

- no `*.iso` but whole, verified discs with their sidecars; nothing of another patient;
- the exit code is one of ours, the report keeps its schema and says which;
- no patient's name, birth date or PatientID in a log, a report or a message;
- the work folder is gone, the port and its lock are free;
- no thread, process, connection or open file is left;
- it ended within ten seconds of its deadline;
- when the fault is gone the same command makes the disc.

This page is made by `make faults`, the results of what takes long by `make faults-nightly`.

"""


def marks_by_row(folder=TESTS):
    """Row id -> [(path below tests/, name, only at night)], from the marks in the sources."""
    found = defaultdict(list)
    for path in sorted(folder.rglob("test_*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        everywhere = [row for node in tree.body for row in _rows_of_module(node)]
        all_night = any(_is_nightly_module(node) for node in tree.body)
        for node in tree.body:
            if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
                night = all_night or any(_is_mark(d, "nightly") for d in node.decorator_list)
                rows = [row for d in node.decorator_list for row in _rows(d)]
                for row in dict.fromkeys([*everywhere, *rows]):
                    found[row].append((path.relative_to(folder).as_posix(), node.name, night))
    return dict(found)


def _rows_of_module(node):
    is_marks = isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "pytestmark"
    return _rows(node.value) if is_marks else []


def _is_nightly_module(node):
    is_marks = isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "pytestmark"
    return is_marks and any(_is_mark(each, "nightly") for each in ast.walk(node.value))


def _rows(node):
    """The rows of every `…mark.fault(…)` in an expression."""
    return [
        argument.value
        for call in ast.walk(node)
        if isinstance(call, ast.Call) and _is_mark(call, "fault")
        for argument in call.args
    ]


def _is_mark(node, name):
    node = node.func if isinstance(node, ast.Call) else node
    return isinstance(node, ast.Attribute) and node.attr == name


def render(areas, tests, results):
    """Return the page. `results`: (path, name) -> words."""
    text = [HEAD]
    for area, rows in areas.items():
        text.append(f"## {area}\n\n| | fault | what must happen | code | tests | result |\n")
        text.append("|---|---|---|---|---|---|\n")
        for row in rows:
            mine = tests.get(row.id, [])
            names = "<br>".join(
                f"`{path}` {name.removeprefix('test_').replace('_', ' ')}"
                + (" (nightly)" if night else "")
                for path, name, night in mine
            )
            ends = "<br>".join(results.get((path, name), "-") for path, name, _ in mine)
            text.append(
                f"| {row.id} | {row.fault} | {row.expected} | {row.codes} | {names} | {ends} |\n"
            )
        text.append("\n")
    return "".join(text).rstrip("\n") + "\n"


def rows_of_page(page):
    """Row id -> everything in its line but the results."""
    lines = re.findall(r"^\| ([FG]\d+) \|.*\|$", page, re.MULTILINE)
    whole = re.findall(r"^(\| [FG]\d+ \|.*) \| [^|]* \|$", page, re.MULTILINE)
    assert len(lines) == len(whole)
    return dict(zip(lines, whole, strict=True))


def results_of_page(page):
    """(path, name) -> words, as they are on the page."""
    results = {}
    for names, ends in re.findall(
        r"^\| [FG]\d+ \|.* \| ([^|]*) \| ([^|]*) \|$", page, re.MULTILINE
    ):
        for shown, words in zip(names.split("<br>"), ends.split("<br>"), strict=True):
            path, _, name = shown.removeprefix("`").partition("` ")
            name = name.removesuffix(" (nightly)").replace(" ", "_")
            if words != "-":
                results[path, f"test_{name}"] = words
    return results


def joined(old, new, *, nightly):
    """The words of a page, with those of a run by day or by night put in."""
    results = dict(old)
    for key, words in new.items():
        by_day, _, by_night = old.get(key, "").partition(_NIGHTLY)
        day, night = (by_day.rstrip(", "), words) if nightly else (words, by_night)
        results[key] = ", ".join(filter(None, (day, night and f"{_NIGHTLY}{night}")))
    return results


class Recorder:
    """A pytest plugin that counts how the cases of each test ended."""

    def __init__(self):
        self.ends = defaultdict(Counter)

    def pytest_runtest_logreport(self, report):
        ended = report.when == "call" or report.outcome != "passed"
        if ended:
            path, _, name = report.nodeid.partition("::")
            key = (path.removeprefix("tests/"), name.partition("[")[0])
            self.ends[key][report.outcome] += 1

    @property
    def words(self):
        return {
            key: ", ".join(f"{count} {outcome}" for outcome, count in sorted(ends.items()))
            for key, ends in self.ends.items()
        }


def run_tests(folders, *, nightly):
    import pytest  # noqa: PLC0415 - not needed for the page alone

    recorder = Recorder()
    places = [str(TESTS / folder) for folder in folders] or [str(TESTS)]
    options = ["-m", "fault and nightly", "--timeout", "3600"]
    if not nightly:
        options = ["-m", "fault and not nightly"]
    pytest.main([*options, "-q", "-n0", "-p", "no:cacheprovider", *places], plugins=[recorder])
    return recorder.words


def main():
    sys.path.insert(0, str(TESTS))
    from faults.matrix import AREAS  # noqa: PLC0415 - the path is set here

    new, nightly = {}, "--nightly" in sys.argv
    if "--keep-results" not in sys.argv:
        folders = [word for word in sys.argv[1:] if not word.startswith("--")]
        new = run_tests(folders, nightly=nightly)
    tests = marks_by_row()  # after the run: it takes long, and two may write one after the other
    old = results_of_page(PAGE.read_text(encoding="utf-8")) if PAGE.exists() else {}
    results = joined(old, new, nightly=nightly)
    PAGE.write_text(render(AREAS, tests, results), encoding="utf-8")
    print(f"{PAGE}: {len(tests)} rows with tests")


if __name__ == "__main__":
    main()
