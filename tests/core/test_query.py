import io

import pydicom
import pytest
from pydicom.dataset import Dataset
from pydicom.filewriter import write_dataset

from mkiso.core.identifier import decode_identifier, encode_identifier
from mkiso.core.model import Series
from mkiso.core.query import (
    ACCESSION_NUMBER,
    RETURN_KEYS,
    accession_number_of,
    decode_answer,
    image_query,
    matching_instance,
    matching_series,
    matching_study,
    retrieve_identifier,
    series_query,
    study_query,
)
from mkiso.core.retrieval_plan import Request
from mkiso.errors import ProtocolError

IMPLICIT, EXPLICIT = "1.2.840.10008.1.2", "1.2.840.10008.1.2.1"
STUDY, SERIES, IMAGE = "1.2.3", "1.2.3.4", "1.2.3.4.5"


def decoded_by_pydicom(identifier, syntax):
    data = io.BytesIO(encode_identifier(identifier, syntax))
    return pydicom.filereader.read_dataset(
        data, is_implicit_VR=syntax == IMPLICIT, is_little_endian=True
    )


def encoded_by_pydicom(syntax=EXPLICIT, /, **values):
    data_set = Dataset()
    for keyword, value in values.items():
        setattr(data_set, keyword, value)
    buffer = pydicom.filebase.DicomBytesIO()
    buffer.is_little_endian, buffer.is_implicit_VR = True, syntax == IMPLICIT
    write_dataset(buffer, data_set, parent_encoding="utf-8")
    return buffer.getvalue()


def answer(syntax=EXPLICIT, /, **values):
    return decode_answer(encoded_by_pydicom(syntax, **values), syntax)


def element(tag, vr, value):
    """Return one element as a careless archive writes it, without padding."""
    return (
        encode_identifier([(tag, vr, b"")], EXPLICIT)[:-2]
        + len(value).to_bytes(2, "little")
        + value
    )


@pytest.mark.parametrize("syntax", [IMPLICIT, EXPLICIT])
def test_a_study_query_has_every_return_key_and_the_number_alone(syntax):
    query = decoded_by_pydicom(study_query(accession_number="A1"), syntax)
    assert query.QueryRetrieveLevel == "STUDY"
    assert query.AccessionNumber == "A1"
    assert "SpecificCharacterSet" not in query
    assert [e.tag for e in query] == sorted(e.tag for e in query)
    filled = {e.keyword for e in query if e.value not in ("", None, [])}
    assert filled == {"QueryRetrieveLevel", "AccessionNumber"}
    assert {e.tag for e in query} >= {tag for tag, _ in RETURN_KEYS["STUDY"]}
    for entry in query:
        assert pydicom.datadict.dictionary_VR(entry.tag) == entry.VR


def test_every_return_key_has_the_vr_of_the_dictionary():
    for keys in RETURN_KEYS.values():
        for tag, vr in keys:
            assert pydicom.datadict.dictionary_VR(tag) == vr


def test_a_number_outside_ascii_says_its_character_set():
    query = decoded_by_pydicom(study_query(accession_number="접수12"), EXPLICIT)
    assert query.SpecificCharacterSet == "ISO_IR 192"
    assert query.AccessionNumber == "접수12"


@pytest.mark.parametrize("number", ["-x", "$(id)", "a;b", "A 1"])
def test_an_odd_number_is_asked_for_literally(number):
    query = decoded_by_pydicom(study_query(accession_number=number), IMPLICIT)
    assert query.AccessionNumber == number


def test_a_query_without_a_key_is_never_built():
    with pytest.raises(ValueError, match="every patient"):
        study_query()


@pytest.mark.parametrize("uid", ["", "*", "1.2\\1.3", "1.2.?", " "])
def test_a_unique_key_is_one_whole_uid(uid):
    for build in (
        lambda: series_query(uid),
        lambda: image_query("1.2", uid),
        lambda: image_query(uid, "1.2"),
        lambda: retrieve_identifier(Request(uid)),
        lambda: retrieve_identifier(Request("1.2", "", ("1.3",))),
        lambda: retrieve_identifier(Request("1.2", "1.3", ("1.4", uid))),
        lambda: retrieve_identifier(Request(uid, "1.3")),
    ):
        with pytest.raises(ValueError, match="not a UID"):
            build()


