"""C-FIND as PS3.4 C.4.1 wants it, asked by pynetdicom."""

from __future__ import annotations

import pytest
from pydicom.dataset import Dataset

STUDY_FIND = "1.2.840.10008.5.1.4.1.2.2.1"
PATIENT_FIND = "1.2.840.10008.5.1.4.1.2.1.1"
STUDY_MOVE = "1.2.840.10008.5.1.4.1.2.2.2"
RUSSIAN = "Люкceмбypг"  # noqa: RUF001 - Cyrillic on purpose


def uids(answers: list[Dataset]) -> list[str]:
    return [str(a.StudyInstanceUID) for a in answers]


def test_echo_is_answered(archive, lab) -> None:
    with lab.associated(archive, "1.2.840.10008.1.1") as association:
        assert association.send_c_echo().Status == 0


def test_a_wrong_called_ae_title_is_rejected(archive, lab) -> None:
    with lab.associated(archive, STUDY_FIND, called="OTHER") as association:
        assert association.is_rejected
        assert association.acceptor.primitive.diagnostic == 7


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        ({"AccessionNumber": "A1"}, ["1.2.3", "1.2.5"]),
        ({"AccessionNumber": "A?"}, ["1.2.3", "1.2.4", "1.2.5"]),
        ({"AccessionNumber": "*2"}, ["1.2.4"]),
        ({"AccessionNumber": "a1"}, []),
        ({"AccessionNumber": "A"}, []),
        ({"PatientName": "DOE^JANE"}, ["1.2.3", "1.2.4"]),
        ({"PatientName": "d*"}, ["1.2.3", "1.2.4"]),
        ({"PatientID": "P2"}, ["1.2.5"]),
        ({"StudyInstanceUID": ["1.2.3", "1.2.4", "9.9"]}, ["1.2.3", "1.2.4"]),
        ({"StudyDate": "20260201-"}, ["1.2.4"]),
        ({"StudyDate": "-20260131"}, ["1.2.3", "1.2.5"]),
        ({"StudyTime": "1000-1100", "StudyDate": "20260215"}, ["1.2.4"]),
        ({"ModalitiesInStudy": "MR"}, ["1.2.3"]),
        ({"ModalitiesInStudy": ["MR", "CT"]}, ["1.2.3", "1.2.4", "1.2.5"]),
        ({"ModalitiesInStudy": "US"}, []),
        ({"PatientBirthDate": ""}, ["1.2.3", "1.2.4", "1.2.5"]),
        ({"Modality": "MR"}, ["1.2.3", "1.2.4", "1.2.5"]),  # below the level: no filter
    ],
)
def test_studies_are_matched(archive, lab, keys: dict, expected: list[str]) -> None:
    assert uids(lab.find(archive, "STUDY", **keys)) == expected


def test_an_answer_has_what_was_asked_for_and_no_more(archive, lab) -> None:
    (answer,) = lab.find(
        archive,
        "STUDY",
        AccessionNumber="A2",
        PatientName="",
        StudyInstanceUID="",
        ModalitiesInStudy="",
        NumberOfStudyRelatedSeries="",
        NumberOfStudyRelatedInstances="",
        InstanceAvailability="",
        StudyDescription="",
    )
    assert {e.keyword: e.value for e in answer} == {
        "QueryRetrieveLevel": "STUDY",
        "RetrieveAETitle": "ABPACS",
        "InstanceAvailability": "ONLINE",
        "AccessionNumber": "A2",
        "ModalitiesInStudy": "CT",
        "PatientName": "Doe^Jane",
        "StudyInstanceUID": "1.2.4",
        "NumberOfStudyRelatedSeries": 1,
        "NumberOfStudyRelatedInstances": 1,
        "StudyDescription": "",
    }


def test_series_and_images_are_counted_and_listed(archive, lab) -> None:
    series = lab.find(
        archive, "SERIES", StudyInstanceUID="1.2.3", Modality="", NumberOfSeriesRelatedInstances=""
    )
    assert [(str(s.Modality), int(s.NumberOfSeriesRelatedInstances)) for s in series] == [
        ("CT", 3),
        ("MR", 1),
    ]
    images = lab.find(
        archive,
        "IMAGE",
        StudyInstanceUID="1.2.3",
        SeriesInstanceUID="1.2.3.1",
        SOPInstanceUID="",
        InstanceNumber="",
        Rows=None,
    )
    assert [(str(i.SOPInstanceUID), int(i.InstanceNumber), i.Rows) for i in images] == [
        (f"1.2.3.1.{n}", n, 16) for n in (1, 2, 3)
    ]


