"""C-MOVE and C-GET as PS3.4 C.4.2 and C.4.3 want them; the destination is pynetdicom's."""

from __future__ import annotations

import io
import os
import socket
import threading
from types import SimpleNamespace

import pytest
from pydicom.dataset import Dataset
from pydicom.filereader import read_dataset
from pynetdicom import AllStoragePresentationContexts, evt

from mkiso.archive.operation import Tally
from mkiso.network.transport import AcceptedContext, Message

CT = "1.2.840.10008.5.1.4.1.1.2"
MR = "1.2.840.10008.5.1.4.1.1.4"
STUDY_FIND = "1.2.840.10008.5.1.4.1.2.2.1"
STUDY_MOVE = "1.2.840.10008.5.1.4.1.2.2.2"
STUDY_GET = "1.2.840.10008.5.1.4.1.2.2.3"
PATIENT_MOVE = "1.2.840.10008.5.1.4.1.2.1.2"
EXPLICIT, IMPLICIT = "1.2.840.10008.1.2.1", "1.2.840.10008.1.2"
RLE = "1.2.840.10008.1.2.5"
JANE = [f"1.2.3.1.{n}" for n in (1, 2, 3)] + ["1.2.3.2.1"]


@pytest.fixture
def archive(start, destination):
    return start(destinations={"CDRECORD": ("127.0.0.1", destination.serve())})


@pytest.mark.parametrize(
    ("level", "model", "keys", "expected"),
    [
        ("STUDY", STUDY_MOVE, {"StudyInstanceUID": "1.2.3"}, JANE),
        ("STUDY", STUDY_MOVE, {"StudyInstanceUID": ["1.2.3", "1.2.4"]}, [*JANE, "1.2.4.1.1"]),
        (
            "SERIES",
            STUDY_MOVE,
            {"StudyInstanceUID": "1.2.3", "SeriesInstanceUID": "1.2.3.2"},
            JANE[3:],
        ),
        (
            "IMAGE",
            STUDY_MOVE,
            {
                "StudyInstanceUID": "1.2.3",
                "SeriesInstanceUID": "1.2.3.1",
                "SOPInstanceUID": ["1.2.3.1.1", "1.2.3.1.3"],
            },
            ["1.2.3.1.1", "1.2.3.1.3"],
        ),
        ("PATIENT", PATIENT_MOVE, {"PatientID": "P2"}, ["1.2.5.1.1"]),
        ("STUDY", PATIENT_MOVE, {"PatientID": "P1", "StudyInstanceUID": "1.2.4"}, ["1.2.4.1.1"]),
        ("STUDY", PATIENT_MOVE, {"PatientID": "P2", "StudyInstanceUID": "1.2.4"}, []),
        ("STUDY", STUDY_MOVE, {"StudyInstanceUID": "9.9"}, []),
    ],
)
def test_a_move_sends_what_was_asked_for(
    archive, destination, lab, level, model, keys, expected
) -> None:
    _, final, _ = lab.move(archive, level, model=model, **keys)
    assert final.Status == 0x0000
    assert final.NumberOfCompletedSuboperations == len(expected)
    assert "NumberOfRemainingSuboperations" not in final
    assert destination.instances == expected
    assert destination.associations == (1 if expected else 0)


def test_a_move_names_its_originator(archive, destination, lab) -> None:
    lab.move(archive, "STUDY", StudyInstanceUID="1.2.4")
    assert destination.originators == [("TESTSCU", 77)]


def test_data_sets_are_sent_as_they_are_stored(archive, destination, lab, folder) -> None:
    lab.move(archive, "STUDY", StudyInstanceUID="1.2.4")
    assert (folder / "b/1").read_bytes().endswith(destination.raw[0])
    assert len(destination.raw[0]) > 700


def test_pending_responses_tell_how_far_it_is(archive, lab) -> None:
    pending, _, _ = lab.move(archive, "STUDY", StudyInstanceUID="1.2.3")
    assert pending[0].Status == 0xFF00
    assert pending[0].NumberOfCompletedSuboperations == 1
    assert pending[0].NumberOfRemainingSuboperations == 3


@pytest.mark.parametrize(
    "keys",
    [
        {"AccessionNumber": "A1"},
        {"AccessionNumber": ""},
        {"StudyInstanceUID": ""},
        {"StudyInstanceUID": "1.2.3", "AccessionNumber": ""},
        {"StudyInstanceUID": "1.2.3", "SeriesInstanceUID": "1.2.3.1"},
        {},
    ],
)
def test_a_study_move_by_anything_but_its_unique_key_is_refused(
    archive, destination, lab, keys
) -> None:
    _, final, _ = lab.move(archive, "STUDY", **keys)
    assert final.Status == 0xA900
    assert destination.associations == 0


