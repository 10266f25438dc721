import json

import pytest
from disc_sets import BUNDLED, data_set_of, received

from mkiso.core.file_ids import place
from mkiso.core.index_page import describe_disc
from mkiso.core.model import ExpectedInstance, Series, ShortSeries
from mkiso.core.viewer_index import ViewedSeries, manifest_script

FEW = ("CT_small.dcm", "MR_small.dcm", "JPEG2000.dcm")


@pytest.fixture
def placed(tmp_path):
    def make(data_sets):
        levels = {}
        return place([received(tmp_path, n, d, levels) for n, d in enumerate(data_sets)])

    return make


def describe(placed, **changes):
    return describe_disc(placed, volume_id="X", made_on="2024-01-31", **changes)


def test_patient_studies_and_series_are_shown_as_people_read_them(placed):
    page = describe(placed([data_set_of(name) for name in FEW]))
    (patient,) = page.patients
    assert patient.name.alphabetic == "Müller, Jörg"
    assert patient.name.ideographic == "米勒, 約克"
    assert (patient.patient_id, patient.birth_date) == ("4711", "1970-01-01")
    assert {study.modalities for study in page.studies} == {("CT",), ("MR",), ("NM",)}
    assert page.instances == 3
    assert sum(study.instances for study in page.studies) == 3


def test_every_series_of_every_instance_is_in_the_table_once(placed):
    items = placed([data_set_of(name) for name in BUNDLED])
    page = describe(items)
    series = [line for study in page.studies for line in study.series]
    assert len({line.series_instance_uid for line in series}) == len(series)
    assert {line.folder for line in series} == {"/".join(i.file_id[:-1]) for i in items}
    assert sum(line.instances for line in series) == len(items)


def test_text_is_decoded_with_the_character_set_of_its_own_object(placed):
    data_set = data_set_of("CT_small.dcm")
    data_set.SpecificCharacterSet = "ISO_IR 100"
    data_set.PatientName = "Müller^Jörg"
    data_set.SeriesDescription = "Schädel"
    page = describe(placed([data_set]))
    assert page.patients[0].name.alphabetic == "Müller, Jörg"
    assert page.studies[0].series[0].description == "Schädel"


def test_a_patient_is_one_though_his_objects_spell_him_differently(placed):
    page = describe(
        placed([data_set_of("CT_small.dcm", PatientName=""), data_set_of("MR_small.dcm")])
    )
    (patient,) = page.patients
    assert patient.name.alphabetic == "Müller, Jörg"


def test_each_study_says_whose_it_is(placed):
    """On a disc of several patients the viewer must not name one for the images of another."""
    page = describe(
        placed([data_set_of("CT_small.dcm"), data_set_of("MR_small.dcm", PatientID="0815")])
    )
    assert {patient.patient_id for patient in page.patients} == {"4711", "0815"}
    assert {(study.modalities, study.patient_id) for study in page.studies} == {
        (("CT",), "4711"),
        (("MR",), "0815"),
    }
    series = [
        ViewedSeries(f"S{number:05d}", study.study_instance_uid, line)
        for number, study in enumerate(page.studies, 1)
        for line in study.series
    ]
    script = manifest_script(page, series, [], [], "mkiso").decode("ascii")
    manifest = json.loads(script[script.index("manifest(") + 9 : -3])
    for study in manifest["studies"]:
        wanted = "4711" if study["modalities"] == ["CT"] else "0815"
        assert manifest["patients"][study["patient"]]["patient_id"] == wanted


def test_what_is_missing_is_told_by_series_with_the_words_of_what_arrived(placed):
    items = placed([data_set_of("MR_small.dcm", SeriesDescription="T1")])
    here = items[0].instance
    missing = [
        ExpectedInstance("1.1", here.series_instance_uid, here.study_instance_uid),
        ExpectedInstance("1.2", here.series_instance_uid, here.study_instance_uid),
        ExpectedInstance("2.1", "9.9", "9"),
    ]
    page = describe(items, complete=False, missing=missing)
    assert [(gap.description, gap.sop_instance_uids) for gap in page.missing] == [
        ("T1", ("1.1", "1.2")),
        ("", ("2.1",)),
    ]


def test_a_missing_series_has_its_number_and_modality(placed):
    items = placed([data_set_of("MR_small.dcm", SeriesNumber=7)])
    here = items[0].instance
    page = describe(
        items,
        missing=[ExpectedInstance("1.1", here.series_instance_uid, here.study_instance_uid)],
        short_series=[
            ShortSeries(here.series_instance_uid, here.study_instance_uid, 2),
            ShortSeries("9.9", "9", 3),
        ],
        listed=[Series("9.9", "9", "US"), Series(here.series_instance_uid, "", "CT")],
    )
    assert [(gap.number, gap.modality, gap.count) for gap in page.missing] == [
        ("7", "MR", 3),  # as its objects say
        ("", "US", 3),  # as the archive says: nothing of it is here
    ]


def test_the_profile_is_met_by_explicit_little_endian_alone(placed):
    assert describe(placed([data_set_of("CT_small.dcm")])).profile_met
    page = describe(placed([data_set_of("CT_small.dcm"), data_set_of("JPEG2000.dcm")]))
    assert not page.profile_met
    assert {s.uid for s in page.transfer_syntaxes} == {
        "1.2.840.10008.1.2.1",
        "1.2.840.10008.1.2.4.91",
    }
