from pydicom.datadict import dictionary_VM, dictionary_VR, keyword_for_tag
from pydicom.uid import UID_dictionary

from mkiso.core import record_keys
from mkiso.core.record_keys import INSTANCE_KEYS, PATIENT_KEYS, SERIES_KEYS, STUDY_KEYS
from mkiso.core.record_types import _TYPE_OF_CLASS, _TYPES, ROOT_TYPES, record_type

NOT_STORED = {
    "1.2.840.10008.1.3.10",  # the directory itself
    "1.2.840.10008.1.20.1",  # storage commitment
    "1.2.840.10008.1.20.2",
}


def test_every_storage_class_has_a_row():
    classes = {
        uid
        for uid, (name, kind, *_) in UID_dictionary.items()
        if "Storage" in name and kind == "SOP Class"
    }
    assert len(classes) > 150
    assert classes - NOT_STORED - set(_TYPE_OF_CLASS) == set()


def test_every_row_is_a_class_once():
    rows = [uid for uids in _TYPES.values() for uid in uids]
    assert len(rows) == len(set(rows))
    newer = {f"1.2.840.10008.5.1.4.1.1.66.{n}" for n in (7, 8)}  # label and height map segmentation
    assert set(rows) - set(UID_dictionary) <= newer


def test_every_type_has_keys():
    assert set(_TYPES) == set(INSTANCE_KEYS)
    assert set(INSTANCE_KEYS) >= ROOT_TYPES


def test_image_classes_are_those_named_so():
    for uid, (name, kind, *_) in UID_dictionary.items():
        if kind == "SOP Class" and name.split(" (")[0].endswith("Image Storage"):
            assert record_type(uid, has_pixels=False) == "IMAGE", name


def test_the_names_of_classes_tell_their_types():
    for words, expected in (
        ("SR Storage", "SR DOCUMENT"),
        ("Presentation State", "PRESENTATION"),
        ("Waveform Storage", "WAVEFORM"),
        ("Encapsulated", "ENCAP DOC"),
        ("Treatment Record Storage", "RT TREAT RECORD"),
        ("Key Object Selection", "KEY OBJECT DOC"),
        ("Measurements Storage", "MEASUREMENT"),
    ):
        for uid, (name, kind, *_) in UID_dictionary.items():
            if words in name and "Storage" in name and kind == "SOP Class":
                assert record_type(uid, has_pixels=False) == expected, name


def test_an_unknown_class_is_an_image_when_it_has_pixels():
    assert record_type("1.3.12.2.1107.5.9.1", has_pixels=True) == "IMAGE"
    assert record_type("1.3.12.2.1107.5.9.1", has_pixels=False) == "PRIVATE"


def test_keys_are_those_of_the_dictionary():
    tables = (PATIENT_KEYS, STUDY_KEYS, SERIES_KEYS, *INSTANCE_KEYS.values())
    for key in {key for table in tables for key in table}:
        assert keyword_for_tag(key.tag) == key.keyword
        assert dictionary_VR(key.tag) == key.vr.decode()
        assert key.type in {"1", "1C", "2", "3"}
        if key.vr not in (b"SQ", b"US", b"UL"):
            many = not dictionary_VM(key.tag).isdigit()
            assert key.multiplicity == (0 if many else int(dictionary_VM(key.tag)))
    for table in tables:
        assert list(table) == sorted(table)


def test_constants_are_named_as_their_keywords():
    for name, tag in vars(record_keys).items():
        if name.isupper() and isinstance(tag, int):
            assert keyword_for_tag(tag).upper() == name.replace("_", "")
