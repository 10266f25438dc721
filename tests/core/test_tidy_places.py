from hypothesis import given
from hypothesis import strategies as st

from mkiso.core.tidy_places import SORTS, place_of, safe_name, safe_uid


@given(st.text(max_size=80))
def test_no_text_of_a_peer_leaves_its_folder(text):
    for name in (safe_name(text), safe_uid(text)):
        assert name
        assert name not in (".", "..")
        assert "/" not in name
        assert "\0" not in name
        assert not name.startswith("-")
        assert len(name.encode()) <= 80


@given(st.text(max_size=30), st.text(max_size=30))
def test_different_ids_have_different_folders(one, other):
    if one.strip() != other.strip():
        assert safe_name(one) != safe_name(other)


def test_plain_ids_and_uids_stay_as_they_are():
    assert safe_name("P,2") == "P,2"
    assert safe_uid("1.2.3") == "1.2.3"


def test_each_way_to_sort_ends_with_the_instance():
    for sort in SORTS:
        place = place_of(
            sort,
            patient_id="../..",
            study_instance_uid="1.2",
            series_instance_uid="1.3",
            sop_instance_uid="1.4",
        )
        assert place[-1] == "1.4.dcm"
        assert ".." not in place
