import pydicom
import pytest
from pydicom.dataset import Dataset
from pydicom.filebase import DicomBytesIO
from pydicom.filereader import read_dataset
from received import (
    BASIC_TEXT_SR,
    CT,
    KEY_OBJECTS,
    bundled,
    data_set,
    encoded,
    header_of,
    item,
    split_file,
)

from mkiso.core.directory_records import encode_record, with_instance_number
from mkiso.core.record_keys import INSTANCE_KEYS, PATIENT_KEYS, SERIES_KEYS, STUDY_KEYS

PR = "1.2.840.10008.5.1.4.1.1.11.1"
BLENDING = "1.2.840.10008.5.1.4.1.1.11.4"
RT_DOSE = "1.2.840.10008.5.1.4.1.1.481.2"
PDF = "1.2.840.10008.5.1.4.1.1.104.1"
SPECTROSCOPY = "1.2.840.10008.5.1.4.1.1.4.2"


def read_back(raw) -> Dataset:
    """A record's body as pydicom reads it; it has to be ascending and of even lengths."""
    buffer = DicomBytesIO(raw)
    buffer.is_little_endian, buffer.is_implicit_VR = True, False
    record = read_dataset(buffer, False, True)
    assert list(record.keys()) == sorted(record.keys())
    return record


def record_of(made, filled=None):
    header = header_of(encoded(made)).header
    if filled is not None:
        assert sorted(header.filled) == sorted(filled)
    return read_back(header.record)


def level_record(made, level, level_keys):
    header = header_of(encoded(made)).header
    body = encode_record(level_keys, dict(getattr(header, level)), {}, header.character_set)
    return read_back(body.encoded), set(body.filled)


def code(value, meaning):
    return item(CodeValue=value, CodingSchemeDesignator="DCM", CodeMeaning=meaning)


def test_an_image_has_what_the_profiles_ask_for():
    made = data_set(
        Rows=512,
        Columns=256,
        ImageType=["ORIGINAL", "PRIMARY", "AXIAL"],
        PixelSpacing=[0.5, 0.5],
        ImagePositionPatient=[1, 2, 3],
        FrameOfReferenceUID="1.2.9",
        ReferencedImageSequence=[item(ReferencedSOPClassUID=CT, ReferencedSOPInstanceUID="1.2.8")],
        WindowCenter=40,
    )
    record = record_of(made, filled=[])
    assert record.ImageType == ["ORIGINAL", "PRIMARY", "AXIAL"]
    assert (record.Rows, record.Columns, record.InstanceNumber) == (512, 256, 1)
    assert record.ReferencedImageSequence[0].ReferencedSOPInstanceUID == "1.2.8"
    assert "WindowCenter" not in record
    assert "SpecificCharacterSet" not in record


def test_optional_keys_that_are_illegal_stay_out():
    made = data_set(
        ImageType=["original", "PRIMARY"],
        PixelSpacing=["0.12345678901234567", "1"],
        ImagePositionPatient=[1, 2],
        FrameOfReferenceUID="9.9",
        ReferencedImageSequence=[item(ReferencedSOPInstanceUID="1.02.3")],
    )
    record = record_of(made)
    assert record.ImageType == ["ORIGINAL", "PRIMARY"]
    assert [e.keyword for e in record] == ["ImageType", "InstanceNumber"]


def test_an_sr_keeps_all_and_only_the_modifiers_of_its_title():
    made = data_set(
        BASIC_TEXT_SR,
        ContentDate="20240101",
        ContentTime="1011",
        CompletionFlag="COMPLETE",
        VerificationFlag="UNVERIFIED",
        ConceptNameCodeSequence=[code("126000", "Imaging Report")],
        ContentSequence=[
            item(RelationshipType="CONTAINS", ValueType="TEXT", TextValue="secret"),
            item(
                RelationshipType="HAS CONCEPT MOD",
                ValueType="CODE",
                ConceptNameCodeSequence=[code("121049", "Language")],
                ContentSequence=[item(RelationshipType="HAS CONCEPT MOD", ValueType="CODE")],
            ),
            item(RelationshipType="HAS OBS CONTEXT", ValueType="TEXT", TextValue="secret"),
            item(RelationshipType="HAS CONCEPT MOD", ValueType="CODE"),
        ],
    )
    record = record_of(made, filled=[])
    assert [i.RelationshipType for i in record.ContentSequence] == ["HAS CONCEPT MOD"] * 2
    assert len(record.ContentSequence[0].ContentSequence) == 1
    assert record.ConceptNameCodeSequence[0].CodeMeaning == "Imaging Report"
    assert "VerificationDateTime" not in record
    made.ContentSequence = made.ContentSequence[:1]
    assert "ContentSequence" not in record_of(made)


