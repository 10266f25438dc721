"""Cells that no spreadsheet runs."""

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mkiso.core.csv_cell import csv_cell, plain_cell


@pytest.mark.parametrize(
    "text",
    ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", " =1", "=cmd|' /C calc'!A0", "\uff1d1",
     "|x", "%0A=1", "\x00=1", "\u00a0=1"],
)  # fmt: skip
def test_what_would_be_a_formula_becomes_text(text):
    assert csv_cell(text).startswith("'")


@pytest.mark.parametrize("text", ["A1", "Doe^John", "2018:123", "#7", "김철수", "a=b", "", "  "])
def test_what_is_no_formula_stays(text):
    assert csv_cell(text) == text


def test_numbers_stay_numbers_and_nothing_is_nothing():
    assert [csv_cell(v) for v in (-5, 1.5, None)] == ["-5", "1.5", ""]


@pytest.mark.parametrize("text", ["=1+1", "-20260131", "@x", "+49", "A1", "'quoted'", ""])
def test_the_apostrophe_is_taken_off_again(text):
    assert plain_cell(csv_cell(text)) == text


@given(st.text())
def test_a_cell_is_one_line_that_begins_harmlessly(text):
    cell = csv_cell(text)
    assert cell.lstrip()[:1] not in ("=", "+", "-", "@")
    assert not any(c in cell for c in "\r\n\t\0\u2028")
    file = io.StringIO()
    csv.writer(file).writerow([cell, "next"])
    assert len(file.getvalue().splitlines()) == 1
    assert next(csv.reader(io.StringIO(file.getvalue()))) == [cell, "next"]
