"""The three scripts through a web server."""

import hashlib
import json
import time

import peers
import pytest

from mkiso.core.exit_codes import EXIT_CODES

pytestmark = pytest.mark.peers

STATUS = {
    0: 200, 10: 500, 64: 422, 65: 422, 66: 404, 70: 500, 73: 409, 74: 507, 75: 503, 76: 502,
    77: 403, 78: 502, 80: 500, 81: 409, 82: 409, 83: 500, 84: 500, 85: 413, 86: 500, 87: 422,
    130: 503, 143: 503,
}  # fmt: skip


def test_every_exit_code_has_its_http_status(site):
    assert set(STATUS) == {row.code for row in EXIT_CODES}
    site.configure()
    site.serve()
    for code, status in STATUS.items():
        answer = site.post("mkiso.php", {"accession_number": f"CODE{code}"})
        assert (answer.status, answer.json["code"]) == (status, code)
        assert answer.json["state"] == "done"
        assert "log" not in answer.json
        assert (answer.headers["Retry-After"] is not None) == (status == 503)
    for word in ("EXIT1", "EXIT255", "KILLED"):
        answer = site.post("mkiso.php", {"accession_number": word})
        assert (answer.status, answer.json["name"]) == (500, "INTERNAL")


@pytest.mark.parametrize("method", ["get", "post"])
def test_numbers_come_under_all_their_names(site, method):
    site.configure()
    site.serve()
    ask = getattr(site, method)
    wanted = {
        (("accession_number", "A,1"),): ["A,1"],
        (("accession_numbers[]", "A;1"), ("accession_numbers[]", " B")): ["A;1", " B"],
        (("accession_numbers", "\ufeffA1, B2;\r\n\r\n C 3 \n"),): ["A1", "B2", "C 3"],
        (("as", "A1,B2"),): ["A1", "B2"],
        (("as[]", "A1"), ("accession_number", "B,2"), ("modality", "CT, MR")): ["B,2", "A1"],
        (): [],
    }
    for parameters, numbers in wanted.items():
        job = ask("mkiso_multiple.php", parameters).json["web_job"]
        request = json.loads((site.jobs / job / "request.json").read_text())
        assert request["accessions"] == numbers
        assert request["requested_by"] == "dr.house"
        assert request.get("modality") == (["CT", "MR"] if len(parameters) == 3 else None)
    answer = ask("mkiso.php", {"as": "A1,B2"})
    assert (answer.status, answer.json["code"]) == (422, 64)
    job = ask("mkiso2.php", {"as": "A1", "forward": "evil", "output": "/tmp"}).json["web_job"]
    request = json.loads((site.jobs / job / "request.json").read_text())
    assert request["forward"] == ["forward"]
    assert request["output"] == str(site.jobs / job / "discs")


def test_requests_side_by_side_get_each_their_disc(real_site, together):
    real_site.serve(workers=6)
    wanted = {"MR.180505.026": 5, "2018:123": 1, "B1": 1, "TWICE": None, "NOBODY": None}
    answers = together(
        *(
            lambda number=number: real_site.post("mkiso.php", {"accession_number": number})
            for number in wanted
        )
    )
    assert [answer.status for answer in answers] == [200, 200, 200, 409, 404], [
        a.body for a in answers
    ]
    for (number, count), answer in zip(wanted.items(), answers, strict=True):
        assert answer.json["accessions"] == [number]
        for disc in answer.json["discs"]:
            assert disc["instances"] == count
            image = real_site.request("GET", disc["url"])
            assert hashlib.sha256(image.body).hexdigest() == disc["sha256"]


def test_the_forwarding_script_forwards(real_site, archives):
    real_site.serve()
    answer = real_site.post("mkiso2.php", {"accession_number": "B1"})
    assert answer.status == 200, answer.body
    assert answer.json["forwarded"][0]["sent"] == 1


def test_an_archive_that_is_down_is_503(real_site, archives):
    (port,) = peers.free_ports(1)
    words = ("--set", f"nodes.abpacs.port={port}", "--set", "nodes.abpacs.retries=0")
    real_site.configure(arguments=["--config", str(archives.config), *words])
    real_site.serve()
    answer = real_site.post("mkiso.php", {"accession_number": "B1", "download": "1"})
    assert (answer.status, answer.json["name"], answer.json["retry"]) == (503, "TEMPFAIL", "yes")
    assert answer.headers["Retry-After"] == "60"


HOSTILE = ("; touch {0}", "$(touch {0})", "`touch {0}`", "A\ntouch {0}", "../../etc/passwd", "-A")


