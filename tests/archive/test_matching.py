"""Attribute matching as PS3.4 C.2.2.2 asks for it, one case a row."""

from __future__ import annotations

import time

import pytest

from mkiso.archive.matching import exact_value, predicate_for, uid_list

MATCHES = [
    # single value (C.2.2.2.1)
    ("LO", "P1", "P1"),
    ("LO", " P1 ", "P1"),
    ("SH", "2018:123", "2018:123"),
    ("IS", "1", "01"),
    ("IS", "7", "+7"),
    ("DS", "1.50", "1.5"),
    ("US", "512", "512"),
    ("PN", "doe^john", "DOE^JOHN"),
    ("PN", "DOE^JOHN", "Doe^John^^"),
    ("PN", "DOE^JOHN^^^", "Doe^John"),
    ("PN", "ÄNEAS^RÜDIGER", "Äneas^Rüdiger"),
    ("PN", "A\u0308neas^Ru\u0308diger", "Äneas^Rüdiger"),
    ("DA", "20200131", "20200131"),
    ("DA", "20200131", "2020.01.31"),
    ("TM", "1030", "103000"),
    ("TM", "103000", "103000.000000"),
    ("TM", "10:30:00", "103000"),
    ("CS", "ORIGINAL", "ORIGINAL\\PRIMARY\\AXIAL"),
    # list of UIDs (C.2.2.2.2)
    ("UI", "1.2\\1.3", "1.3"),
    ("UI", "1.2\0", "1.2"),
    # universal (C.2.2.2.3) never builds a test: see below
    # wild cards (C.2.2.2.4)
    ("LO", "P*", "P1"),
    ("LO", "*1", "P1"),
    ("LO", "P?", "P1"),
    ("LO", "P[1]*", "P[1]X"),
    ("LT", "one\\*", "one\\two"),
    ("CS", "C*\\MR", "CT"),
    ("PN", "doe*", "DOE^JOHN"),
    ("PN", "*^john", "DOE^JOHN"),
    ("PN", "D?E^J*", "DOE^JOHN"),
    ("PN", "DOE^JOHN^*", "DOE^JOHN"),
    ("PN", "山?^*", "Yamada^Tarou=山田^太郎=やまだ^たろう"),
    # ranges (C.2.2.2.5)
    ("DA", "20200101-20201231", "20200131"),
    ("DA", "-20200131", "20200131"),
    ("DA", "20200131-", "20200131"),
    ("DA", "202001*", "20200131"),
    ("TM", "1000-1100", "1030"),
    ("TM", "-1030", "103059.999"),
    ("TM", "10-", "100000"),
    ("TM", "09-10", "1059"),
    # person names by component group
    ("PN", "Yamada^Tarou", "Yamada^Tarou=山田^太郎=やまだ^たろう"),
    ("PN", "山田^太郎", "Yamada^Tarou=山田^太郎=やまだ^たろう"),
    ("PN", "=山田^太郎", "Yamada^Tarou=山田^太郎=やまだ^たろう"),
    ("PN", "yamada*=山*", "Yamada^Tarou=山田^太郎"),
    ("PN", "DOE^JANE", "ROE^JANE\\DOE^JANE"),
    # one of several, as work stations ask for ModalitiesInStudy
    ("CS", "CT\\MR", "MR\\SR"),
    ("CS", "SR", "MR\\SR"),
]

MISSES = [
    ("LO", "P1", "P11"),
    ("LO", "P1", "p1"),
    ("LO", "P1", ""),
    ("SH", "A?", "ABC"),
    ("SH", "A*", ""),
    ("LO", "P.", "P1"),
    ("LO", "P[12]", "P1"),
    ("IS", "1", "2"),
    ("IS", "1", ""),
    ("IS", "x", "1"),
    ("PN", "DOE", "DOE^JOHN"),
    ("PN", "DOE^J", "DOE^JOHN"),
    ("PN", "DOE^*", ""),
    ("PN", "=DOE^JOHN", "DOE^JOHN"),
    ("PN", "DOE^JOHN=山田", "DOE^JOHN"),
    ("DA", "20200131", "20200201"),
    ("DA", "20200131", ""),
    ("DA", "-20200131", ""),
    ("DA", "20200201-", "20200131"),
    ("DA", "20200101-20200130", "20200131"),
    ("TM", "1030", "1031"),
    ("TM", "1030", "103059"),
    ("TM", "1000-1029", "1030"),
    ("TM", "-", ""),
    ("UI", "1.2", "1.2.3"),
    ("UI", "*", "1.2"),
    ("UI", "1.2*", "1.2.3"),
    ("CS", "CT\\MR", "US"),
]


@pytest.mark.parametrize(("vr", "wanted", "stored"), MATCHES)
def test_value_matches(vr: str, wanted: str, stored: str) -> None:
    test = predicate_for(vr, wanted)
    assert test is not None
    assert test(stored)


@pytest.mark.parametrize(("vr", "wanted", "stored"), MISSES)
def test_value_does_not_match(vr: str, wanted: str, stored: str) -> None:
    test = predicate_for(vr, wanted)
    assert test is not None
    assert not test(stored)


@pytest.mark.parametrize("vr", ["LO", "PN", "DA", "TM", "IS", "UI"])
def test_an_empty_key_is_universal(vr: str) -> None:
    assert predicate_for(vr, "") is None
    assert predicate_for(vr, "  \0") is None


@pytest.mark.parametrize("wanted", ["*", "**"])
def test_a_lone_star_matches_absent_values_too(wanted: str) -> None:
    assert predicate_for("LO", wanted) is None
    assert predicate_for("PN", wanted) is None
    assert predicate_for("DA", wanted) is None


def test_a_hostile_wild_card_cannot_hold_the_archive() -> None:
    test = predicate_for("LT", "*a" * 200 + "b")
    assert test is not None
    start = time.monotonic()
    assert not test("a" * 2000)
    assert time.monotonic() - start < 10


def test_only_a_plain_text_is_looked_up_by_index() -> None:
    assert exact_value("SH", " A1 ") == "A1"
    assert exact_value("SH", "A*") is None
    assert exact_value("SH", "A\\B") is None
    assert exact_value("PN", "DOE") is None
    assert exact_value("SH", "") is None


def test_a_uid_list_is_split_and_cleaned() -> None:
    assert uid_list("1.2\\1.3 \\\\1.4\0") == ("1.2", "1.3", "1.4")
    assert uid_list("") == ()
