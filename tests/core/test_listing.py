import csv
import io

from hypothesis import given
from hypothesis import strategies as st

from mkiso.core.csv_cell import plain_cell
from mkiso.core.listing import (
    Column,
    csv_text,
    display_width,
    shown_name,
    table_lines,
)

NAME = Column("N", "Name", is_elastic=True)
COUNT = Column("C", "Count", is_number=True)


def test_wide_characters_take_two_cells_and_marks_none():
    assert display_width("abc") == 3
    assert display_width("山田") == 4
    assert display_width("ｶﾅ") == 2
    assert display_width("e\u0301") == 1
    assert display_width("김희중") == 6


def test_columns_stand_below_each_other_whatever_is_in_them():
    rows = [{"N": "Yamada (山田)", "C": "7"}, {"N": "Doe", "C": "1024"}, {}]
    lines = table_lines([NAME, COUNT], rows, None)
    assert [display_width(line) for line in lines[:4]] == [20, 20, 20, 20]
    assert lines[2].endswith("    7")


def test_a_narrow_terminal_cuts_the_elastic_column_only():
    lines = table_lines([NAME, COUNT], [{"N": "山" * 30, "C": "123456789"}], 30)
    assert all(display_width(line) <= 30 for line in lines)
    assert "…" in lines[2]
    assert lines[2].endswith("123456789")


def test_control_and_direction_characters_reach_no_terminal():
    (line,) = table_lines([NAME], [{"N": "a\x1b[31m\nb\u202ec"}], None)[2:]
    assert line == "a [31m bc"


def test_a_name_shows_all_its_groups():
    assert shown_name("Yamada^Tarou=山田^太郎=やまだ^たろう") == (
        "Yamada, Tarou (山田, 太郎, やまだ, たろう)"
    )
    assert shown_name("=山田^太郎") == "山田, 太郎"
    assert shown_name("") == ""


@given(st.lists(st.text(max_size=20), min_size=1, max_size=4))
def test_csv_is_read_back_and_never_begins_a_formula(values):
    keywords = [f"K{n}" for n in range(len(values))]
    text = csv_text(keywords, [dict(zip(keywords, values, strict=True))])
    head, row = csv.reader(io.StringIO(text, newline=""))
    assert head == keywords
    assert not any(cell.startswith(("=", "+", "-", "@", "\t", "\r")) for cell in row)


def test_the_apostrophe_before_a_formula_is_taken_off_again():
    for value in ("=1+1", "-20260131", "@x", "+49"):
        (row,) = list(csv.reader(io.StringIO(csv_text(["K"], [{"K": value}]))))[1:]
        assert plain_cell(row[0]) == value
    assert plain_cell("'quoted'") == "'quoted'"
