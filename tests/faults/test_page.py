"""The matrix and the page: every row has a test, every mark a row, and the page is up to date."""

import pytest
from faults.matrix import AREAS, ROWS
from faults.page import PAGE, marks_by_row, render, rows_of_page


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


def test_the_page_is_up_to_date(tests):
    fresh = rows_of_page(render(AREAS, tests, {}))
    assert PAGE.is_file(), "run `make faults`"
    assert rows_of_page(PAGE.read_text(encoding="utf-8")) == fresh, (
        "run `python tests/faults/page.py --keep-results`"
    )