def test_lower_levels_carry_the_unique_keys_above_them():
    series = decoded_by_pydicom(series_query(STUDY), EXPLICIT)
    assert (series.QueryRetrieveLevel, series.StudyInstanceUID) == ("SERIES", STUDY)
    assert series.Modality == ""
    image = decoded_by_pydicom(image_query(STUDY, SERIES), EXPLICIT)
    assert (image.QueryRetrieveLevel, image.StudyInstanceUID) == ("IMAGE", STUDY)
    assert image.SeriesInstanceUID == SERIES
    assert image.SOPInstanceUID == ""
    assert "SOPClassUID" not in image  # makes Orthanc open every file
    with_class = decoded_by_pydicom(image_query(STUDY, SERIES, with_class=True), EXPLICIT)
    assert with_class.SOPClassUID == ""


@pytest.mark.parametrize(
    ("request_", "expected"),
    [
        (Request(STUDY), {"QueryRetrieveLevel": "STUDY", "StudyInstanceUID": STUDY}),
        (
            Request(STUDY, SERIES),
            {
                "QueryRetrieveLevel": "SERIES",
                "StudyInstanceUID": STUDY,
                "SeriesInstanceUID": SERIES,
            },
        ),
        (
            Request(STUDY, SERIES, (IMAGE, "1.9")),
            {
                "QueryRetrieveLevel": "IMAGE",
                "StudyInstanceUID": STUDY,
                "SeriesInstanceUID": SERIES,
                "SOPInstanceUID": [IMAGE, "1.9"],
            },
        ),
    ],
)
def test_a_retrieval_asks_by_unique_keys_and_nothing_else(request_, expected):
    identifier = decoded_by_pydicom(retrieve_identifier(request_), IMPLICIT)
    assert {e.keyword: e.value for e in identifier} == expected


@pytest.mark.parametrize("syntax", [IMPLICIT, EXPLICIT])
def test_a_study_is_read_from_an_answer(syntax):
    study = matching_study(
        answer(
            syntax,
            QueryRetrieveLevel="STUDY",
            AccessionNumber="A1",
            StudyInstanceUID=STUDY,
            PatientName="Doe^Jane",
            PatientID="P1",
            IssuerOfPatientID="HOSP",
            NumberOfStudyRelatedInstances="7",
            InstanceAvailability="NEARLINE",
        ),
        study_query(accession_number="A1"),
    )
    assert study.study_instance_uid == STUDY
    assert (study.patient_id, study.issuer_of_patient_id) == ("P1", "HOSP")
    assert (study.number_of_instances, study.instance_availability) == (7, "NEARLINE")
    assert "Jane" not in repr(study)


@pytest.mark.parametrize("returned", ["A12", "a1", "A", "", " A1", "A1\\A1", "B1"])
def test_a_number_that_is_not_exactly_the_one_asked_for_does_not_match(returned):
    attributes = answer(AccessionNumber="A1", StudyInstanceUID=STUDY)
    attributes[ACCESSION_NUMBER] = returned.encode()
    assert matching_study(attributes, study_query(accession_number="A1")) is None


@pytest.mark.parametrize("padding", [b"", b" ", b"\0", b"    ", b" \0"])
def test_padding_behind_a_number_does_not_count(padding):
    attributes = answer(AccessionNumber="A1", StudyInstanceUID=STUDY)
    attributes[ACCESSION_NUMBER] = b"A1" + padding
    assert matching_study(attributes, study_query(accession_number="A1")) is not None


def test_an_answer_without_the_number_does_not_match():
    attributes = answer(StudyInstanceUID=STUDY)
    assert matching_study(attributes, study_query(accession_number="A1")) is None


def test_a_number_is_compared_decoded():
    query = study_query(accession_number="Ä1")
    latin = answer(SpecificCharacterSet="ISO_IR 100", AccessionNumber="", StudyInstanceUID=STUDY)
    latin[ACCESSION_NUMBER] = "Ä1".encode("latin-1")
    assert matching_study(latin, query) is not None
    undeclared = answer(StudyInstanceUID=STUDY)
    undeclared[ACCESSION_NUMBER] = "Ä1".encode()
    assert matching_study(undeclared, query) is not None
    lost = answer(SpecificCharacterSet="ISO_IR 100", AccessionNumber="?1", StudyInstanceUID=STUDY)
    assert matching_study(lost, query) is None