def test_a_studys_count_is_given_for_studies_and_not_for_each_image(archive, lab) -> None:
    keys = {"StudyInstanceUID": "1.2.3", "NumberOfStudyRelatedInstances": ""}
    (study,) = lab.find(archive, "STUDY", NumberOfPatientRelatedStudies="", **keys)
    images = lab.find(archive, "IMAGE", SOPInstanceUID="", **keys)
    assert study.NumberOfStudyRelatedInstances == 4
    assert study.NumberOfPatientRelatedStudies == 2
    assert not any("NumberOfStudyRelatedInstances" in image for image in images)
    assert len(images) == 4


def test_an_index_that_fails_is_answered_and_not_an_abort(archive, lab) -> None:
    archive.index.close()
    request = Dataset()
    request.QueryRetrieveLevel = "STUDY"
    request.StudyInstanceUID = ""
    with lab.associated(archive, STUDY_FIND) as association:
        ((final, _),) = association.send_c_find(request, STUDY_FIND)
    assert final.Status == 0xC000


def test_a_series_filter_by_modality_is_literal(archive, lab) -> None:
    (series,) = lab.find(archive, "SERIES", StudyInstanceUID="1.2.3", Modality="MR")
    assert series.SeriesInstanceUID == "1.2.3.2"


def test_patients_are_counted_in_the_patient_root(archive, lab) -> None:
    answers = lab.find(
        archive,
        "PATIENT",
        PATIENT_FIND,
        PatientID="",
        PatientName="",
        NumberOfPatientRelatedStudies="",
        NumberOfPatientRelatedSeries="",
        NumberOfPatientRelatedInstances="",
    )
    assert [
        (
            str(a.PatientID),
            int(a.NumberOfPatientRelatedStudies),
            int(a.NumberOfPatientRelatedSeries),
            int(a.NumberOfPatientRelatedInstances),
        )
        for a in answers
    ] == [("P1", 2, 3, 5), ("P2", 1, 1, 1)]


def test_keys_that_are_not_supported_are_left_out_with_a_warning(archive, lab) -> None:
    request = Dataset()
    request.QueryRetrieveLevel = "STUDY"
    request.AccessionNumber = "A2"
    request.StudyInstanceUID = ""
    request.PregnancyStatus = None
    request.ReferencedStudySequence = []
    with lab.associated(archive, STUDY_FIND) as association:
        (pending, answer), (final, _) = association.send_c_find(request, STUDY_FIND)
    assert (pending.Status, final.Status) == (0xFF01, 0)
    assert "PregnancyStatus" not in answer


@pytest.mark.parametrize("level", ["PATIENT", "FRAME", ""])
def test_a_level_outside_the_study_root_is_refused(archive, lab, level: str) -> None:
    request = Dataset()
    request.QueryRetrieveLevel = level
    request.PatientID = "P1"
    with lab.associated(archive, STUDY_FIND) as association:
        ((final, _),) = association.send_c_find(request, STUDY_FIND)
    assert final.Status == 0xA900


def test_a_find_on_a_context_of_another_service_is_refused(archive, lab) -> None:
    request = Dataset()
    request.QueryRetrieveLevel = "STUDY"
    with lab.associated(archive, STUDY_FIND, STUDY_MOVE) as association:
        for context in association.accepted_contexts:
            if context.abstract_syntax == STUDY_MOVE:
                context.abstract_syntax = STUDY_FIND
            else:
                context.abstract_syntax = STUDY_MOVE
        ((final, _),) = association.send_c_find(request, STUDY_FIND)
    assert final.Status == 0xA900


TEXTS = [
    ("ISO_IR 100", "Äneas^Rüdiger"),
    ("ISO_IR 144", RUSSIAN),
    ("ISO_IR 192", "Wang^XiaoDong=王^小东"),
    ("GB18030", "Wang^XiaoDong=王^小东"),
    (["", "ISO 2022 IR 87"], "Yamada^Tarou=山田^太郎=やまだ^たろう"),
    (["", "ISO 2022 IR 149"], "Hong^Gildong=洪^吉洞=홍^길동"),
]