@pytest.mark.parametrize(
    "keys",
    [
        {"SeriesInstanceUID": "1.2.3.1"},
        {"StudyInstanceUID": ["1.2.3", "1.2.4"], "SeriesInstanceUID": "1.2.3.1"},
    ],
)
def test_a_series_move_needs_one_study(archive, lab, keys) -> None:
    _, final, _ = lab.move(archive, "SERIES", **keys)
    assert final.Status == 0xA900


def test_an_unknown_destination_is_a801(archive, lab) -> None:
    _, final, _ = lab.move(archive, "STUDY", to="NOBODY", StudyInstanceUID="1.2.3")
    assert final.Status == 0xA801


def test_a_destination_that_is_down_is_a702_with_every_uid(start, lab, free_port) -> None:
    archive = start(destinations={"CDRECORD": ("127.0.0.1", free_port)})
    _, final, identifier = lab.move(archive, "STUDY", StudyInstanceUID="1.2.3")
    assert final.Status == 0xA702
    assert final.NumberOfFailedSuboperations == 4
    assert list(identifier.FailedSOPInstanceUIDList) == JANE


def test_one_refused_instance_is_b000_and_the_others_are_sent(archive, destination, lab) -> None:
    destination.answer = lambda uid: 0xA700 if uid == "1.2.3.1.2" else 0x0000
    _, final, identifier = lab.move(archive, "STUDY", StudyInstanceUID="1.2.3")
    assert final.Status == 0xB000
    assert (final.NumberOfCompletedSuboperations, final.NumberOfFailedSuboperations) == (3, 1)
    assert identifier.FailedSOPInstanceUIDList == "1.2.3.1.2"
    assert destination.instances == JANE


def test_a_warning_is_counted_and_is_b000(archive, destination, lab) -> None:
    destination.answer = lambda uid: 0xB000 if uid == "1.2.3.1.2" else 0x0000
    _, final, _ = lab.move(archive, "STUDY", StudyInstanceUID="1.2.3")
    assert final.Status == 0xB000
    assert final.NumberOfWarningSuboperations == 1
    assert final.NumberOfFailedSuboperations == 0


def test_a_file_that_vanished_is_a_failed_sub_operation(archive, destination, lab, folder) -> None:
    (folder / "a/2").unlink()
    _, final, identifier = lab.move(archive, "STUDY", StudyInstanceUID="1.2.3")
    assert final.Status == 0xB000
    assert identifier.FailedSOPInstanceUIDList == "1.2.3.1.2"
    assert len(destination.instances) == 3


def test_a_file_that_became_another_instance_is_not_sent_under_the_old_uid(
    archive, destination, lab, folder
) -> None:
    lab.save(folder, "a/2", lab.make("1.2.5", "1", "99", PatientID="P2", PatientName="Roe"))
    _, final, identifier = lab.move(archive, "STUDY", StudyInstanceUID="1.2.3")
    assert final.Status == 0xB000
    assert identifier.FailedSOPInstanceUIDList == "1.2.3.1.2"
    assert "1.2.3.1.2" not in destination.instances


def test_a_file_that_was_rewritten_is_sent_whole(archive, destination, lab, folder) -> None:
    changed = lab.make("1.2.4", AccessionNumber="A2", StudyDescription="written again")
    lab.save(folder, "b/1", changed)
    lab.move(archive, "STUDY", StudyInstanceUID="1.2.4")
    assert (folder / "b/1").read_bytes().endswith(destination.raw[0])
    assert b"written again" in destination.raw[0]


def test_a_file_cut_short_after_indexing_fails_alone(archive, destination, lab, folder) -> None:
    os.truncate(folder / "a/2", 700)
    _, final, identifier = lab.move(archive, "STUDY", StudyInstanceUID="1.2.3")
    assert final.Status == 0xB000
    assert identifier.FailedSOPInstanceUIDList == "1.2.3.1.2"
    assert len(destination.instances) == 3


def test_a_compressed_object_fails_where_only_uncompressed_is_taken(
    folder, start, destination, lab
) -> None:
    compressed = lab.make("1.2.3", "1", "4")
    compressed.compress(RLE, generate_instance_uid=False)
    lab.save(folder, "a/rle", compressed)
    archive = start(destinations={"CDRECORD": ("127.0.0.1", destination.serve())})
    _, final, identifier = lab.move(archive, "STUDY", StudyInstanceUID="1.2.3")
    assert final.Status == 0xB000
    assert identifier.FailedSOPInstanceUIDList == "1.2.3.1.4"
    assert sorted(destination.instances) == JANE


