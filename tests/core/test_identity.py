"""Two data sets, one patient or two: what decides, what only warns, what a person may overrule."""

import itertools
import time
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
    with pytest.raises(AmbiguousError, match="accession number A differ"):
        one_patient(*two, accessions={"1.1": "A", "1.2": "A"}, per_patient=True)


def test_no_patient_value_is_in_a_message():
    with pytest.raises(IdentityError) as caught:
        one_patient(
            instance(patient_id="SECRET7", name="Secret^Jane"),
            instance(patient_id="SECRET7", name="Hidden^Jane"),
        )
    text = caught.value.message + " ".join(caught.value.details)
    assert not any(word in text for word in ("SECRET", "Secret", "Hidden", "Jane"))


EMPTY_FIRST = [
    instance("1.1", name="Doe^Jane"),
    instance("1.2", patient_id="7", name="Doe^Jane"),
    instance("1.3", patient_id="8", name="Doe^Jane"),
]


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
def test_a_study_that_fits_two_patients_goes_to_neither(order):
    """Its name is that of both: which disc it came to must not depend on the order of arrival."""
    with pytest.raises(AmbiguousError):
        one_patient(*(EMPTY_FIRST[n] for n in order), per_patient=True)


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
def test_an_issuer_that_is_missing_does_not_join_two_issuers(order):
    studies = [
        instance("1.1", patient_id="7"),
        instance("1.2", patient_id="7", issuer="A"),
        instance("1.3", patient_id="7", issuer="B"),
    ]
    with pytest.raises(AmbiguousError):
        one_patient(*(studies[n] for n in order), per_patient=True, same_patient=True)


@pytest.mark.parametrize("order", list(itertools.permutations(range(4))))
def test_groups_do_not_depend_on_the_order_of_arrival(order):
    studies = [
        instance("1.1", patient_id="8", name="Roe^Ann"),
        instance("1.2", patient_id="7", name="Doe^Jane"),
        instance("1.3", patient_id="7"),
        instance("1.4", name="Roe^Ann"),
    ]
    numbers = {"1.2": "A", "1.3": "B", "1.1": "C", "1.4": "D"}
    groups = one_patient(*(studies[n] for n in order), accessions=numbers, per_patient=True)
    assert [sorted(i.study_instance_uid for i in group.instances) for group in groups] == [
        ["1.2", "1.3"],
        ["1.1", "1.4"],
    ]


def test_twenty_thousand_instances_are_compared_in_no_time():
    many = [instance(f"1.{n % 200}", patient_id="7", name="Doe^Jane") for n in range(20_000)]
    began = time.perf_counter()
    (group,) = one_patient(*many)
    assert len(group.instances) == 20_000
    assert time.perf_counter() - began < 30