def test_a_bare_sr_gets_its_type_1_keys_and_says_so():
    record = record_of(
        data_set(BASIC_TEXT_SR, SeriesDate="20240202"),
        filled=[
            "ContentDate",
            "ContentTime",
            "ConceptNameCodeSequence",
            "CompletionFlag",
            "VerificationFlag",
        ],
    )
    assert record.ContentDate == "20240202"
    assert record.VerificationFlag == "UNVERIFIED"
    assert record.ConceptNameCodeSequence[0].CodeMeaning


def test_a_verified_sr_without_observers_has_a_verification_date_all_the_same():
    made = data_set(
        BASIC_TEXT_SR, VerificationFlag="VERIFIED", ContentDate="20240202", ContentTime="1011"
    )
    assert record_of(made).VerificationDateTime == "202402021011"


def test_a_key_object_has_no_flags():
    made = data_set(KEY_OBJECTS, CompletionFlag="COMPLETE", VerificationFlag="VERIFIED")
    record = record_of(made)
    assert "CompletionFlag" not in record
    assert "VerificationFlag" not in record
    assert record.ConceptNameCodeSequence


def test_a_presentation_state_names_its_images():
    made = data_set(
        PR,
        ContentLabel="KEY",
        PresentationCreationDate="20240101",
        PresentationCreationTime="10",
        ReferencedSeriesSequence=[item(SeriesInstanceUID="1.2.3.4")],
    )
    record = record_of(made, filled=[])
    assert record.ReferencedSeriesSequence[0].SeriesInstanceUID == "1.2.3.4"
    assert record.ContentDescription == ""
    assert "ContentCreatorName" in record


def test_a_blending_state_says_study_and_series_only():
    blended = item(
        StudyInstanceUID="1.2.3", BlendingPosition="SUPERIMPOSED", ReferencedSeriesSequence=[item()]
    )
    record = record_of(data_set(BLENDING, BlendingSequence=[blended, blended]))
    assert [e.keyword for e in record.BlendingSequence[0]] == [
        "ReferencedSeriesSequence",
        "StudyInstanceUID",
    ]


@pytest.mark.parametrize(
    ("sop_class", "attributes", "expected"),
    [
        (RT_DOSE, {"DoseSummationType": "PLAN"}, {"DoseSummationType": "PLAN"}),
        (RT_DOSE, {}, {"DoseSummationType": "PLAN"}),
        (
            PDF,
            {"MIMETypeOfEncapsulatedDocument": "application/pdf", "DocumentTitle": "Letter"},
            {"MIMETypeOfEncapsulatedDocument": "application/pdf", "DocumentTitle": "Letter"},
        ),
        (
            SPECTROSCOPY,
            {"DataPointRows": 3, "DataPointColumns": 4, "Rows": 1, "Columns": 1},
            {"DataPointRows": 3, "DataPointColumns": 4, "NumberOfFrames": 1},
        ),
        ("1.2.840.10008.5.1.4.1.1.66", {}, {"ContentDate": "20240131", "InstanceNumber": 1}),
        ("1.2.840.10008.5.1.4.1.1.66.1", {}, {"ContentLabel": "UNNAMED", "ContentDescription": ""}),
        (
            "1.2.840.10008.5.1.4.1.1.481.3",
            {},
            {"StructureSetLabel": "UNNAMED", "StructureSetDate": ""},
        ),
        ("1.2.840.10008.5.1.4.1.1.481.5", {"RTPlanLabel": "B1"}, {"RTPlanLabel": "B1"}),
        ("1.2.840.10008.5.1.4.1.1.90.1", {}, {"InstanceCreationDate": "20240131"}),
    ],
)
def test_other_types_have_their_keys(sop_class, attributes, expected):
    record = record_of(data_set(sop_class, **attributes))
    assert {keyword: record.get(keyword) for keyword in expected} == expected


@pytest.mark.parametrize("kind", sorted(INSTANCE_KEYS))
def test_type_1_keys_are_never_empty_and_type_2_keys_never_absent(kind):
    body = encode_record(INSTANCE_KEYS[kind], {}, {}, "")
    record = read_back(body.encoded)
    for key in INSTANCE_KEYS[kind]:
        if key.keyword == "InstanceNumber":
            continue  # comes from the series
        if key.type == "1":
            assert not record[key.tag].is_empty
            assert key.keyword in body.filled
        assert (key.type in {"1", "2"}) == (key.tag in record)