def test_a_compressed_object_is_sent_as_it_is_where_it_is_taken(
    folder, start, destination, lab
) -> None:
    compressed = lab.make("1.2.9")
    compressed.compress(RLE, generate_instance_uid=False)
    path = lab.save(folder, "rle", compressed)
    port = destination.serve((CT, [RLE, EXPLICIT, IMPLICIT]))
    archive = start(destinations={"CDRECORD": ("127.0.0.1", port)})
    _, final, _ = lab.move(archive, "STUDY", StudyInstanceUID="1.2.9")
    assert final.Status == 0
    assert path.read_bytes().endswith(destination.raw[0])


@pytest.mark.parametrize(("stored", "taken"), [(EXPLICIT, IMPLICIT), (IMPLICIT, EXPLICIT)])
def test_a_plain_object_is_re_encoded_for_the_other_plain_syntax(
    folder, start, destination, lab, stored, taken
) -> None:
    original = lab.make("1.2.9", syntax=stored)
    lab.save(folder, "plain", original)
    port = destination.serve((CT, [taken]))
    archive = start(destinations={"CDRECORD": ("127.0.0.1", port)})
    _, final, _ = lab.move(archive, "STUDY", StudyInstanceUID="1.2.9")
    assert final.Status == 0
    received = lab.decode(destination.raw[0], taken)
    assert received.PixelData == original.PixelData
    assert received.AccessionNumber == original.AccessionNumber


def test_more_classes_than_contexts_take_a_second_association(
    folder, start, destination, lab
) -> None:
    """130 classes need 130 contexts and more; an association has room for 128."""
    classes = [str(c.abstract_syntax) for c in AllStoragePresentationContexts[:130]]
    for n, sop_class_uid in enumerate(classes):
        lab.save(folder, f"p/{n}", lab.make("1.2.9", "1", str(n), SOPClassUID=sop_class_uid))
    port = destination.serve(*((c, [EXPLICIT]) for c in classes[:100]))
    archive = start(destinations={"CDRECORD": ("127.0.0.1", port)})
    _, final, identifier = lab.move(archive, "STUDY", StudyInstanceUID="1.2.9")
    assert final.NumberOfCompletedSuboperations == 100
    assert len(identifier.FailedSOPInstanceUIDList) == 30
    assert destination.associations == 2


def test_a_destination_that_aborts_costs_only_the_instance_it_aborts_at(
    archive, destination, lab
) -> None:
    destination.aborts_at = "1.2.3.1.2"
    _, final, identifier = lab.move(archive, "STUDY", StudyInstanceUID="1.2.3")
    assert final.NumberOfFailedSuboperations == 1
    assert identifier.FailedSOPInstanceUIDList == "1.2.3.1.2"


def test_a_destination_that_hangs_up_on_everything_is_given_up(start, lab) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        connections = []

        def hang_up() -> None:
            while True:
                try:
                    connection, _ = server.accept()
                except OSError:
                    return
                connections.append(connection)
                connection.close()

        threading.Thread(target=hang_up, daemon=True).start()
        port = server.getsockname()[1]
        archive = start(destinations={"CDRECORD": ("127.0.0.1", port)})
        _, final, _ = lab.move(archive, "STUDY", StudyInstanceUID="1.2.3")
        assert final.Status == 0xA702
        assert len(connections) == 1
        server.shutdown(socket.SHUT_RDWR)


def test_a_cancel_ends_a_move_with_fe00_and_the_counts(archive, destination, lab) -> None:
    destination.delay = threading.Event()
    request = Dataset()
    request.QueryRetrieveLevel = "STUDY"
    request.StudyInstanceUID = "1.2.3"
    with lab.associated(archive, STUDY_MOVE) as association:
        responses = association.send_c_move(request, "CDRECORD", STUDY_MOVE, msg_id=9)
        threading.Timer(0.3, lambda: association.send_c_cancel(9, query_model=STUDY_MOVE)).start()
        threading.Timer(3, destination.delay.set).start()  # the cancel is there by then
        *_, (final, _) = responses
    assert final.Status == 0xFE00
    assert final.NumberOfRemainingSuboperations == 3
    assert final.NumberOfCompletedSuboperations == 1
    assert len(destination.instances) == 1


