import pytest

from mkiso.core.value_rules import legal, legal_text, nearest

LEGAL = [
    (b"DA", b"20240229"),
    (b"TM", b"10"),
    (b"TM", b"1011"),
    (b"TM", b"101112.123456"),
    (b"DT", b"20240229101112.5+0100"),
    (b"CS", b"ORIGINAL\\PRIMARY\\\\M_FFE 1"),
    (b"UI", b"1.2.840.0.10008"),
    (b"UI", b"2.25." + b"1" * 59),
    (b"IS", b"-2147483647"),
    (b"IS", b" 7"),
    (b"DS", b"-1.5e-10\\ 0.3 \\.5"),
    (b"SH", b"x" * 16),
    (b"LO", b"x" * 64),
    (b"PN", b"a^b^c^d^e"),
    (b"ST", b"a\\b"),
    (b"US", b"\0\1"),
    (b"UL", b"\0\1\2\3"),
]
ILLEGAL = [
    (b"DA", b"20230229"),
    (b"DA", b"2024-02-29"),
    (b"DA", b"2024022"),
    (b"TM", b"1"),
    (b"TM", b"240000"),
    (b"TM", b"101112.1234567"),
    (b"DT", b"x"),
    (b"CS", b"lower"),
    (b"CS", b"A" * 17),
    (b"UI", b"1.02.3"),
    (b"UI", b"9.1"),
    (b"UI", b"1.2."),
    (b"UI", b"2.25." + b"1" * 60),
    (b"IS", b"1.0"),
    (b"IS", b"2147483648"),
    (b"DS", b"0.12345678901234567"),
    (b"SH", b"x" * 17),
    (b"LO", b"a\\b"),
    (b"LO", b"a\nb"),
    (b"PN", b"a^b^c^d^e^f"),
    (b"US", b"\0"),
]


@pytest.mark.parametrize(("vr", "value"), LEGAL)
def test_a_legal_value_is_known_and_is_its_own_nearest(vr, value):
    assert legal(vr, value)
    if vr not in (b"SH", b"LO", b"PN", b"ST"):
        assert nearest(vr, value) == value


@pytest.mark.parametrize(("vr", "value"), ILLEGAL)
def test_an_illegal_value_is_known(vr, value):
    assert not legal(vr, value)


@pytest.mark.parametrize(
    ("vr", "value", "expected"),
    [
        (b"DA", b"2024.02.29", b"20240229"),  # ACR-NEMA
        (b"DA", b"today", b""),
        (b"TM", b"10:11:12", b"101112"),
        (b"TM", b"10111", b"1011"),
        (b"TM", b"101160", b"1011"),
        (b"TM", b"noon", b""),
        (b"CS", b"ct", b"CT"),
        (b"CS", b"m/ffe", b"M_FFE"),
        (b"IS", b"1.0", b""),
        (b"DS", b"0.12345678901234567", b""),
    ],
)
def test_an_illegal_value_gets_the_nearest_legal_one(vr, value, expected):
    assert nearest(vr, value) == expected


@pytest.mark.parametrize("vr", [b"DA", b"TM", b"DT", b"CS", b"UI", b"IS", b"DS", b"AS", b"AE"])
def test_the_nearest_value_is_always_legal(vr):
    for first in range(256):
        for value in (bytes([first]), b"1" * 5 + bytes([first]) * 20, bytes([first]) * 70000):
            assert legal(vr, nearest(vr, value))


def test_text_is_cut_by_characters_not_bytes():
    assert legal_text(b"LO", "홍" * 64) == "홍" * 64
    assert legal_text(b"LO", "홍" * 70) == "홍" * 64
    assert legal_text(b"SH", "a\\b\tc") == "a/b c"
    assert legal_text(b"ST", "a\\b\r\nc") == "a\\b\r\nc"
    assert legal_text(b"PN", "a^b^c^d^e^f=" + "x" * 70 + "=y=z") == "a^b^c^d^e=" + "x" * 64 + "=y"
