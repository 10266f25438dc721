import pytest

from mkiso.core.model import ExpectedInstance, Series, Study
from mkiso.core.selection import (
    are_counted,
    are_of_one_patient,
    availability_warning,
    filter_series,
    has_changed,
    listing_warning,
    require_limit,
    require_one_patient,
    with_counts,
    without_duplicates,
)
from mkiso.errors import AmbiguousError, LimitError


def study(uid="1.2.3", patient_id="P1", issuer="", **more):
    return Study(uid, "A1", patient_id=patient_id, issuer_of_patient_id=issuer, **more)


def series(uid="1", count=None, listed=0, modality="CT"):
    instances = tuple(ExpectedInstance(f"{uid}.{n}", uid, "1.2.3") for n in range(listed))
    return Series(uid, "1.2.3", modality, instances, count)


@pytest.mark.parametrize(
    ("patients", "same"),
    [
        ([("P1", ""), ("P1", "")], True),
        ([("P1", ""), ("P2", "")], False),
        ([("P1", "H1"), ("P1", "H2")], False),
        ([("P1", "H1"), ("P1", "")], True),
        ([("P1", ""), ("", "")], True),
        ([("P1", ""), ("", ""), ("P2", "")], False),
        ([("P1", "H1"), ("", ""), ("P1", "H2")], False),
        ([("P1", ""), ("p1", "")], False),
        ([("", ""), ("", "")], True),
        ([], True),
    ],
)
def test_patients_differ_by_what_both_state(patients, same):
    assert are_of_one_patient(study(patient_id=p, issuer=i) for p, i in patients) is same


def test_several_patients_are_refused_without_naming_them():
    with pytest.raises(AmbiguousError, match="several patients in abpacs") as refusal:
        require_one_patient([study(), study("1.2.4", "P2")], "The accession number 'A1'", "abpacs")
    assert "P2" not in refusal.value.message + "".join(refusal.value.details)
    assert refusal.value.details == ("study 1.2.3", "study 1.2.4")


def test_a_study_that_two_numbers_lead_to_is_one():
    assert [s.study_instance_uid for s in without_duplicates([study(), study("9"), study()])] == [
        "1.2.3",
        "9",
    ]


def test_the_filter_is_literal_and_lists_what_it_leaves_out():
    all_series = [series("1"), series("2", modality="CTA"), series("3", modality="KO")]
    kept, left_out = filter_series(all_series, ["CT"])
    assert [s.series_instance_uid for s in kept] == ["1"]
    assert [(s.series_instance_uid, s.modality) for s in left_out] == [("2", "CTA"), ("3", "KO")]
    assert filter_series(all_series, []) == (tuple(all_series), ())


def test_the_one_count_that_is_missing_follows_from_the_study():
    kept = [series("1", listed=3), series("2", count=4), series("3")]
    counted = with_counts(study(number_of_instances=12), kept, all_series=True)
    assert [s.number_of_instances for s in counted] == [None, 4, 5]
    assert are_counted([study(series=counted)])


@pytest.mark.parametrize(
    ("number", "missing", "all_series"), [(12, 2, True), (None, 1, True), (12, 1, False)]
)
def test_a_count_that_does_not_follow_is_not_made_up(number, missing, all_series):
    kept = [series(str(n)) for n in range(missing)]
    counted = with_counts(study(number_of_instances=number), kept, all_series=all_series)
    assert not are_counted([study(series=counted)])


def test_a_study_without_series_is_not_counted():
    assert not are_counted([study()])


def test_a_list_that_is_shorter_than_the_count_is_a_warning():
    assert listing_warning(series(listed=3, count=3)) is None
    assert listing_warning(series(listed=3)) is None
    assert listing_warning(series(count=3)) is None
    assert "lists 3 instances and counts 4" in listing_warning(series(listed=3, count=4))


@pytest.mark.parametrize("state", ["NEARLINE", "OFFLINE", "UNAVAILABLE"])
def test_a_study_that_is_not_at_hand_is_a_warning(state):
    assert state in availability_warning(study(instance_availability=state))


def test_a_study_at_hand_is_none():
    assert availability_warning(study(instance_availability="ONLINE")) is None
    assert availability_warning(study()) is None


def test_the_limit_is_named():
    require_limit(5, 5)
    with pytest.raises(LimitError, match="--max-instances"):
        require_limit(6, 5)


@pytest.mark.parametrize(
    ("before", "now", "changed"),
    [
        ({"series": (series("1", 3),)}, {"series": (series("1", 3),)}, False),
        ({"series": (series("1", 3),)}, {"series": (series("1", 4),)}, True),
        ({"series": (series("1", 3),)}, {"series": (series("1"),)}, False),
        ({"series": (series("1", 3),)}, {"series": (series("1", 3), series("2", 1))}, True),
        ({"series": (series("1", 3),)}, {"series": (series("2", 3),)}, True),
        ({"number_of_instances": 3}, {"number_of_instances": 4}, True),
        ({"number_of_instances": 3}, {"number_of_instances": None}, False),
    ],
)
def test_growth_shows_in_series_and_counts(before, now, changed):
    assert has_changed(study(**before), study(**now)) is changed
