import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mkiso.core.folder_names import FolderIdentity, FolderNames
from mkiso.errors import ConfigError, DataError

PLAIN, UNICODE = FolderNames(), FolderNames(unicode=True)
LETTERS = st.text("ABCZabcz#^", min_size=1, max_size=20).filter(lambda t: t.strip("#^"))
DIGITS = st.text("0123456789", min_size=1, max_size=64)


@pytest.mark.parametrize(
    ("name", "patient_id", "patient_name"),
    [
        ("#12345-HongGildong", "12345", "HongGildong"),
        ("#00001-Kim#Young^Hee", "00001", "Kim#Young^Hee"),
        ("#1-A", "1", "A"),
    ],
)
def test_the_names_of_old_are_understood(name, patient_id, patient_name):
    assert PLAIN.identity(name) == FolderIdentity(patient_id, patient_name)


@pytest.mark.parametrize(
    ("name", "patient_name"),
    [
        ("#7-홍길동", "홍길동"),
        ("#7-Hong^Gildong=洪^吉洞=홍^길동", "Hong^Gildong=洪^吉洞=홍^길동"),
        ("#7-Müller^Jörg", "Müller^Jörg"),
        ("#7-" + unicodedata.normalize("NFD", "홍길동"), "홍길동"),
    ],
)
def test_names_of_all_scripts_need_to_be_allowed(name, patient_name):
    assert UNICODE.identity(name).patient_name == patient_name
    with pytest.raises(DataError, match="beyond ASCII"):
        PLAIN.identity(name)


@pytest.mark.parametrize(
    "name",
    ["12345-Hong", "#-Hong", "#12a-Hong", "#1-", "#1-^^", "#1-##", "#1-Hong Gil", "#1-Hong.", "",
     "#1-A^B^C^D^E^F", "#" + "1" * 65 + "-A", "#1-" + "A" * 65, "#1-Hong\n", "#١٢-Hong"],
)  # fmt: skip
def test_other_names_are_refused(name):
    with pytest.raises(DataError):
        PLAIN.identity(name)


@pytest.mark.parametrize(
    "name", ["#1-홍\u202e길동", "#1-홍\x85", "#1-\ud800", "#1-a=b=c=d", "#1-\ue000"]
)
def test_what_is_no_letter_is_refused_also_where_all_scripts_are_allowed(name):
    with pytest.raises(DataError):
        UNICODE.identity(name)


def test_a_site_has_its_own_pattern_and_its_own_meaning_of_the_hash():
    site = FolderNames(r"(?P<patient_name>[^_]+)_(?P<patient_id>\w+)", hash_means=" ")
    assert site.identity("Kim#Young^Hee_A77") == FolderIdentity("A77", "Kim Young^Hee")


@pytest.mark.parametrize(
    "pattern", ["(", "abc", "(?P<patient_id>.)", PLAIN._pattern.pattern + "(?P<x>.)"]
)
def test_a_pattern_that_cannot_be_used_is_refused_at_once(pattern):
    with pytest.raises(ConfigError, match=r"watch\.pattern"):
        FolderNames(pattern)


def test_a_backslash_never_gets_into_a_value():
    with pytest.raises(DataError, match=r"U\+005C"):
        FolderNames(r"(?P<patient_id>[^-]+)-(?P<patient_name>.+)").identity("a\\b-Hong")


@given(DIGITS, LETTERS)
def test_what_a_name_is_made_of_comes_out_again(patient_id, patient_name):
    found = PLAIN.identity(f"#{patient_id}-{patient_name}") if patient_name.count("^") < 5 else None
    assert found is None or found == FolderIdentity(patient_id, patient_name)


@given(st.text())
def test_whatever_a_folder_is_called_it_is_an_identity_or_a_reason_without_its_words(name):
    for names in (PLAIN, UNICODE):
        found, reason = identity_or_reason(names, name)
        assert len(name) < 8 or name not in reason
        if found:
            assert found.patient_id.isdigit()
            assert found.patient_name.strip("^# ")
            assert "\\" not in found.patient_name
            assert found.patient_id not in repr(found)


def identity_or_reason(names, name):
    try:
        return names.identity(name), ""
    except DataError as error:
        return None, error.message
