import json
import signal
import time

import pytest
from importing import NAME, stop, stored, wait_for
from odd_archive import Held
from whole_jobs import instance, save


@pytest.fixture
def watching(inbox):
    """Start the program with events (or what is given), and end it whatever happens."""
    begun = []

    def start(*options, **more):
        process = inbox.start(*options, **more)
        begun.append(process)
        assert "Watching" in process.stderr.readline()
        return process

    yield start
    for process in begun:
        if process.poll() is None:
            process.kill()
            process.communicate()


@pytest.mark.parametrize("how", ["--no-poll", "--poll"])
def test_what_was_there_and_what_comes_later_is_imported(inbox, watching, how):
    inbox.archive()
    inbox.put()
    process = watching(how, "--json", settle="2s")
    assert wait_for(inbox.archived)
    inbox.put("#7-Later", study="1.2.9")
    assert wait_for(lambda: inbox.archived("#7-Later"))
    code, out, err = stop(process)
    assert code == 0
    inbox.check_silence(out, err)
    lines = [json.loads(line) for line in out.splitlines()]
    assert [line["instances"] for line in lines] == [3, 3]
    assert len(stored(inbox.folder / "pacs-files")) == 6


def test_a_growing_file_is_not_touched_until_it_is_whole(inbox, watching):
    inbox.archive()
    watching(settle="4s")
    whole = save(inbox.folder, "whole.dcm", instance(PixelData=bytes(512))).read_bytes()
    folder = inbox.root / NAME
    folder.mkdir()
    target = folder / "1.dcm"
    target.touch()
    begin = time.monotonic()
    for start in range(0, len(whole), len(whole) // 10 + 1):
        with target.open("ab") as file:  # opened anew each time, as some uploaders do
            file.write(whole[start : start + len(whole) // 10 + 1])
        assert inbox.rejected() == {}
        time.sleep(0.5)
    assert time.monotonic() - begin > 4
    assert inbox.archived() == []
    assert wait_for(inbox.archived)
    assert inbox.rejected() == {}
    assert len(stored(inbox.folder / "pacs-files")) == 1


def test_killed_in_the_middle_it_goes_on_and_sends_nothing_twice(inbox, watching):
    archive = inbox.archive()
    held = Held(archive, 20)
    inbox.put(count=400)
    process = watching("--json", settle="0s")
    held.wait()
    process.send_signal(signal.SIGKILL)
    process.communicate()
    held.go_on.set()
    assert wait_for(lambda: not archive.associations_open)
    before = archive.contents.instances
    assert 20 <= before < 400, "it was not killed in the middle"
    code, report = inbox.once()
    assert code == 0
    (each,) = report["answer"]["imports"]
    taken = each["destinations"]["pacs"]
    assert taken["taken"] == 400
    assert before - 1 <= taken["earlier"] <= before  # one answer may be on its way
    assert archive.contents.instances == 400
    assert len(list(inbox.archived()[0].rglob("*.dcm"))) == 400
    (job,) = inbox.ledger()["jobs"]
    assert (job["state"], job["attempts"]) == ("done", 2)


def test_a_signal_in_the_middle_ends_it_cleanly_and_the_next_run_goes_on(inbox, watching):
    archive = inbox.archive()
    held = Held(archive, 20)
    inbox.put(count=400)
    process = watching(settle="0s")
    held.wait()
    process.send_signal(signal.SIGTERM)
    held.go_on.set()
    out, err = process.communicate(timeout=60)
    code = process.returncode
    assert code == 0
    assert "next run" in err
    inbox.check_silence(out, err)
    assert list((inbox.root / ".mkiso-watch").glob("*/copies")) == []
    (job,) = inbox.ledger()["jobs"]
    assert job["state"] == "waiting"
    code, report = inbox.once()
    assert code == 0
    assert report["answer"]["imports"][0]["destinations"]["pacs"]["earlier"] >= 20
    assert archive.contents.instances == 400


def test_what_is_added_while_it_is_sent_is_sent_before_anything_is_archived(inbox, watching):
    archive = inbox.archive()
    held = Held(archive, 5)
    folder = inbox.put(count=300)
    process = watching("--json", settle="1s")
    held.wait()
    save(folder, "late.dcm", instance("1.2.3", 7, 1))
    held.go_on.set()
    assert wait_for(inbox.archived)
    code, out, _ = stop(process)
    assert code == 0
    assert archive.contents.instances == 301
    first, last = json.loads(out.splitlines()[0]), json.loads(out.splitlines()[-1])
    assert first["open"]
    assert "changed" in first["message"]
    assert last["destinations"]["pacs"]["earlier"] == 300


def test_a_destination_that_comes_back_gets_the_rest_by_itself(inbox, watching):
    inbox.away()
    inbox.configure(first_pause="1s")
    inbox.put()
    process = watching("--json")
    assert json.loads(process.stdout.readline())["code"] == 84
    again = json.loads(process.stdout.readline())
    assert (again["code"], again["instances"]) == (75, 0)  # not copied to learn that it is away
    inbox.archive("away", port=inbox.nodes["away"]["port"])
    assert wait_for(inbox.archived)
    assert len(stored(inbox.folder / "away-files")) == 3


def test_the_logs_of_each_import_and_of_all(inbox, watching):
    inbox.archive()
    inbox.put()
    process = watching("--json")
    log = json.loads(process.stdout.readline())["log"]
    stop(process)
    text = (inbox.state / "import.log").read_text()
    assert "3 instances, sent to pacs" in text
    assert log.startswith(str(inbox.state))
    inbox.check_silence()
