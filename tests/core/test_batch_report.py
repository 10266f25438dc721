import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mkiso.core.batch_report import COLUMNS, JobRow, counted, failure_line, summary_csv


def test_the_line_of_a_failure_says_where_what_and_which_code():
    row = JobRow(3, "failed", 66, "Nothing there.", "j1", ("A1", "A\n2"), 1, is_new=True)
    assert failure_line(row) == "line 3, A1, A\\n2: Nothing there. [66 NOT_FOUND]"


def test_a_job_that_is_left_alone_says_so():
    assert "(not tried again)" in failure_line(JobRow(3, "failed", 82, "Two.", accessions=("A",)))


def test_a_batch_is_counted():
    rows = [
        JobRow(1, "done", 0, is_new=True),
        JobRow(2, "done", 0),
        JobRow(3, "failed", 66),
        JobRow(4, "malformed", 65),
        JobRow(5, "waiting", None),
    ]
    sentence = "5 jobs: 2 done (1 earlier), 1 failed, 1 malformed, 1 left for the next run."
    assert counted(rows) == sentence


CELL = st.text(max_size=20)


@given(st.lists(st.tuples(CELL, CELL), max_size=5))
def test_no_cell_is_a_formula_and_every_row_is_one_line(cells):
    rows = [JobRow(1, "failed", 66, message, accessions=(number,)) for number, message in cells]
    text = summary_csv(rows)
    assert text.count("\r\n") == len(rows) + 1
    read = list(csv.reader(io.StringIO(text, newline="")))
    assert read[0] == list(COLUMNS)
    for row in read[1:]:
        assert len(row) == len(COLUMNS)
        assert not any(cell.startswith(("=", "+", "-", "@", "\t", "\r")) for cell in row)


@pytest.mark.parametrize("state", ["done", "waiting", "cancelled"])
def test_what_needs_nobody_is_no_failure(state):
    assert not JobRow(1, state, None if state == "waiting" else 0).is_failure
