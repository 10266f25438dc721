from datetime import date

import pytest

from mkiso.core.date_ranges import require_date_range
from mkiso.errors import DataError, UsageError

TODAY = date(2026, 3, 1)


@pytest.mark.parametrize(
    ("text", "asked"),
    [
        ("", ""),
        ("20260131", "20260131"),
        ("2026-01-31", "20260131"),
        ("2026.01.31", "20260131"),
        ("20260101-20260131", "20260101-20260131"),
        ("2026-01-01-2026-01-31", "20260101-20260131"),
        ("2026-01-01..2026-01-31", "20260101-20260131"),
        ("20260101-", "20260101-"),
        ("-20260131", "-20260131"),
        ("today", "20260301"),
        ("Yesterday", "20260228"),
        ("7d", "20260222-20260301"),
        ("20240229", "20240229"),
    ],
)
def test_what_people_write_becomes_what_dicom_knows(text, asked):
    assert require_date_range(text, TODAY) == asked


@pytest.mark.parametrize(
    "text", ["2026", "20260230", "20261301", "-", "..", "20260131 20260201", "x",
             "20260201-20260131", "202601*", "2026-1-1", "20260101-20260131-20260201"],
)  # fmt: skip
def test_anything_else_is_refused(text):
    with pytest.raises(UsageError):
        require_date_range(text, TODAY)


def test_the_error_is_the_callers():
    with pytest.raises(DataError):
        require_date_range("x", TODAY, DataError)
