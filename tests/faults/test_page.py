"""The matrix and the page: every row has a test, every mark a row, and the page is up to date."""

import pytest
from faults.matrix import AREAS, ROWS
from faults.page import PAGE, joined, marks_by_row, render, rows_of_page


@pytest.fixture(scope="module")
def tests():
    return marks_by_row()


def test_every_row_has_a_test(tests):
    assert [row for row in ROWS if row not in tests] == []


def test_every_mark_names_a_row(tests):
    assert sorted(tests.keys() - ROWS.keys()) == []


def test_ids_are_given_once():
    ids = [row.id for rows in AREAS.values() for row in rows]
    assert len(ids) == len(set(ids))


def test_at_least_fifteen_faults_are_our_own():
    assert sum(row.startswith("G") for row in ROWS) >= 15


def test_results_of_day_and_night_stand_side_by_side():
    page = {("a", "t"): "2 passed"}
    night = joined(page, {("a", "t"): "3 passed"}, nightly=True)
    assert night == {("a", "t"): "2 passed, nightly: 3 passed"}
    again = joined(night, {("a", "t"): "1 failed, 1 passed"}, nightly=False)
    assert again == {("a", "t"): "1 failed, 1 passed, nightly: 3 passed"}
    alone = joined({}, {("b", "t"): "1 passed"}, nightly=True)
    assert joined(alone, {("b", "t"): "1 failed"}, nightly=True) == {
        ("b", "t"): "nightly: 1 failed"
    }


def test_the_page_is_up_to_date(tests):
    fresh = rows_of_page(render(AREAS, tests, {}))
    assert PAGE.is_file(), "run `make faults`"
    assert rows_of_page(PAGE.read_text(encoding="utf-8")) == fresh, (
        "run `python tests/faults/page.py --keep-results`"
    )