def test_hostile_numbers_are_texts_to_mkiso(real_site, together):
    canary = real_site.folder / "canary"
    real_site.serve()
    asked = [text.format(canary) for text in HOSTILE]
    answers = together(
        *(
            lambda text=text, name=name: real_site.post("mkiso_multiple.php", {name: text})
            for text, name in zip(
                asked, ("accession_number", "accession_numbers[]") * 3, strict=True
            )
        )
    )
    for text, answer in zip(asked, answers, strict=True):
        assert answer.status in (404, 422), answer.body
        assert answer.json["code"] == (66 if len(text) <= 16 and text.isprintable() else 64)
    assert not canary.exists()


def test_a_megabyte_of_text_is_refused(real_site):
    real_site.serve()
    answer = real_site.post("mkiso.php", {"accession_number": "A" * 1_000_000})
    assert (answer.status, answer.json["code"]) == (422, 64)
    assert len(answer.body) < 2000
    many = ",".join(f"A{n}" for n in range(150_000))
    answer = real_site.post("mkiso_multiple.php", {"accession_numbers": many})
    assert (answer.status, answer.json["code"]) == (422, 64)


def test_what_php_would_cut_is_refused_whole(site):
    site.configure()
    site.serve("-d", "max_input_vars=50", "-d", "post_max_size=100K")
    answer = site.post("mkiso_multiple.php", [("as[]", f"A{n}") for n in range(80)])
    assert (answer.status, answer.json["code"]) == (422, 64)
    answer = site.post("mkiso_multiple.php", {"as": "A" * 200_000})
    assert answer.status == 413
    assert site.job_folders() == []


NESTED = (
    {"accession_number[a][b]": "A"},
    {"accession_numbers[][]": "A"},
    {"as[x][y][z]": "A"},
    {"accession_number": "A", "modality[][]": "CT"},
)


def test_arrays_in_arrays_are_refused(site):
    site.configure()
    site.serve()
    for parameters in NESTED:
        for ask in (site.get, site.post):
            answer = ask("mkiso.php", parameters)
            assert (answer.status, answer.json["code"]) == (422, 64)
    assert site.job_folders() == []


def test_text_that_is_not_utf_8_is_refused(site):
    site.configure()
    site.serve()
    answer = site.request("GET", "mkiso.php?accession_number=M%FCller")
    assert (answer.status, answer.json["code"]) == (422, 64)


def test_no_text_but_an_id_leads_to_a_job(site):
    site.configure()
    (site.jobs / ("A" * 32)).mkdir(parents=True)
    site.serve()
    for job in ("../jobs", "0" * 31, "0" * 32 + "\n", "0" * 32, "A" * 32, ""):
        for parameters in ({"status": job}, {"job": job, "download": "1"}, {"status[]": job}):
            assert site.get("mkiso.php", parameters).status == 404
        assert site.get("index.php", {"job": job}).status == 404


def test_other_methods_are_refused(site):
    site.configure()
    site.serve()
    for method, target in (
        ("PUT", "mkiso.php"),
        ("HEAD", "mkiso.php?as=A"),
        ("DELETE", "mkiso.php"),
    ):
        answer = site.request(method, target)
        assert answer.status == 405
        assert answer.headers["Allow"] == "GET, HEAD, POST"
    assert site.job_folders() == []


def test_every_answer_keeps_out_of_caches_and_frames(site):
    site.configure()
    site.serve()
    for answer in (
        site.get("mkiso.php", {"as": "A"}),
        site.get("mkiso.php", {"status": "0" * 32}),
        site.get("index.php"),
        site.post("index.php", {"as": "A"}),
    ):
        assert answer.headers["Cache-Control"] == "no-store"
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert "frame-ancestors 'none'" in answer.headers["Content-Security-Policy"]
        assert answer.headers["X-Powered-By"] is None


def test_a_bug_shows_no_trace(site):
    site.configure()
    (site.web / "config.php").write_text("<?php\nthrow new RuntimeException('Doe^Jane');\n")
    site.serve()
    for script in ("mkiso.php", "index.php"):
        answer = site.get(script, {"as": "A"})
        assert answer.status == 500
        assert b"bug" in answer.body
        for secret in (b"Doe", b"config.php", b"Stack", b"RuntimeException"):
            assert secret not in answer.body
    log = (site.folder / "server.log").read_text()
    assert "RuntimeException" in log
    assert "Doe" not in log


def test_a_work_folder_that_would_be_shown_to_everybody_is_refused(site):
    (site.web / "work").mkdir()
    for work, words in (
        (site.web / "work", "shows files to everybody"),
        (site.folder / "none", "is not there"),
    ):
        site.configure(work=str(work))
        site.stop()
        site.serve()
        answer = site.get("mkiso.php", {"as": "A"})
        assert (answer.status, answer.json["code"]) == (502, 78)
        assert words in answer.json["message"]


def test_the_blocking_answer_comes_soon_after_the_end(site):
    site.configure()
    site.serve()
    began = time.monotonic()
    assert site.get("mkiso.php", {"as": "SLOW1"}).status == 200
    assert 1 <= time.monotonic() - began < 6
