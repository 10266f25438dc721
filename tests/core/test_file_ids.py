import dataclasses
import random
import re

import pytest
from received import bundled, data_set, encoded, received, split_file

from mkiso.core.file_ids import component, place
from mkiso.errors import AmbiguousError, IdentityError


def instances(count=6, **attributes):
    levels = {}
    return [received(data_set(number=n, **attributes), levels=levels) for n in range(1, count + 1)]


def paths(placed):
    return {"/".join(item.file_id): item.instance.sop_instance_uid for item in placed}


def test_instances_are_numbered_in_the_order_of_the_tree():
    given = [
        received(data_set(number=1, InstanceNumber=2)),
        received(data_set(number=2, InstanceNumber=1)),
        received(data_set(number=3, SeriesInstanceUID="1.2.3.1", SeriesNumber=1)),
        received(
            data_set(
                number=4, StudyInstanceUID="1.9", SeriesInstanceUID="1.9.1", StudyDate="20200101"
            )
        ),
        received(data_set(number=5, InstanceNumber=None)),
    ]
    assert paths(place(given)) == {
        "DICOM/PT000000/ST000000/SE000000/IM000000": "1.2.3.4.4",
        "DICOM/PT000000/ST000001/SE000000/IM000000": "1.2.3.4.3",
        "DICOM/PT000000/ST000001/SE000001/IM000000": "1.2.3.4.2",
        "DICOM/PT000000/ST000001/SE000001/IM000001": "1.2.3.4.1",
        "DICOM/PT000000/ST000001/SE000001/IM000002": "1.2.3.4.5",
    }


def test_the_order_of_arrival_does_not_matter():
    given = instances() + instances(4, StudyInstanceUID="1.7", SeriesInstanceUID="1.7.1")[3:]
    given = list({i.sop_instance_uid: i for i in given}.values())
    expected = place(given)
    for seed in range(5):
        random.Random(seed).shuffle(given)
        assert place(given) == expected


def test_equal_duplicates_are_one():
    given = instances(3)
    assert len(place(given + instances(2))) == 3


def test_one_uid_with_two_contents_is_refused():
    given = instances(2)
    other = dataclasses.replace(given[0], sha256="0" * 64)
    with pytest.raises(IdentityError, match=r"1\.2\.3\.4\.1 "):
        place([*given, other])


def test_a_series_in_two_studies_is_refused():
    with pytest.raises(IdentityError, match="two studies"):
        place([*instances(1), received(data_set(number=9, StudyInstanceUID="1.9"))])


def test_a_study_of_two_patients_is_refused_without_naming_them():
    with pytest.raises(IdentityError) as caught:
        place([*instances(1), received(data_set(number=9, PatientID="OTHER7"))])
    assert "OTHER7" not in caught.value.message


def test_one_patient_id_from_two_issuers_is_refused():
    other = data_set(
        number=9, StudyInstanceUID="1.9", SeriesInstanceUID="1.9.1", IssuerOfPatientID="B"
    )
    with pytest.raises(AmbiguousError):
        place([*instances(1, IssuerOfPatientID="A"), received(other)])


def test_a_study_without_patient_id_joins_the_only_patient():
    other = received(
        data_set(number=9, StudyInstanceUID="1.9", SeriesInstanceUID="1.9.1", PatientID="")
    )
    placed = place([*instances(1), other])
    assert {item.file_id[1] for item in placed} == {"PT000000"}


def test_patients_without_ids_are_told_apart_by_name_and_birth_date():
    given = [
        received(
            data_set(
                number=n,
                StudyInstanceUID=f"1.{n}",
                SeriesInstanceUID=f"1.{n}.1",
                PatientID="",
                **who,
            )
        )
        for n, who in enumerate(
            (
                {"PatientName": "A^B"},
                {"PatientName": "a^b^"},
                {"PatientName": "A^B", "PatientBirthDate": "19800101"},
            ),
            1,
        )
    ]
    assert [item.file_id[1:3] for item in place(given)] == [
        ("PT000000", "ST000000"),
        ("PT000000", "ST000001"),
        ("PT000001", "ST000000"),
    ]


def test_one_patient_id_in_two_character_sets_is_one_patient():
    given = [
        received(
            data_set(
                number=n,
                SpecificCharacterSet=character_set,
                PatientID="Ä1",
                StudyInstanceUID=f"1.{n}",
                SeriesInstanceUID=f"1.{n}.1",
            )
        )
        for n, character_set in enumerate(("ISO_IR 100", "ISO_IR 192"), 1)
    ]
    assert {item.file_id[1] for item in place(given)} == {"PT000000"}


def test_what_has_no_patient_has_a_folder_of_its_own():
    palette, syntax = split_file(bundled("CT_small.dcm").parents[1] / "palettes" / "pet.dcm")
    placed = place([received(palette, syntax=syntax), *instances(1)])
    assert placed[-1].file_id == ("DICOM", "NOPAT", "IM000000")


def test_components_have_eight_legal_characters_and_never_repeat():
    numbers = [*range(50), *range(999_900, 1_000_100), *range(50_000_000, 50_000_100)]
    names = [component("IM", number) for number in numbers]
    assert len(set(names)) == len(numbers)
    assert all(re.fullmatch("[A-Z0-9]{8}", name) for name in names)
    assert not {component("IX", 0)} & set(names)


def test_nothing_of_a_file_id_comes_from_the_wire():
    made = data_set(PatientID="../../etc", StudyID="..", SOPInstanceUID="../../x")
    (item,) = place([received(encoded(made))])
    assert item.file_id == ("DICOM", "PT000000", "ST000000", "SE000000", "IM000000")
