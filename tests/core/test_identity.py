"""Two data sets, one patient or two: what decides, what only warns, what a person may overrule."""

from pathlib import Path

import pytest

from mkiso.core.header import InstanceHeader
from mkiso.core.identity import patients
from mkiso.core.model import ReceivedInstance
from mkiso.errors import AmbiguousError, IdentityError

TAGS = {"name": 0x00100010, "patient_id": 0x00100020, "issuer": 0x00100021, "birth": 0x00100030}


def instance(study="1.1", charset="", **values) -> ReceivedInstance:
    level = tuple(
        sorted((TAGS[key], v if isinstance(v, bytes) else v.encode()) for key, v in values.items())
    )
    header = InstanceHeader(charset, level, (), (), "IMAGE", b"", 1)
    return ReceivedInstance(Path("x"), 1, "0", "1.2", "1.2.3", "1.2.4", study, "1.2.840", header)


def one_patient(*instances, accessions=None, **options):
    return patients(instances, accessions or {}, **options)


def test_equal_values_are_one_patient_without_a_warning():
    (group,) = one_patient(*[instance(patient_id="7", name="Doe^Jane", birth="19700101")] * 2)
    assert len(group.instances) == 2
    assert group.warnings == ()


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Doe^Jane", "DOE^JANE"),
        ("Doe^Jane", "Doe^Jane^^^"),
        ("Doe^Jane", " Doe ^ Jane "),
        ("Yamada^Tarou", "Yamada^Tarou=山田^太郎"),
        ("Yamada^Tarou=山田^太郎=やまだ^たろう", "Yamada^Tarou==やまだ^たろう"),
    ],
)
def test_spellings_of_one_name_do_not_differ(one, other):
    (group,) = one_patient(
        instance(patient_id="7", name=one, charset="ISO_IR 192"),
        instance(patient_id="7", name=other, charset="ISO_IR 192"),
    )
    assert len(group.instances) == 2


def test_one_name_in_two_character_sets_is_one_name():
    (group,) = one_patient(
        instance(patient_id="7", name="Müller^Jörg".encode("latin-1"), charset="ISO_IR 100"),
        instance(patient_id="7", name="Müller^Jörg", charset="ISO_IR 192"),
    )
    assert len(group.instances) == 2


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"patient_id": "7"}, {"patient_id": "8"}),
        ({"patient_id": "7", "issuer": "A"}, {"patient_id": "7", "issuer": "B"}),
        ({"patient_id": "7", "name": "Doe^Jane"}, {"patient_id": "7", "name": "Doe^John"}),
        ({"patient_id": "7", "birth": "19700101"}, {"patient_id": "7", "birth": "19700102"}),
        (
            {"patient_id": "7", "name": "A^B=山田^太郎", "charset": "ISO_IR 192"},
            {"patient_id": "7", "name": "A^B=山田^花子", "charset": "ISO_IR 192"},
        ),
    ],
)
def test_a_difference_inside_a_study_is_81_and_across_studies_82(one, other):
    with pytest.raises(IdentityError):
        one_patient(instance(**one), instance(**other))
    with pytest.raises(AmbiguousError):
        one_patient(instance(**one), instance("1.2", **other))


def test_what_is_empty_on_one_side_is_a_warning():
    (group,) = one_patient(
        instance(patient_id="7", name="Doe^Jane", birth="19700101"), instance(patient_id="7")
    )
    assert len(group.warnings) == 2
    assert "birth date" in " ".join(group.warnings)


def test_an_empty_value_does_not_hide_a_difference_between_the_others():
    with pytest.raises(IdentityError):
        one_patient(
            instance(patient_id="7"),
            instance(patient_id="7", name="Doe^Jane"),
            instance(patient_id="7", name="Roe^Jane"),
        )


def test_two_studies_with_nothing_to_compare_are_not_one_patient():
    with pytest.raises(AmbiguousError):
        one_patient(instance(), instance("1.2"))
    (group,) = one_patient(instance(), instance())
    assert len(group.instances) == 2


def test_same_patient_overrules_a_name_but_never_a_patient_id():
    (group,) = one_patient(
        instance(patient_id="7", name="Doe^Jane"),
        instance("1.2", patient_id="7", name="Smith^Jane"),
        same_patient=True,
    )
    assert "overruled" in group.warnings[0]
    with pytest.raises(AmbiguousError):
        one_patient(instance(patient_id="7"), instance("1.2", patient_id="8"), same_patient=True)


def test_per_patient_makes_groups_but_one_accession_number_stays_one_patient():
    two = (instance(patient_id="7"), instance("1.2", patient_id="8"))
    groups = one_patient(*two, accessions={"1.1": "A", "1.2": "B"}, per_patient=True)
    assert [len(group.instances) for group in groups] == [1, 1]
    with pytest.raises(AmbiguousError, match="A belongs to several patients"):
        one_patient(*two, accessions={"1.1": "A", "1.2": "A"}, per_patient=True)


def test_no_patient_value_is_in_a_message():
    with pytest.raises(IdentityError) as caught:
        one_patient(
            instance(patient_id="SECRET7", name="Secret^Jane"),
            instance(patient_id="SECRET7", name="Hidden^Jane"),
        )
    text = caught.value.message + " ".join(caught.value.details)
    assert not any(word in text for word in ("SECRET", "Secret", "Hidden", "Jane"))
