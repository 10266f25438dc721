import pytest

from mkiso.core.header import InstanceHeader, ParsedHeader
from mkiso.core.store_decision import (
    CANNOT_UNDERSTAND,
    DOES_NOT_MATCH,
    SUCCESS,
    decide_by_uids,
)

HEADER = InstanceHeader("", (), (), (), "IMAGE", b"", None)


def found(sop_class="1.2", instance="1.3", study="1.4", series="1.5"):
    return ParsedHeader(sop_class, instance, study, series, HEADER)


@pytest.mark.parametrize(
    ("header", "status"),
    [
        (found(), SUCCESS),
        (found(study="", series=""), SUCCESS),  # a hanging protocol has none
        (found(instance="1.9"), DOES_NOT_MATCH),
        (found(sop_class="1.9"), DOES_NOT_MATCH),
        (found(instance=""), DOES_NOT_MATCH),
        (found(study="../x"), CANNOT_UNDERSTAND),
        (found(series="1" * 65), CANNOT_UNDERSTAND),
        (found(study="1.04"), SUCCESS),
    ],
)
def test_the_status_follows_from_the_uids(header, status):
    assert decide_by_uids("1.2", "1.3", header) == status


def test_uids_that_agree_and_are_none_are_not_understood():
    assert decide_by_uids("1.2", "x", found(instance="x")) == CANNOT_UNDERSTAND
