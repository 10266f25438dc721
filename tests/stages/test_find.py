import dataclasses
import shutil
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
from scripted_peer import ScriptedPeer, identifier, raw_peer, respond

from mkiso.core.context import Context
from mkiso.core.identifier import decode_identifier
from mkiso.core.job import Job, Node
from mkiso.errors import (
    AmbiguousError,
    ConfigError,
    LimitError,
    NotFoundError,
    ProtocolError,
    TemporaryError,
    UsageError,
)
from mkiso.network.upper_layer import REJECT_CALLING_AE_TITLE, REJECT_LOCAL_LIMIT
from mkiso.stages import find

ACCESSION, LEVEL, STUDY, SERIES = 0x00080050, 0x00080052, 0x0020000D, 0x0020000E
_READ = frozenset({ACCESSION, LEVEL, STUDY, SERIES, 0x00100010, 0x00201208, 0x00080005})


class Archive:
    """A small archive; its quirks are switches. Studies: UID -> (number, PatientID, series)."""

    def __init__(self, **studies):
        self.studies = {
            f"1.2.{name[1:]}": SimpleNamespace(
                number=number, patient=patient, series=series, more={}
            )
            for name, (number, patient, series) in studies.items()
        }
        self.study_counts = self.series_counts = self.image_level = True
        self.ignores_keys = self.returns_number = False
        self.returns_number = True
        self.queries = []

    def __call__(self, peer, association):
        for message in peer.requests(association):
            syntax = message.context.transfer_syntax
            keys = {
                tag: value.strip(b" \0").decode()
                for tag, value in decode_identifier(message.data, syntax, _READ).items()
            }
            self.queries.append(keys)
            answers = getattr(self, keys[LEVEL].lower())(keys)
            if answers is None:
                respond(association, message, 0xA900)
                continue
            for values in answers:
                respond(association, message, 0xFF00, identifier(syntax, **values))
            respond(association, message, 0x0000)

    def levels(self):
        return [keys[LEVEL] for keys in self.queries]

    def study(self, keys):
        found = []
        for uid, study in self.studies.items():
            asked = (keys[ACCESSION] in ("", study.number), keys[STUDY] in ("", uid))
            if self.ignores_keys or all(asked):
                values = {"t0020000D": uid, "t00100020": study.patient, "t00080052": "STUDY"}
                values["t00100010"] = "Secret^Name"
                if self.returns_number:
                    values["t00080050"] = study.number
                if self.study_counts:
                    values["t00201208"] = str(sum(n for _, n in study.series))
                found.append({**values, **study.more})
        return found

    def series(self, keys):
        return [
            {
                "t00080060": modality,
                "t0020000E": f"{keys[STUDY]}.{number}",
                **({"t00201209": str(count)} if self.series_counts else {}),
            }
            for number, (modality, count) in enumerate(self.studies[keys[STUDY]].series)
        ]

    def image(self, keys):
        if not self.image_level:
            return None
        count = self.studies[keys[STUDY]].series[int(keys[SERIES].rpartition(".")[2])][1]
        return [
            {"t00080018": f"{keys[SERIES]}.{n}", "t00080016": "1.2.840.10008.5.1.4.1.1.2"}
            for n in range(count)
        ]


def context_of(node, *numbers, seconds=60.0, **more):
    job = Job("j1", numbers, node, **more)
    world = SimpleNamespace(warnings=[], log=[], said=[], progress=[])
    context = Context(
        job=job,
        deadline=time.monotonic() + seconds,
        monotonic=time.monotonic,
        log=world.log.append,
        warn=world.warnings.append,
        say=world.said.append,
        progress=world.progress.append,
        require_running=lambda: None,
    )
    return context, world


def run(archive, *numbers, node=None, **more):
    """Run the stage against a scripted archive; return its result and what was said."""
    with ScriptedPeer(archive) as peer:
        context, world = context_of(peer.node(**(node or {})), *numbers, **more)
        result = find.run(context, sleep=lambda _: None)
    world.result = result
    assert "Secret" not in "".join(world.log + world.warnings + world.said)
    return world


def refuses(archive, error, *numbers, match, **more):
    with pytest.raises(error, match=match) as failure:
        run(archive, *numbers, **more)
    assert "Secret" not in failure.value.message
    return failure.value


def mixed():
    return Archive(s3=("A1", "P1", [("CT", 3), ("SR", 1), ("CT", 2)]), s4=("B1", "P2", [("MR", 1)]))