def test_a_requestor_that_goes_away_ends_the_sub_operations(archive, destination, lab) -> None:
    destination.delay = threading.Event()
    request = Dataset()
    request.QueryRetrieveLevel = "STUDY"
    request.StudyInstanceUID = "1.2.3"
    with lab.associated(archive, STUDY_MOVE) as association:
        association.send_c_move(request, "CDRECORD", STUDY_MOVE)
        assert lab.wait_until(lambda: destination.associations == 1)
        association.abort()
    destination.delay.set()
    assert lab.wait_until(lambda: archive.associations_open == 0)
    assert len(destination.instances) == 1


def test_several_moves_run_at_once(archive, destination, lab) -> None:
    results = []

    def one() -> None:
        results.append(lab.move(archive, "STUDY", StudyInstanceUID="1.2.3")[1].Status)

    threads = [threading.Thread(target=one) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert results == [0] * 5
    assert sorted(destination.instances) == sorted(JANE * 5)


# --- C-GET


def get(lab, archive, *contexts, status=lambda uid: 0x0000, **keys):
    """A C-GET at STUDY level: final status, identifier, and the raw data sets that came."""
    received: dict[str, bytes] = {}

    def on_store(event) -> int:
        uid = str(event.request.AffectedSOPInstanceUID)
        received[uid] = event.request.DataSet.getvalue()
        return status(uid)

    request = Dataset()
    request.QueryRetrieveLevel = "STUDY"
    for keyword, value in keys.items():
        setattr(request, keyword, value)
    with lab.associated(
        archive,
        STUDY_GET,
        *contexts,
        roles=sorted({c[0] for c in contexts}),
        handlers=[(evt.EVT_C_STORE, on_store)],
    ) as association:
        *_, (final, identifier) = association.send_c_get(request, STUDY_GET)
    return final, identifier, received


def test_a_get_brings_the_study_on_the_same_association(archive, lab, folder) -> None:
    final, _, received = get(lab, archive, (CT, None), (MR, None), StudyInstanceUID="1.2.3")
    assert final.Status == 0
    assert final.NumberOfCompletedSuboperations == 4
    assert sorted(received) == JANE
    assert (folder / "a/1").read_bytes().endswith(received["1.2.3.1.1"])


def test_a_get_without_a_context_for_a_class_lists_what_it_could_not_send(archive, lab) -> None:
    final, identifier, received = get(lab, archive, (CT, None), StudyInstanceUID="1.2.3")
    assert final.Status == 0xB000
    assert identifier.FailedSOPInstanceUIDList == "1.2.3.2.1"
    assert sorted(received) == JANE[:3]


def test_a_get_is_given_the_syntax_that_most_instances_are_stored_in(folder, start, lab) -> None:
    for n in range(10):
        compressed = lab.make("1.2.9", "1", str(n))
        compressed.compress(RLE, generate_instance_uid=False)
        lab.save(folder, f"rle/{n}", compressed)
    final, _, received = get(lab, start(), (CT, [EXPLICIT, RLE]), StudyInstanceUID="1.2.9")
    assert (final.Status, len(received)) == (0, 10)


def test_a_refused_instance_of_a_get_is_listed(archive, lab) -> None:
    final, identifier, _ = get(
        lab,
        archive,
        (CT, None),
        (MR, None),
        status=lambda uid: 0xC000 if uid == "1.2.3.1.3" else 0,
        StudyInstanceUID="1.2.3",
    )
    assert final.Status == 0xB000
    assert identifier.FailedSOPInstanceUIDList == "1.2.3.1.3"


def test_a_get_by_accession_number_is_refused(archive, lab) -> None:
    final, _, received = get(lab, archive, (CT, None), AccessionNumber="A1")
    assert (final.Status, received) == (0xA900, {})


def test_the_failed_list_fits_one_element_however_many_failed() -> None:
    sent = []
    operation = SimpleNamespace(
        cancelled=False,
        request=Message(AcceptedContext(1, STUDY_MOVE, EXPLICIT), {}, None),
        respond=lambda status, data=None, **counts: sent.append((status, data, counts)),
    )
    tally = Tally(operation, 70_000)
    tally.failed = [f"1.2.840.999999.{n}" for n in range(70_000)]
    tally.remaining = 0
    tally.finish()
    status, data, counts = sent[0]
    listed = read_dataset(io.BytesIO(data), False, True).FailedSOPInstanceUIDList
    assert status == 0xA702
    assert list(listed) == tally.failed[: len(listed)]
    assert len(listed) > 3000
    assert counts["NumberOfFailedSuboperations"] == 65535
