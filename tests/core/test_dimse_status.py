import pytest
from pynetdicom import status as reference

from mkiso.core.dimse_status import Outcome, Service, describe, error_for, meaning_of
from mkiso.errors import ConfigError, PermissionDeniedError, ProtocolError, TemporaryError

_CATEGORIES = {
    reference.STATUS_SUCCESS: {Outcome.SUCCESS},
    reference.STATUS_PENDING: {Outcome.PENDING},
    reference.STATUS_WARNING: {Outcome.WARNING},
    reference.STATUS_CANCEL: {Outcome.CANCELLED},
    reference.STATUS_FAILURE: {
        Outcome.BUSY,
        Outcome.UNKNOWN_DESTINATION,
        Outcome.NOT_AUTHORISED,
        Outcome.REFUSED,
        Outcome.FAILED,
    },
}
_TABLES = {
    Service.ECHO: reference.VERIFICATION_SERVICE_CLASS_STATUS,
    Service.FIND: reference.QR_FIND_SERVICE_CLASS_STATUS,
    Service.GET: reference.QR_GET_SERVICE_CLASS_STATUS,
    Service.MOVE: reference.QR_MOVE_SERVICE_CLASS_STATUS,
    Service.STORE: reference.STORAGE_SERVICE_CLASS_STATUS,
    Service.EVENT_REPORT: reference.STORAGE_COMMITMENT_SERVICE_CLASS_STATUS,
    Service.ACTION: reference.STORAGE_COMMITMENT_SERVICE_CLASS_STATUS,
    Service.CREATE: reference.PROCEDURE_STEP_STATUS,
    Service.SET: reference.PROCEDURE_STEP_STATUS,
}


@pytest.mark.parametrize("service", Service)
def test_every_status_has_the_category_that_another_implementation_gives_it(service):
    for status, (category, text) in _TABLES[service].items():
        if service is Service.STORE and status == 0x0111:
            continue  # an instance that is there already: a warning for us, on purpose
        assert meaning_of(service, status).outcome in _CATEGORIES[category], (hex(status), text)


@pytest.mark.parametrize("service", Service)
def test_every_possible_status_has_a_meaning(service):
    for status in range(0x10000):
        row = meaning_of(service, status)
        assert row.first <= status <= row.last
        assert (row.outcome is Outcome.SUCCESS) == (status == 0)


@pytest.mark.parametrize(
    ("service", "status", "outcome"),
    [
        (Service.FIND, 0xC123, Outcome.FAILED),
        (Service.FIND, 0xB123, Outcome.WARNING),
        (Service.MOVE, 0xA7FE, Outcome.BUSY),
        (Service.STORE, 0xA700, Outcome.BUSY),
        (Service.STORE, 0xB0FF, Outcome.WARNING),
        (Service.STORE, 0x0111, Outcome.WARNING),
        (Service.STORE, 0x0299, Outcome.REFUSED),
        (Service.STORE, 0xA001, Outcome.FAILED),
        (Service.MOVE, 0x1234, Outcome.FAILED),
    ],
)
def test_an_unlisted_status_is_classified_by_its_range(service, status, outcome):
    assert meaning_of(service, status).outcome is outcome


@pytest.mark.parametrize(
    ("service", "status", "error"),
    [
        (Service.MOVE, 0xA801, ConfigError),
        (Service.MOVE, 0xA701, TemporaryError),
        (Service.MOVE, 0xA702, TemporaryError),
        (Service.FIND, 0xA700, TemporaryError),
        (Service.MOVE, 0xFE00, TemporaryError),
        (Service.MOVE, 0x0124, PermissionDeniedError),
        (Service.FIND, 0xA900, ProtocolError),
        (Service.GET, 0x0122, ProtocolError),
        (Service.MOVE, 0x0120, ProtocolError),
    ],
)
def test_a_status_that_says_why_becomes_its_error(service, status, error):
    found = error_for(
        service,
        status,
        peer="abpacs",
        calling_ae_title="CDRECORD",
        destination="CDRECORD (port 10104)",
    )
    assert type(found) is error
    assert f"{status:04X}H" in found.message
    assert "abpacs" in found.message


@pytest.mark.parametrize("status", [0x0000, 0xB000, 0xC000, 0xC0FF, 0x0110])
def test_a_status_that_evidence_must_explain_is_no_error_by_itself(status):
    assert error_for(Service.MOVE, status, peer="abpacs", calling_ae_title="CDRECORD") is None


def test_an_unknown_destination_says_what_to_register():
    error = error_for(
        Service.MOVE,
        0xA801,
        peer="abpacs",
        calling_ae_title="CDRECORD",
        destination="CDRECORD (port 10104)",
    )
    assert "register the destination CDRECORD (port 10104)" in error.message


def test_a_status_is_described_in_hex_and_words():
    assert describe(Service.STORE, 0xB007) == "B007H (Data set does not match SOP class)"
