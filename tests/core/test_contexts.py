import pytest
from pydicom._uid_dict import UID_dictionary

from mkiso.core.contexts import (
    ABSTRACT_SYNTAX_NOT_SUPPORTED,
    ACCEPTED,
    EXPLICIT_VR_LITTLE_ENDIAN,
    IMPLICIT_VR_LITTLE_ENDIAN,
    REFUSED_TRANSFER_SYNTAXES,
    SERVICE_SOP_CLASSES,
    TRANSFER_SYNTAXES_NOT_SUPPORTED,
    USER_REJECTION,
    VERIFICATION,
    RequestedContext,
    choose_transfer_syntax,
    decide_storage_contexts,
    is_storage_class,
    is_uid,
)

CT = "1.2.840.10008.5.1.4.1.1.2"
BIG_ENDIAN = "1.2.840.10008.1.2.2"
JPEG_LOSSLESS = "1.2.840.10008.1.2.4.70"
DEFLATED = "1.2.840.10008.1.2.1.99"


def decide(abstract, *transfer, scu=True, scp=False):
    (decision,) = decide_storage_contexts([RequestedContext(1, abstract, transfer, scu, scp)])
    return decision


def standard_classes():
    """UID -> name of all classes of PS3.6 Table A-1."""
    return {
        uid: entry[0]
        for uid, entry in UID_dictionary.items()
        if entry[1] in {"SOP Class", "Meta SOP Class", "Service Class"} and uid != VERIFICATION
    }


def test_service_classes_are_the_standards_classes_that_do_not_store():
    services = {
        uid
        for uid, name in standard_classes().items()
        # retired ones have no name, or one that says nothing; their numbers do
        if "Storage" not in name and not uid.startswith("1.2.840.10008.5.1.4.1.1.")
    }
    not_stored = {
        "1.2.840.10008.1.3.10",  # Media Storage Directory
        "1.2.840.10008.1.20.1",  # Storage Commitment
        "1.2.840.10008.1.20.2",
        "1.2.840.10008.4.2",  # Storage Service Class
        *(f"1.2.840.10008.5.1.4.1.1.200.{n}" for n in (4, 5, 6)),
        *(f"1.2.840.10008.5.1.4.1.1.201.{n}" for n in (2, 3, 4, 5, 6)),
    }
    assert services | not_stored == SERVICE_SOP_CLASSES


def test_every_storage_class_that_pynetdicom_knows_is_stored():
    sop_class = pytest.importorskip("pynetdicom.sop_class")
    classes = {
        *sop_class._STORAGE_CLASSES.values(),
        *sop_class._NON_PATIENT_OBJECT_CLASSES.values(),
    }
    assert len(classes) > 170
    assert [uid for uid in classes if not is_storage_class(uid)] == []


def test_no_service_class_that_pynetdicom_knows_is_stored():
    sop_class = pytest.importorskip("pynetdicom.sop_class")
    tables = (
        "_APPLICATION_EVENT_CLASSES",
        "_BASIC_WORKLIST_CLASSES",
        "_COLOR_PALETTE_CLASSES",
        "_DISPLAY_SYSTEM_CLASSES",
        "_HANGING_PROTOCOL_CLASSES",
        "_IMPLANT_TEMPLATE_CLASSES",
        "_MEDIA_CREATION_CLASSES",
        "_PRINT_MANAGEMENT_CLASSES",
        "_PROCEDURE_STEP_CLASSES",
        "_QR_CLASSES",
        "_STORAGE_COMMITMENT_CLASSES",
        "_UNIFIED_PROCEDURE_STEP_CLASSES",
    )
    classes = {uid for name in tables for uid in getattr(sop_class, name).values()}
    assert [uid for uid in classes if is_storage_class(uid)] == []