def test_every_instance_of_an_accession_number_is_listed():
    archive = mixed()
    world = run(archive, "A1")
    found = world.result
    assert [s.study_instance_uid for s in found.studies] == ["1.2.3"]
    assert [s.modality for s in found.studies[0].series] == ["CT", "SR", "CT"]
    assert len(found.expected) == 6
    assert len({i.sop_instance_uid for i in found.expected}) == 6
    assert found.expected[0].sop_class_uid == "1.2.840.10008.5.1.4.1.1.2"
    assert (found.filtered, found.count_verified, found.warnings) == (False, True, ())
    assert archive.levels() == ["STUDY", "SERIES", "IMAGE", "IMAGE", "IMAGE"]
    assert world.progress[-1].done == 6


def test_one_association_serves_the_whole_job():
    with ScriptedPeer(mixed()) as peer:
        context, _ = context_of(peer.node(), "A1")
        find.run(context)
        assert peer.associations == 1


def test_a_modality_filter_takes_series_and_lists_what_it_leaves_out():
    found = run(mixed(), "A1", modalities=("SR",)).result
    assert [s.modality for s in found.studies[0].series] == ["SR"]
    assert [s.modality for s in found.left_out] == ["CT", "CT"]
    assert len(found.expected) == 1
    assert found.filtered


def test_a_modality_filter_that_leaves_nothing_is_not_found():
    failure = refuses(mixed(), NotFoundError, "A1", match="modality US", modalities=("US",))
    assert "CT, SR" in failure.message


def test_a_number_that_the_filter_leaves_empty_is_a_warning():
    archive = Archive(s3=("A1", "P1", [("CT", 3)]), s4=("A2", "P1", [("MR", 1)]))
    world = run(archive, "A1", "A2", modalities=("CT",))
    assert [s.study_instance_uid for s in world.result.studies] == ["1.2.3"]
    assert world.warnings == ["Study 1.2.4 has no series with the modality CT; it is left out."]
    assert world.result.warnings == tuple(world.warnings)


def test_several_studies_of_one_number_and_one_patient_all_count():
    archive = Archive(s3=("A1", "P1", [("CT", 3)]), s4=("A1", "P1", [("MR", 1)]))
    world = run(archive, "A1")
    assert len(world.result.studies) == 2
    assert "has 2 studies of one patient" in world.said[0]


@pytest.mark.parametrize("per_patient", [False, True])
def test_several_patients_of_one_number_are_always_refused(per_patient):
    archive = Archive(s3=("A1", "P1", [("CT", 3)]), s4=("A1", "P2", [("MR", 1)]))
    failure = refuses(
        archive, AmbiguousError, "A1", match="'A1' belongs to several", per_patient=per_patient
    )
    assert failure.code == 82
    assert archive.levels() == ["STUDY"]


def test_one_study_under_two_patients_is_refused():
    archive = mixed()
    archive.study = lambda keys: [
        {"t0020000D": "1.2.3", "t00080050": "A1", "t00100020": patient} for patient in ("P1", "P2")
    ]
    refuses(archive, AmbiguousError, "A1", match="several patients")


def test_an_empty_patient_id_is_no_other_patient():
    archive = Archive(s3=("A1", "P1", [("CT", 3)]), s4=("A1", "", [("MR", 1)]))
    assert len(run(archive, "A1").result.studies) == 2


def test_numbers_of_two_patients_need_per_patient():
    refuses(mixed(), AmbiguousError, "A1", "B1", match="--per-patient")
    found = run(mixed(), "A1", "B1", per_patient=True).result
    assert [s.accession_number for s in found.studies] == ["A1", "B1"]


def test_a_study_that_two_numbers_lead_to_is_there_once():
    archive = mixed()
    archive.study = lambda keys: [
        {"t0020000D": "1.2.3", "t00080050": keys[ACCESSION], "t00100020": "P1"}
    ]
    assert len(run(archive, "A1", "A2").result.studies) == 1


def test_an_unknown_number_is_not_found_and_named():
    failure = refuses(mixed(), NotFoundError, "A1", "X9", match="'X9' was not found in abpacs")
    assert failure.code == 66


def test_an_unknown_number_may_be_skipped_with_a_warning():
    world = run(mixed(), "A1", "X9", skip_not_found=True)
    assert world.result.not_found == ("X9",)
    assert "'X9' was not found" in world.warnings[0]
    refuses(mixed(), NotFoundError, "X8", "X9", match="None of what", skip_not_found=True)


def test_an_archive_that_ignores_the_key_is_not_believed():
    archive = mixed()
    archive.ignores_keys = True
    with ScriptedPeer(archive) as peer:
        context, world = context_of(peer.node(), "X9")
        with pytest.raises(NotFoundError):
            find.run(context)
    assert any("2 answers did not match" in line for line in world.log)
    assert archive.levels() == ["STUDY"]