def test_a_character_set_that_does_not_exist_matches_nothing_and_breaks_nothing():
    attributes = answer(StudyInstanceUID=STUDY)
    attributes[0x00080005] = b"ISO_IR 999"
    attributes[ACCESSION_NUMBER] = "접".encode("euc-kr")
    assert matching_study(attributes, study_query(accession_number="접")) is None
    assert accession_number_of(attributes)


def test_a_study_asked_for_by_uid_must_be_that_study():
    query = study_query(study_instance_uid=STUDY)
    assert matching_study(answer(StudyInstanceUID="1.2.30"), query) is None
    study = matching_study(answer(StudyInstanceUID=STUDY, AccessionNumber="A9"), query)
    assert study.accession_number == "A9"


def test_an_answer_of_another_level_is_none():
    values = {"AccessionNumber": "A1", "StudyInstanceUID": STUDY, "SeriesInstanceUID": SERIES}
    wrong = answer(QueryRetrieveLevel="PATIENT", **values)
    assert matching_study(wrong, study_query(accession_number="A1")) is None
    assert matching_series(wrong, STUDY) is None
    assert matching_instance(wrong, Series(SERIES, STUDY, "CT")) is None


def test_a_series_or_instance_of_another_parent_is_none():
    assert matching_series(answer(StudyInstanceUID="9", SeriesInstanceUID=SERIES), STUDY) is None
    series = Series(SERIES, STUDY, "CT")
    other_series = answer(SeriesInstanceUID="9", SOPInstanceUID=IMAGE)
    other_study = answer(StudyInstanceUID="9", SOPInstanceUID=IMAGE)
    assert matching_instance(other_series, series) is None
    assert matching_instance(other_study, series) is None


@pytest.mark.parametrize("uid", ["", "*", "not a uid", "1" * 65])
def test_a_match_without_a_usable_uid_is_no_silent_gap(uid):
    study = answer(AccessionNumber="A1")
    study[0x0020000D] = uid.encode()
    with pytest.raises(ProtocolError, match="as Study Instance UID"):
        matching_study(study, study_query(accession_number="A1"))
    with pytest.raises(ProtocolError, match="as Series Instance UID"):
        matching_series({0x0020000E: uid.encode()}, STUDY)
    instance = matching_instance({0x00080018: uid.encode()}, Series(SERIES, STUDY, "CT"))
    assert instance.sop_instance_uid == f"'{uid}'"  # nothing that comes has that name


def test_missing_attributes_and_odd_padding_are_tolerated():
    data = (
        element(0x00080052, "CS", b"SERIES\0\0")
        + element(0x00080060, "CS", b" \\CT \0")
        + element(0x0020000E, "UI", SERIES.encode() + b" ")
        + element(0x00201209, "IS", b" 12 \0")
    )
    series = matching_series(decode_answer(data, EXPLICIT), STUDY)
    assert series == Series(SERIES, STUDY, "CT", number_of_instances=12)
    bare = matching_series({0x0020000E: SERIES.encode()}, STUDY)
    assert (bare.modality, bare.number_of_instances) == ("", None)


@pytest.mark.parametrize("count", [b"", b"many", b"-1", b"1.5", "\u0661".encode()])
def test_a_count_that_is_none_is_absent(count):
    series = matching_series({0x0020000E: b"1.2", 0x00201209: count}, STUDY)
    assert series.number_of_instances is None


def test_an_instance_without_a_class_is_one():
    instance = matching_instance(answer(SOPInstanceUID=IMAGE), Series(SERIES, STUDY, "CT"))
    assert (instance.sop_instance_uid, instance.sop_class_uid) == (IMAGE, "")


@pytest.mark.parametrize("syntax", [IMPLICIT, EXPLICIT])
def test_a_sequence_in_an_answer_is_walked_over(syntax):
    item = Dataset()
    item.CodeValue = "1"
    item.StudyInstanceUID = "9.9"
    data = encoded_by_pydicom(syntax, ProcedureCodeSequence=[item, item], StudyInstanceUID=STUDY)
    assert decode_answer(data, syntax)[0x0020000D].strip(b"\0") == STUDY.encode()


@pytest.mark.parametrize("data", [b"\x08", b"\x08\x00\x50\x00SH\xff\x00A1", b"\xff" * 40])
def test_bytes_that_are_no_data_set_break_the_protocol(data):
    with pytest.raises(ProtocolError):
        decode_identifier(data, EXPLICIT, frozenset({ACCESSION_NUMBER}))
