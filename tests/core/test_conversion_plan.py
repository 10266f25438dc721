from mkiso.core.conversion_plan import (
    VIDEO_STAYS,
    Conversion,
    Step,
    conversion_sentences,
    plan_step,
)
from mkiso.core.media_profiles import require_profile

PLAIN, IMPLICIT = "1.2.840.10008.1.2.1", "1.2.840.10008.1.2"
SV1, J2K, RLE = "1.2.840.10008.1.2.4.70", "1.2.840.10008.1.2.4.90", "1.2.840.10008.1.2.5"
CD = require_profile("STD-GEN-CD")
DVD = require_profile("STD-GEN-DVD-JPEG")
DVD_J2K = require_profile("STD-GEN-DVD-J2K")


def step(syntax, profile, kind="IMAGE", *, compress=False):
    return plan_step(syntax, kind, profile, compress=compress)


def test_what_a_profile_allows_stays():
    assert step(PLAIN, CD) == Step(PLAIN)
    assert step(SV1, DVD) == Step(SV1)


def test_what_a_profile_does_not_allow_becomes_plain():
    for syntax in (IMPLICIT, RLE, SV1, J2K):
        assert step(syntax, CD) == Step(PLAIN)
    assert step(J2K, DVD) == Step(PLAIN)


def test_images_are_compressed_only_when_asked_for_and_reports_never():
    assert step(PLAIN, DVD, compress=True) == Step(SV1, PLAIN)
    assert step(RLE, DVD_J2K, compress=True) == Step(J2K, PLAIN)
    assert step(IMPLICIT, DVD, "SR DOCUMENT", compress=True) == Step(PLAIN)
    assert step(PLAIN, CD, compress=True) == Step(PLAIN)
    assert step("1.2.840.10008.1.2.4.50", DVD, compress=True).target.endswith(".50")


def test_video_stays_and_says_why():
    video = "1.2.840.10008.1.2.4.102"
    assert step(video, CD) == Step(video, problem=VIDEO_STAYS)


def test_what_was_converted_and_kept_is_counted():
    lines = conversion_sentences(
        [
            Conversion("1", IMPLICIT, PLAIN),
            Conversion("2", IMPLICIT, PLAIN),
            Conversion("3", RLE, RLE, "it is broken"),
        ]
    )
    assert lines == (
        f"2 instances were converted losslessly from {IMPLICIT} to {PLAIN}.",
        f"1 instance stays in {RLE}: it is broken.",
    )