def test_an_archive_that_does_not_return_the_number_is_not_believed():
    archive = mixed()
    archive.returns_number = False
    refuses(archive, NotFoundError, "A1", match="not found")


def test_a_study_by_its_uid_is_that_study_alone():
    archive = Archive(s3=("A1", "P1", [("CT", 3)]), s4=("A1", "P1", [("MR", 1)]))
    found = run(archive, study_instance_uids=("1.2.4",)).result
    assert [s.study_instance_uid for s in found.studies] == ["1.2.4"]
    assert archive.queries[0][ACCESSION] == ""


def test_a_uid_with_a_number_narrows_it():
    archive = Archive(s3=("A1", "P1", [("CT", 3)]), s4=("A1", "P1", [("MR", 1)]))
    found = run(archive, "A1", study_instance_uids=("1.2.4",)).result
    assert [s.study_instance_uid for s in found.studies] == ["1.2.4"]


def test_an_unknown_uid_is_not_found():
    refuses(mixed(), NotFoundError, match="1.2.99 was not found", study_instance_uids=("1.2.99",))


@pytest.mark.parametrize("number", ["", "*", "A?", "A\\B", "A\n", "12345678901234567"])
def test_a_number_that_must_not_be_sent_never_leaves(number):
    with ScriptedPeer(mixed()) as peer:
        context, _ = context_of(peer.node(), number)
        with pytest.raises(UsageError):
            find.run(context)
        assert peer.associations == 0


@pytest.mark.parametrize("uid", ["", "*", "1.2\\1.3"])
def test_a_uid_that_must_not_be_sent_never_leaves(uid):
    with ScriptedPeer(mixed()) as peer:
        context, _ = context_of(peer.node(), study_instance_uids=(uid,))
        with pytest.raises(UsageError):
            find.run(context)
        assert peer.associations == 0


@pytest.mark.parametrize("number", ["-x", "$(id)", "a;b", "접수12"])
def test_an_odd_number_reaches_the_archive_literally(number):
    archive = Archive(s3=(number, "P1", [("CT", 1)]))
    archive.studies["1.2.3"].more = {"t00080005": "ISO_IR 192"}
    assert run(archive, number).result.studies[0].accession_number == number
    assert archive.queries[0][ACCESSION] == number


def test_without_image_level_the_counts_are_taken():
    archive = mixed()
    archive.image_level = False
    world = run(archive, "A1")
    assert world.result.expected == ()
    assert [s.number_of_instances for s in world.result.studies[0].series] == [3, 1, 2]
    assert world.result.count_verified
    assert "counted instead" in world.warnings[0]
    assert archive.levels().count("IMAGE") == 1


def test_the_study_count_serves_where_one_series_has_none():
    archive = Archive(s3=("A1", "P1", [("CT", 3)]))
    archive.image_level = archive.series_counts = False
    found = run(archive, "A1").result
    assert found.studies[0].series[0].number_of_instances == 3
    assert found.count_verified


def test_without_lists_and_counts_nothing_is_verified():
    archive = mixed()
    archive.image_level = archive.series_counts = archive.study_counts = False
    world = run(archive, "A1")
    assert not world.result.count_verified
    assert "cannot be verified" in world.warnings[-1]


def test_without_counts_the_list_is_enough():
    archive = mixed()
    archive.series_counts = archive.study_counts = False
    world = run(archive, "A1")
    assert world.result.count_verified
    assert len(world.result.expected) == 6
    assert world.warnings == []


def test_more_instances_than_allowed_stop_before_image_level():
    archive = mixed()
    failure = refuses(archive, LimitError, "A1", match="6 instances or more", max_instances=5)
    assert failure.code == 85
    assert "IMAGE" not in archive.levels()


def test_more_instances_than_allowed_stop_without_counts_too():
    archive = mixed()
    archive.series_counts = archive.study_counts = False
    refuses(archive, LimitError, "A1", match="max-instances", max_instances=5)


@pytest.mark.parametrize("state", ["OFFLINE", "NEARLINE"])
def test_a_study_that_is_not_online_is_said(state):
    archive = mixed()
    archive.studies["1.2.3"].more = {"t00080056": state}
    assert f"is {state} in the archive" in run(archive, "A1").warnings[0]


def test_an_archive_that_is_down_is_tried_again_and_then_given_up(free_port):
    waits = []
    node = Node("abpacs", "ABPACS", "127.0.0.1", free_port, retries=3)
    context, world = context_of(node, "A1")
    with pytest.raises(TemporaryError, match="cannot be reached") as failure:
        find.run(context, sleep=waits.append)
    assert failure.value.code == 75
    assert len(world.said) == 3
    assert sum(waits) == pytest.approx(2 + 4 + 8)