def test_a_study_date_comes_from_the_nearest_other_date():
    made = data_set(
        StudyDate="", StudyTime=None, AcquisitionDate="20200303", AcquisitionTime="0405"
    )
    record, filled = level_record(made, "study", STUDY_KEYS)
    assert (record.StudyDate, record.StudyTime) == ("20200303", "0405")
    assert filled == {"StudyDate", "StudyTime"}
    record, _ = level_record(data_set(StudyDate=None, StudyTime=""), "study", STUDY_KEYS)
    assert (record.StudyDate, record.StudyTime) == ("19000101", "000000")
    made = data_set(StudyTime="", SeriesDate="20200303", SeriesTime="0405")
    record, _ = level_record(made, "study", STUDY_KEYS)
    assert (record.StudyDate, record.StudyTime) == ("20240131", "000000")


def test_illegal_values_of_upper_records_become_legal_and_are_named():
    made = data_set(
        StudyDate="2024.01.31", StudyID="x" * 20, StudyDescription="a\\b" + "y" * 70, Modality="ct"
    )
    record, filled = level_record(made, "study", STUDY_KEYS)
    assert record.StudyDate == "20240131"
    assert record.StudyID == "x" * 16
    assert record.StudyDescription == ("a/b" + "y" * 70)[:64]
    assert filled == {"StudyDate", "StudyID", "StudyDescription"}
    record, filled = level_record(made, "series", SERIES_KEYS)
    assert record.Modality == "CT"
    assert filled == {"Modality"}


@pytest.mark.filterwarnings("ignore:The value length:UserWarning")
@pytest.mark.filterwarnings("ignore:Invalid value for VR UI:UserWarning")
def test_what_identifies_is_never_changed():
    made = data_set(PatientID="I" * 70, StudyInstanceUID="1.02.3")
    record, _ = level_record(made, "patient", PATIENT_KEYS)
    assert record.PatientID == "I" * 70
    record, _ = level_record(made, "study", STUDY_KEYS)
    assert record.StudyInstanceUID == "1.02.3"


def test_text_is_declared_record_by_record():
    made = data_set(
        SpecificCharacterSet="\\ISO 2022 IR 149", PatientName="Hong^Gildong=洪^吉洞=홍^길동"
    )
    record, _ = level_record(made, "patient", PATIENT_KEYS)
    assert record.SpecificCharacterSet == ["", "ISO 2022 IR 149"]
    assert record.PatientName == "Hong^Gildong=洪^吉洞=홍^길동"
    record, _ = level_record(made, "study", STUDY_KEYS)
    assert "SpecificCharacterSet" not in record


def test_text_too_long_in_another_alphabet_is_cut_in_utf_8():
    made = data_set(SpecificCharacterSet="\\ISO 2022 IR 87", StudyDescription="山" * 80)
    record, filled = level_record(made, "study", STUDY_KEYS)
    assert record.SpecificCharacterSet == "ISO_IR 192"
    assert record.StudyDescription == "山" * 64
    assert filled == {"StudyDescription"}


def test_a_name_of_five_components_and_three_groups_is_kept():
    name = "A" * 14 + "^B^C^D^E=" + "가" * 60 + "^나=다"
    made = data_set(SpecificCharacterSet="ISO_IR 192", PatientName=name)
    record, filled = level_record(made, "patient", PATIENT_KEYS)
    assert record.PatientName == name
    assert not filled


def test_text_inside_sequences_is_declared_too():
    made = data_set(
        KEY_OBJECTS,
        SpecificCharacterSet="ISO_IR 100",
        ConceptNameCodeSequence=[code("113000", "Für später")],
    )
    record = record_of(made)
    assert record.SpecificCharacterSet == "ISO_IR 100"
    assert record.ConceptNameCodeSequence[0].CodeMeaning == "Für später"


def test_an_item_with_a_character_set_of_its_own_is_read_in_it():
    inner = code("113000", "Люк")
    inner.SpecificCharacterSet = "ISO_IR 144"
    made = data_set(KEY_OBJECTS, SpecificCharacterSet="ISO_IR 100", ConceptNameCodeSequence=[inner])
    record = record_of(made)
    assert record.SpecificCharacterSet == "ISO_IR 192"
    assert record.ConceptNameCodeSequence[0].CodeMeaning == "Люк"


@pytest.mark.parametrize(
    "name", ["CT_small.dcm", "reportsi.dcm", "test-SR.dcm", "waveform_ecg.dcm"]
)
def test_an_instance_number_goes_to_its_place(name):
    data, syntax = split_file(bundled(name))
    header = header_of(data, syntax).header
    without = read_back(header.record)
    del without.InstanceNumber
    buffer = DicomBytesIO()
    buffer.is_little_endian, buffer.is_implicit_VR = True, False
    pydicom.filewriter.write_dataset(buffer, without)
    record = read_back(with_instance_number(buffer.getvalue(), 4711))
    assert record.InstanceNumber == 4711
    del record.InstanceNumber
    assert record == without
