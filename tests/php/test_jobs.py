"""Jobs that outlive the request that starts them."""

import json
import os
import socket
import stat
import time

import pytest

pytestmark = pytest.mark.peers


def start(site, number):
    answer = site.post("mkiso.php", {"accession_number": number, "start": "1"})
    assert answer.status == 202  # it would be 200 after the end
    assert answer.json["status_url"] == f"mkiso.php?status={answer.json['web_job']}"
    return answer.json["web_job"]


def can_listen(port):
    """Whether nobody has a listening socket there; old connections do not matter."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


def test_a_started_job_answers_at_once_and_tells_how_far_it_is(site):
    site.configure()
    site.serve()
    job = start(site, "SLOW5")
    until = time.monotonic() + 4
    while not (answer := site.get("mkiso2.php", {"status": job})).json["progress"]["line"]:
        assert time.monotonic() < until
        time.sleep(0.02)
    assert answer.status == 202
    assert answer.json["state"] == "running"
    assert answer.json["progress"] == {
        "stage": "retrieve",
        "done": 3,
        "total": 12,
        "part": 0.25,
        "text": "Fetching the images: 3 of 12",
        "line": "Another run uses the port.",
    }
    assert b"Doe" not in answer.body
    assert site.get("mkiso.php", {"job": job, "download": "1"}).status == 202
    answer = site.wait(job)
    assert (answer.status, answer.json["code"], answer.json["state"]) == (200, 0, "done")


def test_a_job_survives_the_web_server_and_holds_nothing_of_it(site):
    site.configure()
    site.serve()
    job = start(site, "SLOW9")
    port = site.port
    site.stop()
    until = time.monotonic() + 6
    while not can_listen(port):  # the workers of the server may still be dying
        assert time.monotonic() < until
        time.sleep(0.02)
    assert not (site.jobs / job / "report.json").read_text()
    site.serve()
    assert site.get("mkiso.php", {"status": job}).status == 202
    assert site.wait(job).json["code"] == 0


def test_a_real_job_runs_through_its_stages_to_a_disc(real_site):
    real_site.serve()
    job = start(real_site, "MR.180505.026")
    seen = set()
    while (answer := real_site.get("mkiso.php", {"status": job})).status == 202:
        seen.add(answer.json["progress"]["stage"])
        time.sleep(0.02)
    assert answer.json["received"] == 5
    assert [disc["name"] for disc in answer.json["discs"]] == ["MR.180505.026.iso"]
    assert str(real_site.folder) not in answer.body.decode()
    stages = {"", "find", "retrieve", "author", "write", "verify", "publish", "forward"}
    assert seen
    assert seen <= stages


def test_the_folder_of_a_job_is_private(site):
    site.configure()
    site.serve()
    job = start(site, "A1")
    site.wait(job)
    folder = site.jobs / job
    for path in (site.jobs, folder, *folder.iterdir()):
        assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0, path


def test_ids_are_128_random_bits(site):
    ids = site.evaluate(
        "$ids = array(); for ($n = 0; $n < 500; $n++) { $ids[] = MkisoJobs::newId(); }"
        "echo json_encode($ids);"
    )
    assert len(set(ids)) == 500
    assert {len(each) for each in ids} == {32}
    bits = [int(each, 16).bit_count() for each in ids]
    assert 60 < sum(bits) / len(bits) < 68


def test_the_deadline_ends_a_job_nobody_waits_for(site):
    site.configure(deadline_seconds=1, grace_seconds=1)
    site.serve()
    began = time.monotonic()
    answer = site.wait(start(site, "DEAF30"))
    assert 2 <= time.monotonic() - began < 20
    assert (answer.status, answer.json["name"]) == (500, "INTERNAL")


def test_no_more_jobs_than_the_site_allows(site):
    site.configure(maximum_jobs=2)
    site.serve()
    jobs = [start(site, "SLOW5"), start(site, "SLOW5")]
    answer = site.post("mkiso.php", {"accession_number": "A1"})
    assert (answer.status, answer.json["code"]) == (503, 75)
    for job in jobs:
        site.wait(job)
    assert site.post("mkiso.php", {"accession_number": "A1"}).status == 200


def test_old_jobs_are_removed_and_running_ones_are_not(site):
    site.configure(keep_hours=1)
    site.serve()
    outside = site.folder / "outside"
    outside.mkdir()
    (outside / "image.iso").write_text("not ours")
    old, young, running = start(site, "A1"), start(site, "A1"), start(site, "SLOW9")
    for job in (old, young):
        site.wait(job)
    (site.jobs / old / "discs" / "A1.iso").write_text("an image")
    (site.jobs / old / "discs" / "link").symlink_to(outside)
    for job in (old, running):
        os.utime(site.jobs / job / "request.json", (time.time() - 4000,) * 2)
    start(site, "A1")
    assert not (site.jobs / old).exists()
    assert (site.jobs / young).exists()
    assert (site.jobs / running).exists()
    assert (outside / "image.iso").exists()


def test_jobs_may_share_a_folder_of_images(real_site):
    images = real_site.folder / "images"
    images.mkdir()
    real_site.configure(output=str(images))
    real_site.serve()
    first = real_site.post("mkiso_multiple.php", {"as": "B1"})
    again = real_site.post("mkiso_multiple.php", {"as": "B1", "download": "1"})
    assert [path.name for path in images.glob("*.iso")] == ["B1.iso"]
    assert again.body == (images / "B1.iso").read_bytes()
    assert first.status == 200


def test_the_report_stays_readable_as_long_as_the_job(site):
    site.configure()
    site.serve()
    job = start(site, "CODE82")
    assert site.wait(job).status == 409
    kept = json.loads((site.jobs / job / "report.json").read_text())
    assert kept["code"] == 82
    assert site.get("mkiso_multiple.php", {"status": job}).json["name"] == "AMBIGUOUS"


def test_a_job_has_the_same_name_in_mkisos_own_books(real_site):
    real_site.serve()
    job = start(real_site, "MR.180505.026")
    assert real_site.wait(job).status == 200
    assert json.loads((real_site.jobs / job / "report.json").read_text())["job"] == job
    status = real_site.evaluate(
        "$client = MkisoWeb::client();echo json_encode($client->status($argv[1], $argv[2]));",
        job,
        str(real_site.jobs / job / "discs"),
    )
    assert (status["state"], status["report"]["received"]) == ("done", 5)


def test_a_report_that_was_lost_is_taken_from_mkisos_own_books(real_site):
    real_site.serve()
    job = start(real_site, "MR.180505.026")
    real_site.wait(job)
    (real_site.jobs / job / "report.json").write_text("")  # a disk that was full
    answer = real_site.get("mkiso.php", {"status": job})
    assert (answer.status, answer.json["received"]) == (200, 5)
    assert real_site.get("mkiso.php", {"job": job, "download": "1"}).status == 200


def test_progress_comes_from_mkiso_status(site):
    """A stand-in whose `status` says something else than its events."""
    says = (
        '#!/bin/sh\nif [ "$1" = status ]; then\n'
        'printf \'{"answer":{"job":{"state":"running","progress":'
        '{"stage":"verify","done":3,"total":4}}}}\'\nexit 0\nfi\n'
        'echo \'{"event": "progress", "stage": "find", "done": 0}\' >&2\nsleep 1\n'
        'printf \'{"code":0,"message":"done","discs":[]}\'\n'
    )
    program = site.folder / "says.sh"
    program.write_text(says)
    program.chmod(0o755)
    site.configure(command=[str(program)], arguments=["--config", "/x", "--viewer=none"])
    site.serve()
    answer = site.get("mkiso.php", {"status": start(site, "A1")})
    assert answer.json["progress"]["text"] == "Checking the disc image: 75 %"