def test_an_archive_that_comes_back_is_asked_again():
    class Busy(Archive):
        failures = 2

        def study(self, keys):
            self.failures -= 1
            return super().study(keys) if self.failures < 0 else []

    archive = Busy(s3=("A1", "P1", [("CT", 3)]))

    def busy_first(peer, association):
        if peer.associations <= 2:
            for message in peer.requests(association):
                respond(association, message, 0xA700)
            return
        archive.failures = 0
        archive(peer, association)

    world = run(busy_first, "A1", node={"retries": 2})
    assert len(world.result.expected) == 3
    assert len(world.said) == 2


def test_a_transient_rejection_is_retried():
    with ScriptedPeer(mixed(), reject=REJECT_LOCAL_LIMIT) as peer:
        context, world = context_of(peer.node(retries=2), "A1")
        with pytest.raises(TemporaryError, match="local limit"):
            find.run(context, sleep=lambda _: None)
        assert len(world.said) == 2


def test_a_permanent_rejection_is_not_retried_and_names_both_ae_titles():
    with ScriptedPeer(mixed(), reject=REJECT_CALLING_AE_TITLE) as peer:
        context, world = context_of(peer.node(retries=2), "A1")
        with pytest.raises(ConfigError, match=r"ABPACS.*CDRECORD") as failure:
            find.run(context, sleep=lambda _: None)
    assert failure.value.code == 78
    assert world.said == []


def test_an_archive_that_aborts_each_query_probably_does_not_know_us():
    def abort(peer, association):
        for _ in peer.requests(association):
            association.abort()
            return

    with ScriptedPeer(abort) as peer:
        context, _ = context_of(peer.node(retries=2), "A1")
        with pytest.raises(ConfigError, match="does not know the AE title CDRECORD"):
            find.run(context, sleep=lambda _: None)
        assert peer.associations == 3


def test_an_archive_that_aborts_and_is_gone_then_may_come_back():
    def abort(peer, association):
        for _ in peer.requests(association):
            peer._listener.stop(0)
            association.abort()
            return

    with ScriptedPeer(abort) as peer:
        context, _ = context_of(peer.node(retries=2), "A1")
        with pytest.raises(TemporaryError, match="cannot be reached"):
            find.run(context, sleep=lambda _: None)


def test_an_archive_without_study_root_ends_the_job():
    with ScriptedPeer(mixed(), refuse=frozenset({"1.2.840.10008.5.1.4.1.2.2.1"})) as peer:
        context, _ = context_of(peer.node(retries=2), "A1")
        with pytest.raises(ProtocolError, match="does not offer Study Root") as failure:
            find.run(context)
        assert failure.value.code == 76
        assert peer.associations == 1


def test_a_black_hole_ends_at_its_deadline():
    def swallow(connection):
        connection.settimeout(20)
        while connection.recv(4096):
            pass

    with raw_peer(swallow) as port:
        node = Node("abpacs", "ABPACS", "127.0.0.1", port, retries=1)
        context, _ = context_of(node, "A1", seconds=0.5)
        began = time.monotonic()
        with pytest.raises(TemporaryError):
            find.run(context)
    assert time.monotonic() - began < 15


def test_the_deadline_of_the_job_ends_the_waiting():
    def silent(peer, association):
        for _ in peer.requests(association):
            peer.hang()

    with ScriptedPeer(silent) as peer:
        context, _ = context_of(peer.node(find_timeout_seconds=60.0), "A1", seconds=2.0)
        began = time.monotonic()
        with pytest.raises(TemporaryError, match="deadline"):
            find.run(context)
    assert time.monotonic() - began < 15


def grows(archive, change, numbers=("A1",), **more):
    with ScriptedPeer(archive) as peer:
        context, _ = context_of(peer.node(), *numbers, **more)
        found = find.run(context)
        archive.queries.clear()
        change(archive)
        return find.has_grown(found, context)


def set_series(archive, *series):
    archive.studies["1.2.3"].series = list(series)


def test_a_study_that_stays_is_asked_for_counts_only():
    archive = mixed()
    assert not grows(archive, lambda _: None)
    assert archive.levels() == ["STUDY", "SERIES"]


