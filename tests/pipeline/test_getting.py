"""Whole jobs by C-GET: the same promises without a port."""

import socket
import struct
import time

import pytest
from odd_archive import NUMBERS_OF_INSTANCES, encoded, no_image_level, without
from whole_jobs import PATIENT, instance

from mkiso.network import dimse

UIDS = {f"1.2.3.1.{n}" for n in (1, 2, 3, 4)}


@pytest.fixture
def getting(lab):
    """The archive is asked by C-GET."""
    lab.node["retrieve"] = "get"
    lab.start()
    return lab


def refused(result, code, *, received=None):
    assert (result.code, result.discs) == (code, []), result.report
    if received is not None:
        assert result.report["received"] == received


def heals(lab):
    lab.archive.on_get = lab.archive.on_find = None
    assert lab.make().on_disc == UIDS


def test_a_disc_needs_no_port(getting):
    with socket.create_server(("127.0.0.1", getting.port)):
        result = getting.make(check=False)
    assert result.code == 0, result.report
    assert result.on_disc == UIDS


@pytest.mark.parametrize(
    "on_find",
    [no_image_level(), without(*NUMBERS_OF_INSTANCES), without(0x00080016)],
    ids=["no lists", "no counts", "no classes"],
)
def test_an_archive_may_say_little(getting, on_find):
    getting.archive.on_find = on_find
    assert getting.make().on_disc == UIDS


def test_what_was_dropped_is_asked_for_by_name_without_waiting(getting):
    """The archive claims to have sent it; nothing can come after the final response."""

    def drops(get):
        get.send([i for i in get.instances if get.number or i.sop_instance_uid[-1] != "3"])
        get.finish(0x0000, completed=len(get.instances))

    getting.archive.on_get = drops
    result = getting.make(**PATIENT)
    assert result.code == 0, result.report
    assert result.seconds < 20
    assert getting.archive.gets[1].uids == ["1.2.3.1.3"]


def test_what_never_comes_is_named(getting):
    def drops(get):
        get.send([i for i in get.instances if i.sop_instance_uid[-1] != "3"])
        get.finish(0xB000, completed=len(get.instances) - 1, failed=1)

    getting.archive.on_get = drops
    result = getting.make()
    refused(result, 80, received=3)
    assert result.missing == {"1.2.3.1.3"}
    heals(getting)


@pytest.mark.parametrize("arrived", [0, 2])
def test_an_archive_that_hangs_is_75(getting, arrived):
    def hangs(get):
        get.send(get.instances[:arrived])
        half_an_object(get)
        get.hang()

    getting.archive.on_get = hangs
    result = getting.make()
    refused(result, 75, received=arrived)
    assert result.seconds < 20
    getting.restart()
    heals(getting)


def test_pending_for_ever_is_75(getting):
    def pending(get):
        while not get.archive.released.wait(0.05):
            get.pending()

    getting.archive.on_get = pending
    refused(getting.make(), 75)
    heals(getting)


def test_an_archive_that_is_killed_is_75_and_heals(getting):
    def dies(get):
        get.send(get.instances[:2])
        half_an_object(get)
        get.archive.kill()

    getting.archive.on_get = dies
    refused(getting.make(), 75, received=2)
    getting.restart()
    heals(getting)


@pytest.mark.parametrize("status", [0xA701, 0xFE00])
def test_a_busy_archive_is_75(getting, status):
    getting.archive.on_get = lambda get: (get.send(get.instances[:1]), get.finish(status))
    refused(getting.make(), 75, received=1)
    heals(getting)


def test_a_failure_without_anything_is_80(getting):
    getting.archive.on_get = lambda get: get.finish(0xC000)
    refused(getting.make(), 80, received=0)


def test_another_study_is_81(getting):
    def foreign(get):
        get.send()
        assert get.store(get.association, instance(study="1.9.9", PatientID="P2")) == 0xC409
        get.finish(0x0000, completed=4)

    getting.archive.on_get = foreign
    result = getting.make()
    refused(result, 81)
    assert result.report["details"] == ["study 1.9.9"]
    heals(getting)


def test_one_uid_with_two_contents_is_81(getting):
    def changes(get):
        get.send()
        get.store(get.association, instance(number=2, StudyDescription="changed"))
        get.finish(0x0000, completed=4)

    getting.archive.on_get = changes
    refused(getting.make(), 81)


def half_an_object(get):
    """Begin a C-STORE and stop in the middle of its data set."""
    data_set = get.read(-1)
    command = dimse.encode_command({**get.store_command(data_set), "CommandDataSetType": 1})
    data = encoded(data_set)
    context = get.association.context_for(str(data_set.SOPClassUID), "1.2.840.10008.1.2.1")
    for control, fragment in ((3, command), (0, data[: len(data) // 2])):
        pdv = struct.pack(">IBB", len(fragment) + 2, context.context_id, control) + fragment
        pdu = struct.pack(">BxI", 4, len(pdv)) + pdv
        get.association._wire.send(pdu, time.monotonic() + 5)
