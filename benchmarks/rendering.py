"""Table, plot and the parts of the documents that show results, all made from results.json."""

import re
from pathlib import Path

import fitting
import plot
import table
from results import Results

_PICTURE = "![Time of mkiso over that of the programs beside it](benchmarks/results.svg)"


def render(results: Results, folder: Path, project: Path | None) -> None:
    """Write results.md and results.svg to `folder`, and the marked blocks of the documents.

    A document without the marks stays as it is.
    """
    (folder / "results.md").write_text("\n".join(table.lines(results)) + "\n")
    (folder / "results.svg").write_text(plot.svg(results))
    if project is None:
        return
    lines = [*table.machine_lines(results), "", _PICTURE, "", *table.short_lines(results)]
    blocks = {"results": lines}
    if stages := table.stage_lines(results):
        blocks["stages"] = stages
    points = results.parts["11"].extra.get("points", []) if "11" in results.parts else []
    if points:
        blocks["model"] = fitting.model_lines(points)
        blocks["site"] = fitting.site_lines(points)
    for document in (project / "README.md", project / "docs" / "performance.md"):
        if document.is_file():
            text = document.read_text()
            for name, lines in blocks.items():
                text = _put(text, name, lines)
            document.write_text(text)


def _put(text: str, name: str, lines: list[str]) -> str:
    begin, end = f"<!-- bench:{name} -->", f"<!-- /bench:{name} -->"
    body = "\n".join([begin, "", *lines, "", end])
    pattern = re.compile(re.escape(begin) + ".*?" + re.escape(end), re.DOTALL)
    return pattern.sub(lambda _: body, text)