@pytest.mark.parametrize(
    "abstract",
    [
        CT,
        VERIFICATION,
        "1.3.12.2.1107.5.9.1",  # Siemens CSA non-image: private
        "1.2.392.200036.9125.1.1.2",  # Fuji, private
        "1.2.840.10008.5.1.4.1.1.99999",  # a class to come
        "1.02.3",  # a leading zero is not allowed, and exists
    ],
)
def test_storage_classes_are_accepted_known_or_not(abstract):
    assert decide(abstract, IMPLICIT_VR_LITTLE_ENDIAN).result == ACCEPTED


@pytest.mark.parametrize(
    "abstract", ["1.2.840.10008.5.1.4.1.2.2.1", "1.2.840.10008.5.1.4.31", "", "../../x", "1" * 65]
)
def test_services_and_what_is_no_uid_are_refused(abstract):
    assert decide(abstract, IMPLICIT_VR_LITTLE_ENDIAN).result == ABSTRACT_SYNTAX_NOT_SUPPORTED


@pytest.mark.parametrize(
    ("offered", "chosen"),
    [
        ((IMPLICIT_VR_LITTLE_ENDIAN,), IMPLICIT_VR_LITTLE_ENDIAN),
        ((IMPLICIT_VR_LITTLE_ENDIAN, EXPLICIT_VR_LITTLE_ENDIAN), EXPLICIT_VR_LITTLE_ENDIAN),
        ((JPEG_LOSSLESS, EXPLICIT_VR_LITTLE_ENDIAN), EXPLICIT_VR_LITTLE_ENDIAN),
        ((JPEG_LOSSLESS, IMPLICIT_VR_LITTLE_ENDIAN), JPEG_LOSSLESS),
        ((BIG_ENDIAN, IMPLICIT_VR_LITTLE_ENDIAN), BIG_ENDIAN),
        ((DEFLATED, IMPLICIT_VR_LITTLE_ENDIAN), IMPLICIT_VR_LITTLE_ENDIAN),
        (("1.2.840.113619.5.2",), "1.2.840.113619.5.2"),
        (("1.2.840.10008.1.2.4.999",), "1.2.840.10008.1.2.4.999"),
        ((DEFLATED,), None),
        (tuple(REFUSED_TRANSFER_SYNTAXES), None),
        (("not a UID",), None),
        ((), None),
    ],
)
def test_the_syntax_chosen_is_explicit_little_endian_or_the_requestors_first(offered, chosen):
    assert choose_transfer_syntax(offered) == chosen
    expected = TRANSFER_SYNTAXES_NOT_SUPPORTED if chosen is None else ACCEPTED
    assert decide(CT, *offered).result == expected


def test_only_five_transfer_syntaxes_of_the_standard_are_refused():
    syntaxes = [uid for uid, entry in UID_dictionary.items() if entry[1] == "Transfer Syntax"]
    refused = [uid for uid in syntaxes if choose_transfer_syntax([uid]) is None]
    assert len(syntaxes) > 40
    assert set(refused) == REFUSED_TRANSFER_SYNTAXES
    assert {UID_dictionary[uid][0] for uid in refused} == {
        "Deflated Explicit VR Little Endian",
        "JPIP Referenced",
        "JPIP Referenced Deflate",
        "JPIP HTJ2K Referenced",
        "JPIP HTJ2K Referenced Deflate",
    }


def test_a_requestor_that_only_wants_to_be_scp_is_rejected():
    assert decide(CT, EXPLICIT_VR_LITTLE_ENDIAN, scu=False, scp=True).result == USER_REJECTION
    both = decide(CT, EXPLICIT_VR_LITTLE_ENDIAN, scu=True, scp=True)
    assert (both.result, both.scu_role, both.scp_role) == (ACCEPTED, True, False)


@pytest.mark.parametrize(
    "value", ["", ".", "1.", ".1", "1..2", "1.2 ", "1.2\n", "1.a", "é", "1" * 65]
)
def test_what_is_no_uid(value):
    assert not is_uid(value)


def test_what_is_a_uid():
    assert is_uid("1.2.840.10008.1.1")
    assert is_uid("1" * 64)