@pytest.mark.parametrize("quirk", ["study_counts", "series_counts"])
def test_one_kind_of_counts_is_enough_to_see_growth(quirk):
    archive = mixed()
    setattr(archive, quirk, False)
    assert not grows(archive, lambda _: None)
    assert "IMAGE" not in archive.levels()
    assert grows(archive, lambda a: set_series(a, ("CT", 4), ("SR", 1), ("CT", 2)))


def test_without_counts_the_instances_are_compared():
    archive = mixed()
    archive.study_counts = archive.series_counts = False
    assert not grows(archive, lambda _: None)
    assert archive.levels().count("IMAGE") == 3
    assert grows(archive, lambda a: set_series(a, ("CT", 3), ("SR", 1), ("CT", 3)))


def test_a_new_series_is_growth():
    assert grows(mixed(), lambda a: a.studies["1.2.3"].series.append(("US", 1)))


def test_a_new_study_of_the_number_is_growth():
    def add(archive):
        archive.studies["1.2.9"] = SimpleNamespace(
            number="A1", patient="P1", series=[("CT", 1)], more={}
        )

    assert grows(mixed(), add)


def test_growth_outside_the_filter_is_none():
    change = lambda a: set_series(a, ("CT", 9), ("SR", 1), ("CT", 2))  # noqa: E731
    archive = mixed()
    archive.study_counts = False
    assert not grows(archive, change, modalities=("SR",))


def test_a_study_that_the_filter_emptied_is_no_growth():
    archive = Archive(s3=("A1", "P1", [("CT", 3)]), s4=("A1", "P1", [("MR", 1)]))
    assert not grows(archive, lambda _: None, modalities=("CT",))


@pytest.fixture(scope="module", params=["dcmqrscp", "orthanc"])
def real_archive(request, tmp_path_factory, shared_tools, shared_data, need_program):
    import peers  # noqa: PLC0415 - only where the programs are

    if request.param == "orthanc":
        need_program("Orthanc", "curl", "ss")
    else:
        need_program("dcmqrscp", "dcmqridx", "dcmftest", "ss")
    small = tmp_path_factory.mktemp("small")
    for n, path in enumerate(_files_of(shared_data, {"A2375892", "2001074932525979", "1"})):
        shutil.copy(path, small / f"f{n}")
    folder = tmp_path_factory.mktemp(request.param) / "state"
    archive = peers.start(request.param, shared_tools, small, folder)
    yield archive
    peers.stop(archive)


def _files_of(shared_data: Path, numbers):
    lines = (shared_data / "MANIFEST.tsv").read_text("utf-8").splitlines()
    columns = lines[0].split("\t")
    number = columns.index("accession")
    rows = [line.split("\t") for line in lines[1:]]
    return [shared_data / row[0] for row in rows if row[number] in numbers]


def real_context(archive, *numbers, **more):
    node = Node("abpacs", "ABPACS", "127.0.0.1", archive.port, retries=0)
    return context_of(node, *numbers, **more)


@pytest.mark.peers
@pytest.mark.data
def test_a_real_archive_lists_a_mixed_study(real_archive, shared_data):
    context, _ = real_context(real_archive, "A2375892")
    found = find.run(context)
    assert found.count_verified
    assert {s.modality for study in found.studies for s in study.series} == {"KO", "PR", "OT"}
    assert len(found.expected) == len(_files_of(shared_data, {"A2375892"}))
    filtered = find.run(
        dataclasses.replace(context, job=dataclasses.replace(context.job, modalities=("KO",)))
    )
    assert {s.modality for study in filtered.studies for s in study.series} == {"KO"}
    assert {s.modality for s in filtered.left_out} == {"PR", "OT"}
    assert not find.has_grown(found, context)


@pytest.mark.peers
@pytest.mark.data
def test_a_real_archive_with_two_patients_under_one_number_is_refused(real_archive):
    context, _ = real_context(real_archive, "1")
    with pytest.raises(AmbiguousError):
        find.run(context)


@pytest.mark.peers
@pytest.mark.data
def test_a_real_archive_does_not_have_a_number_in_lower_case(real_archive):
    context, _ = real_context(real_archive, "a2375892")
    with pytest.raises(NotFoundError):
        find.run(context)


@pytest.mark.peers
@pytest.mark.data
def test_a_real_archive_that_does_not_know_us(real_archive):
    context, _ = real_context(real_archive, "A2375892")
    node = dataclasses.replace(context.job.archive, calling_ae_title="NOBODY", retries=1)
    stranger = context.for_job(dataclasses.replace(context.job, archive=node))
    if real_archive.name == "dcmqrscp":  # it lets everybody ask
        assert find.run(stranger).studies
        return
    with pytest.raises(ConfigError, match="NOBODY"):
        find.run(stranger, sleep=lambda _: None)
