"""Application profiles, and the judge's rules for names, pages and icons."""

import pytest

from mkiso.core import media_profiles
from mkiso.core.disc_layout import check_layout
from mkiso.core.findings import ERROR, NOTE, WARNING, Finding, Findings
from mkiso.core.icon_rules import check_icon
from mkiso.core.media_profiles import (
    FAT,
    JPEG_LOSSLESS_SV1,
    PROFILE_KEYS,
    PROFILES,
    foreign_syntaxes,
    profiles_by_syntax,
    require_profile,
)
from mkiso.core.media_tests import media_test_of, summary
from mkiso.core.page_links import Places, check_page
from mkiso.core.record_keys import INSTANCE_KEYS, PATIENT_KEYS, SERIES_KEYS
from mkiso.errors import UsageError

PLAIN = "1.2.840.10008.1.2.1"


def test_every_key_that_a_profile_asks_for_is_one_that_our_records_have():
    ours = {("PATIENT", key.tag): key.keyword for key in PATIENT_KEYS}
    ours |= {("SERIES", key.tag): key.keyword for key in SERIES_KEYS}
    ours |= {("IMAGE", key.tag): key.keyword for key in INSTANCE_KEYS["IMAGE"]}
    for key in PROFILE_KEYS:
        assert ours[key.record_type, key.tag] == key.keyword


def test_only_explicit_little_endian_makes_a_general_purpose_cd():
    assert profiles_by_syntax({PLAIN})[0] == "STD-GEN-CD"
    assert profiles_by_syntax({PLAIN, JPEG_LOSSLESS_SV1}) == ("STD-GEN-DVD-JPEG",)
    assert profiles_by_syntax({"1.2.840.10008.1.2"}) == ()
    assert profiles_by_syntax({PLAIN}, size_bytes=800_000_000)[0] == "STD-GEN-DVD-JPEG"
    assert profiles_by_syntax({PLAIN}, size_bytes=20_000_000_000) == ()
    assert "STD-GEN-USB-J2K" in profiles_by_syntax({PLAIN}, FAT)


def test_every_profile_takes_what_it_is_compressed_into():
    for profile in PROFILES:
        assert PLAIN in profile.transfer_syntaxes
        assert not profile.lossless or profile.lossless in profile.transfer_syntaxes
        assert foreign_syntaxes(profile, {PLAIN, "1.2"}) == ("1.2",)


def test_a_profile_is_asked_for_in_any_case_and_an_unknown_one_gets_a_hint():
    assert require_profile("std-gen-cd").name == "STD-GEN-CD"
    assert require_profile("as-received") is None
    assert require_profile("") is None
    with pytest.raises(UsageError, match="did you mean STD-GEN-DVD-JPEG"):
        require_profile("STD-GEN-DVD-JPG")


def test_the_table_names_each_profile_once():
    assert len({profile.name for profile in PROFILES}) == len(PROFILES)
    assert media_profiles.AS_RECEIVED in media_profiles.PROFILE_NAMES


@pytest.mark.parametrize(
    ("path", "finding"),
    [
        ("A/B/C/D/E/F/G/H", None),
        ("A/B/C/D/E/F/G/H/I", "disc.depth"),
        ("ABCDEFGHI", "disc.name-not-8.3"),
        ("A.B/C", "disc.name-not-8.3"),
        ("lower", "disc.name-not-8.3"),
        ("README.PDF", "disc.prefix-conflict"),
        ("DICOMDIR/A", "disc.reserved-name"),
    ],
)
def test_names_and_levels_are_those_of_the_standard(path, finding):
    findings = Findings()
    check_layout([path], [], findings)
    found = {each.id for each in findings.result()}
    assert (finding in found) if finding else not found


def links(page, *paths):
    findings = Findings()
    text = f"<html><body>{page}</body></html>".encode()
    reached = check_page("INDEX.HTM", text, Places(["INDEX.HTM", *paths]), findings)
    return reached, {each.id for each in findings.result()}


@pytest.mark.parametrize(
    ("page", "reached"),
    [
        ('<a href="A/B.HTM#x?y">', {"A/B.HTM"}),
        ('<a href="A/">', {"A"}),
        ('<a href="./A/../A/B.HTM">', {"A/B.HTM"}),
        ('<a href="#top">', set()),
        ('<a href="https://example.org/">', set()),
        ('<img src="data:image/png;base64,AA==">', set()),
        ('<a href="mailto:x@example.org">', set()),
        ('<a href="A%2FB.HTM">', {"A/B.HTM"}),
    ],
)
def test_links_that_are_fine_have_no_finding(page, reached):
    assert links(page, "A/B.HTM") == (reached, set())


@pytest.mark.parametrize(
    ("page", "finding"),
    [
        ('<script src="//cdn.example/x.js">', "page.network"),
        ('<a href="file:///D:/x">', "page.link-absolute"),
        ('<a href="/A/B.HTM">', "page.link-outside"),
        ('<a href="a/b.htm">', "page.link-case"),
        ('<a href="http://[">', "page.link-unusable"),
    ],
)
def test_links_that_fail_somewhere_are_found(page, finding):
    assert finding in links(page, "A/B.HTM")[1]


def icon(**changes):
    values = {
        0x00280002: b"\1\0",
        0x00280004: b"MONOCHROME2",
        0x00280010: b"\2\0",
        0x00280011: b"\2\0",
        0x00280100: b"\x08\0",
        0x00280101: b"\x08\0",
        0x00280102: b"\x07\0",
        0x00280103: b"\0\0",
        0x7FE00010: bytes(4),
    }
    return values | {int(tag[1:], 16): value for tag, value in changes.items()}


def test_an_icon_is_small_grey_and_whole():
    assert check_icon(icon()) == ""
    assert "grey" in check_icon(icon(t00280004=b"RGB"))
    assert "8 bits" in check_icon(icon(t00280100=b"\x10\0"))
    assert "signed" in check_icon(icon(t00280103=b"\1\0"))
    assert "rows" in check_icon(icon(t00280010=b"\0\0"))
    assert "palette" in check_icon(icon(t00280004=b"PALETTE COLOR"))
    assert "many" in check_icon(icon(t7fe00010=b"\0"))


def test_findings_are_told_by_the_ihe_tests_they_belong_to():
    numbers = {
        id_: media_test_of(id_).number for id_ in ("iso.dots", "iso.truncated", "disc.depth")
    }
    assert numbers == {"iso.dots": "1902", "iso.truncated": "1901", "disc.depth": "1903"}
    assert media_test_of("disc.no-dicomdir").number == "1904"
    found = (Finding(ERROR, "file.meta", ""), Finding(WARNING, "file.preamble", ""))
    notes = {note.id: note.message for note in summary((*found, Finding(NOTE, "iso.x", "")), ())}
    assert notes["media-test.1905"] == "IHE 1905 object content: 1 errors, 1 warnings"
    assert notes["media-test.1902"] == "IHE 1902 disc format: passed"
    assert notes["media-test.profiles"].endswith("none")
