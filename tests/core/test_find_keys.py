import pytest

from mkiso.core.find_keys import FindRequest, identifier_at, parse_key
from mkiso.core.query import RETURN_KEYS
from mkiso.errors import UsageError


def keys_of(identifier):
    return {tag: (vr, value) for tag, vr, value in identifier}


def test_every_study_key_is_sent_since_some_archives_want_them_all():
    keys = keys_of(identifier_at(FindRequest("STUDY"), "STUDY", {}))
    assert {tag for tag, _ in RETURN_KEYS["STUDY"]} <= keys.keys()
    assert keys[0x00080052] == ("CS", b"STUDY")


def test_tags_ascend_and_the_parents_are_there():
    request = FindRequest("IMAGE")
    identifier = identifier_at(request, "IMAGE", {"StudyInstanceUID": "1.2"})
    tags = [tag for tag, _, _ in identifier]
    assert tags == sorted(tags)
    assert keys_of(identifier)[0x0020000D] == ("UI", b"1.2")
    assert 0x00100010 not in tags


def test_text_beyond_ascii_goes_as_utf_8_and_says_so():
    keys = keys_of(identifier_at(FindRequest("STUDY", {"PatientName": "山*"}), "STUDY", {}))
    assert keys[0x00080005] == ("CS", b"ISO_IR 192")
    assert keys[0x00100010] == ("PN", "山*".encode())
    assert 0x00080005 not in keys_of(identifier_at(FindRequest("STUDY"), "STUDY", {}))


@pytest.mark.parametrize(
    ("text", "keyword", "value", "level"),
    [
        ("PatientName=DOE*", "PatientName", "DOE*", "PATIENT"),
        ("StationName", "StationName", "", "SERIES"),
        ("0008,1030=HEAD=NECK", "StudyDescription", "HEAD=NECK", "STUDY"),
        ("(0009,1001)=x", "0009,1001", "x", "SERIES"),
    ],
)
def test_keys_by_keyword_and_tag(text, keyword, value, level):
    key, found = parse_key(text, "SERIES")
    assert (key.keyword, found, key.level) == (keyword, value, level)


@pytest.mark.parametrize("text", ["Colour", "0008", "zz,11", "0002,0010", "=x"])
def test_what_is_no_attribute_is_refused(text):
    with pytest.raises(UsageError):
        parse_key(text, "STUDY")