@pytest.mark.parametrize(("character_set", "name"), TEXTS)
def test_an_answer_is_in_the_objects_character_set(
    folder, start, lab, character_set: str | list[str], name: str
) -> None:
    ds = lab.make("1.2.9", SpecificCharacterSet=character_set, AccessionNumber="T")
    ds.PatientName = name
    lab.save(folder, "text", ds)
    (answer,) = lab.find(start(), "STUDY", AccessionNumber="T", PatientName="", PatientID="")
    answer.decode()
    assert str(answer.PatientName) == name
    assert answer.SpecificCharacterSet == character_set


@pytest.mark.parametrize(("asked_in", "name"), [*TEXTS, ("ISO_IR 192", "äneas^*")])
def test_a_request_is_decoded_before_it_is_matched(
    folder, start, lab, asked_in: str | list[str], name: str
) -> None:
    """The object is in UTF-8, the request in whatever its asker writes."""
    stored = "Äneas^Rüdiger" if "*" in name else name
    ds = lab.make("1.2.9", SpecificCharacterSet="ISO_IR 192", AccessionNumber="T")
    ds.PatientName = stored
    lab.save(folder, "text", ds)
    answers = lab.find(
        start(), "STUDY", SpecificCharacterSet=asked_in, PatientName=name, AccessionNumber=""
    )
    assert [a.AccessionNumber for a in answers] == ["T"]


def test_texts_in_several_character_sets_are_answered_in_utf_8(folder, start, lab) -> None:
    ds = lab.make("1.2.9", AccessionNumber="T", SpecificCharacterSet="ISO_IR 100")
    ds.PatientName = "Äneas^Rüdiger"
    lab.save(folder, "t1", ds)
    other = lab.make("1.2.9", "2", SpecificCharacterSet="ISO_IR 144")
    other.SeriesDescription = RUSSIAN
    lab.save(folder, "t2", other)
    answers = lab.find(
        start(),
        "SERIES",
        StudyInstanceUID="1.2.9",
        SeriesInstanceUID="",
        PatientName="",
        SeriesDescription="",
    )
    answers[1].decode()
    assert answers[1].SpecificCharacterSet == "ISO_IR 192"
    assert str(answers[1].PatientName) == "Äneas^Rüdiger"
    assert answers[1].SeriesDescription == RUSSIAN


def test_text_in_no_declared_character_set_is_answered_readably(folder, start, lab) -> None:
    path = lab.save(folder, "t", lab.make("1.2.9", PatientName="XX^YY", AccessionNumber="T"))
    path.write_bytes(path.read_bytes().replace(b"XX^YY", "ÄÖ^Y".encode("latin-1") + b" "))
    (answer,) = lab.find(start(), "STUDY", AccessionNumber="T", PatientName="")
    answer.decode()
    assert str(answer.PatientName) == "ÄÖ^Y"


def test_a_study_shows_its_own_patients_name_when_two_share_a_patient_id(
    folder, start, lab
) -> None:
    lab.save(folder, "d", lab.make("1.2.9", PatientName="Roe^Mary", AccessionNumber="T"))
    (answer,) = lab.find(start(), "STUDY", AccessionNumber="T", PatientName="", PatientID="")
    assert (str(answer.PatientName), answer.PatientID) == ("Roe^Mary", "P1")


def test_a_find_is_cancelled_between_answers(folder, start, lab) -> None:
    for n in range(400):
        lab.save(folder, f"many/{n}", lab.make("1.2.9", "1", str(n)))
    archive = start()
    request = Dataset()
    request.QueryRetrieveLevel = "IMAGE"
    request.SOPInstanceUID = ""
    with lab.associated(archive, STUDY_FIND) as association:
        answers = association.send_c_find(request, STUDY_FIND, msg_id=5)
        next(answers)
        association.send_c_cancel(5, query_model=STUDY_FIND)
        statuses = [status.Status for status, _ in answers]
    assert statuses[-1] in (0xFE00, 0x0000)
    assert association.is_released
