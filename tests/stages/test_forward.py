"""The stage alone: what is written down while it sends, and what it reports when it is ended."""

from pathlib import Path

import pytest
from finishing import Finishing
from scripted_peer import ScriptedPeer, respond
from whole_jobs import laboratory, study

from mkiso.core.context import Context
from mkiso.core.disc_content import Disc
from mkiso.core.job import Node
from mkiso.errors import InterruptedJobError, LimitError
from mkiso.network.store import OutgoingFile
from mkiso.stages import forward
from mkiso.storage.ledger import Ledger


class Recording(Ledger):
    """A ledger that remembers how it was written."""

    def __init__(self):
        super().__init__(None, lambda _: None)
        self.batches, self.known = [], {}

    def forwarded(self, image_sha256, node):
        return dict(self.known.get((image_sha256, node), {}))

    def record_forwarded(self, image_sha256, node, statuses):
        self.batches.append((node, len(statuses)))
        self.known.setdefault((image_sha256, node), {}).update(statuses)


def storing(peer, association):
    for message in peer.requests(association):
        respond(association, message, 0x0000)


def backup(script=storing):
    return ScriptedPeer(script, ae_title="BACKUP", syntaxes=None)


class Forwarding:
    """A finished disc and a job that forwards it."""

    def __init__(self, folder, disc=None):
        self.finishing = Finishing(folder)
        self.disc = disc or self.finishing.publish()
        self.ledger, self.said, self.told = Recording(), [], []
        self.require_running = lambda: None

    def run(self, *nodes):
        self.finishing.with_job(forward=nodes)
        plain = self.finishing.context
        context = Context(
            job=self.finishing.job,
            deadline=1e12,
            monotonic=lambda: 0.0,
            log=plain.log,
            warn=plain.warn,
            say=self.said.append,
            progress=plain.progress,
            require_running=lambda: self.require_running(),  # noqa: PLW0108 - changed by tests
        )
        return forward.run((self.disc,), context, ledger=self.ledger, tell=self.told.append)


@pytest.fixture
def forwarding(tmp_path):
    return Forwarding(tmp_path)


def _made(folder):
    folder.mkdir()
    return folder


@pytest.fixture
def large(tmp_path):
    """A disc of 230 instances."""
    with laboratory(_made(tmp_path / "lab")) as lab:
        study(lab.images, 230)
        lab.start()
        disc = lab.make().report["discs"][0]
        path = Path(disc["path"])
        yield Forwarding(
            tmp_path,
            Disc(
                path, path.with_suffix(".json"), disc["size_bytes"], disc["sha256"],
                disc["volume_id"], disc["instances"],
            ),
        )  # fmt: skip


def test_statuses_are_written_in_batches(large):
    with backup() as peer:
        (report,) = large.run(peer.node(retries=0))
    assert (report.sent, report.failed) == (230, ())
    assert [count for _, count in large.ledger.batches] == [100, 100, 30]


def test_what_a_node_took_is_written_when_the_run_is_stopped(large):
    with backup() as peer:

        def stop():
            if len(peer.commands) >= 150:
                raise InterruptedJobError("Interrupted.")

        large.require_running = stop
        with pytest.raises(InterruptedJobError):
            large.run(peer.node(retries=0))
    assert sum(count for _, count in large.ledger.batches) == 150
    ((report,),) = large.told
    assert (report.sent, len(report.failed)) == (150, 80)
    large.require_running = lambda: None
    with backup() as peer:
        large.ledger.known = {
            (sha, f"BACKUP@127.0.0.1:{peer.node().port}"): statuses
            for (sha, _), statuses in large.ledger.known.items()
        }
        (report,) = large.run(peer.node(retries=0))
        assert (report.sent, len(peer.commands)) == (230, 80)
        assert large.said == ["abpacs has 150 instances already."]


def test_nodes_are_known_by_their_address_not_by_their_name(forwarding):
    with backup() as peer:
        node = peer.node(retries=0)
        forwarding.run(node)
        renamed = Node("other", node.ae_title, node.host, node.port, retries=0)
        (report,) = forwarding.run(renamed)
        assert (report.node, report.sent, len(peer.commands)) == ("other", 3, 3)


def test_several_associations_share_the_work(large):
    seen = set()

    def noting(peer, association):
        seen.add(association.peer_port)
        storing(peer, association)

    with backup(noting) as peer:
        (report,) = large.run(peer.node(retries=0, forward_associations=3))
        uids = [command["AffectedSOPInstanceUID"] for command in peer.commands]
    assert (report.sent, len(seen)) == (230, 3)
    assert len(set(uids)) == len(uids) == 230


def test_progress_is_told_for_each_node(forwarding):
    with backup() as peer:
        forwarding.run(peer.node(retries=0))
    stages = [p for p in forwarding.finishing.progressed if p.stage == "forward"]
    assert [(p.done, p.total, p.note) for p in stages] == [(n, 3, "abpacs") for n in (1, 2, 3)]


def test_an_instance_too_large_to_decode_is_not_read_into_memory(tmp_path):
    file = OutgoingFile(tmp_path / "nowhere", 0, 1 << 40, "1.2", "1.3", "1.2.840.10008.1.2.5")
    with pytest.raises(LimitError):
        forward.decoded_file(file, "1.2.840.10008.1.2.1")


def test_a_bug_in_one_node_s_sending_is_raised_and_the_others_are_done(forwarding, monkeypatch):
    real = forward.send_files

    def broken(node, files, **more):
        if node.name == "broken":
            raise ZeroDivisionError
        real(node, files, **more)

    monkeypatch.setattr(forward, "send_files", broken)
    with backup() as peer:
        node = peer.node(retries=0)
        bad = Node("broken", "X", "127.0.0.1", 1)
        with pytest.raises(ZeroDivisionError):
            forwarding.run(bad, node)
    ((first, second),) = forwarding.told
    assert (len(first.failed), second.sent) == (3, 3)
