"""Nothing without authorise(), nothing that another site's page could have sent."""

import json
import time

import pytest

pytestmark = pytest.mark.peers

SESSION = """
<?php
function authorise(array $request)
{
    session_save_path('%s');
    session_start();
    return empty($_SESSION['user']) ? false : $_SESSION['user'];
}
"""
LOGIN = "<?php session_save_path('%s'); session_start(); $_SESSION['user'] = 'dr.house';"
NO = {
    "no file": None,
    "no function": "<?php\n",
    "nothing": "<?php\nfunction authorise() {}\n",
    "one": "<?php\nfunction authorise() { return 1; }\n",
    "empty": "<?php\nfunction authorise() { return ''; }\n",
    "array": "<?php\nfunction authorise() { return array('dr.house'); }\n",
    "exception": "<?php\nfunction authorise() { throw new Exception('Doe^Jane'); }\n",
    "error": "<?php\nfunction authorise() { return no_such(); }\n",
    "syntax": "<?php\nfunction authorise( {\n",
}


def test_everything_is_refused_unless_the_site_says_yes(site):
    job = site.jobs / ("a" * 32)
    (job / "discs").mkdir(parents=True)
    (job / "request.json").write_text('{"accessions":["A1"]}')
    (job / "report.json").write_text('{"code":0,"message":"secret","discs":[]}')
    site.serve()
    for reason, authorise in NO.items():
        site.configure(authorise=authorise)
        for script in ("mkiso.php", "mkiso2.php", "mkiso_multiple.php", "index.php"):
            for answer in (
                site.get(script, {"as": "A1"}),
                site.get(script, {"as[][]": "A1"}),
                site.post(script, {"as": "A1"}),
                site.get(script, {"status": job.name}),
                site.get(script, {"job": job.name, "download": "1"}),
                site.get(script, {"job": "b" * 32}),
            ):
                assert answer.status == 403, reason
                for secret in (b"secret", b"A1", b"Doe", b"Exception"):
                    assert secret not in answer.body
    assert site.job_folders() == [job]


def test_authorise_hears_what_is_asked(site):
    heard = site.folder / "heard"
    site.configure(
        authorise="<?php\nfunction authorise(array $request) {"
        f" file_put_contents('{heard}', json_encode($request) . \"\\n\", FILE_APPEND);"
        " return true; }\n"
    )
    site.serve()
    job = site.get("mkiso_multiple.php", {"as": "A1,A2"}).json["web_job"]
    site.post("mkiso.php", {"accession_number": "A3"})
    site.get("mkiso.php", {"status": job})
    site.get("mkiso2.php", {"job": job, "download": "1"})
    site.get("index.php", {"as": "A1"})
    asked = [json.loads(line) for line in heard.read_text().splitlines()]
    assert [tuple(each.values()) for each in asked] == [
        ("make", "mkiso_multiple.php", ["A1", "A2"], False),
        ("make", "mkiso.php", ["A3"], True),
        ("status", "mkiso.php", ["A1", "A2"], True),
        ("download", "mkiso2.php", ["A1", "A2"], True),
        ("page", "index.php", [], True),
    ]
    request = json.loads((site.jobs / job / "request.json").read_text())
    assert "requested_by" not in request


def test_a_site_file_that_prints_does_not_spoil_the_answer(site):
    site.configure(authorise="\ufeff\n<?php\nfunction authorise() { echo 'hello'; return true; }\n")
    site.serve()
    answer = site.get("mkiso.php", {"as": "A1"})
    assert answer.status == 200
    assert answer.json["code"] == 0


def test_a_visitor_who_waits_does_not_hold_up_his_other_requests(site, together):
    sessions = site.folder / "sessions"
    sessions.mkdir()
    site.configure(authorise=SESSION.strip() % sessions)
    (site.web / "login.php").write_text(LOGIN % sessions)
    site.serve()
    assert site.get("mkiso.php", {"as": "A1"}).status == 403
    cookie = site.get("login.php").headers["Set-Cookie"].split(";")[0]
    job = site.get("mkiso.php", {"as": "SLOW9", "start": "1"}, Cookie=cookie).json["web_job"]

    def wait():
        return site.get("mkiso.php", {"as": "SLOW5"}, Cookie=cookie), time.monotonic()

    def ask():
        time.sleep(1)  # until the other request has passed authorise()
        return site.get("mkiso.php", {"status": job}, Cookie=cookie).status, time.monotonic()

    (slow, slow_end), (status, end) = together(wait, ask)
    assert (slow.status, status) == (200, 202)
    assert end < slow_end
    assert slow.headers["Cache-Control"] == "no-store"
    request = json.loads((site.jobs / job / "request.json").read_text())
    assert request["requested_by"] == "dr.house"


def test_a_post_needs_the_token_of_our_page(site):
    site.configure()
    site.serve()
    wrong = "f" * 32
    for script in ("mkiso.php", "index.php"):
        for answer in (
            site.post(script, {"as": "A1"}, token=wrong),
            site.post(script, {"as": "A1"}, token=""),
            site.post(script, {"as": "A1"}, Cookie="other=1"),
            site.post(script, {"as": "A1"}, token="", Cookie="mkiso_token="),
            site.post(script, {"as": "A1", "token[]": wrong}, token=wrong),
            site.post(script, {"as": "A1"}, Sec_Fetch_Site="cross-site"),
            site.post(script, {"as": "A1"}, Sec_Fetch_Site="same-site"),
        ):
            assert answer.status == 403
    assert site.job_folders() == []
    assert site.post("mkiso.php", {"as": "A1"}, Sec_Fetch_Site="same-origin").status == 200


def test_the_page_gives_a_token_that_no_script_and_no_other_site_sees(site):
    site.configure()
    site.serve()
    page = site.get("index.php")
    cookie = page.headers["Set-Cookie"]
    value = cookie.split(";")[0].split("=")[1]
    assert len(value) == 32
    assert f'name="token" value="{value}"' in page.body.decode()
    assert "HttpOnly; SameSite=Strict" in cookie
    answer = site.post("index.php", {"as": "A1"}, token=value, Cookie=f"mkiso_token={value}")
    assert answer.status == 303


def test_the_sample_lets_nobody_in_without_the_sites_login(site):
    site.configure(authorise=(site.web / "authorise.sample.php").read_text())
    sessions = site.folder / "sessions"
    sessions.mkdir()
    (site.web / "login.php").write_text(LOGIN % sessions)
    site.serve("-d", f"session.save_path={sessions}")
    assert site.get("index.php").status == 403
    cookie = site.get("login.php").headers["Set-Cookie"].split(";")[0]
    assert site.get("index.php", Cookie=cookie).status == 200
    assert site.get("mkiso.php", {"as": "A1"}, Cookie=cookie).status == 403
    both = {"Cookie": f"{cookie}; mkiso_token={'0123456789abcdef' * 2}"}
    assert site.post("mkiso.php", {"as": "A1"}, **both).status == 200
    old = site.web / "authorise.php"
    old.write_text(old.read_text().replace("// $oldLinks", "$oldLinks"))
    assert site.get("mkiso.php", {"as": "A1"}, Cookie=cookie).status == 200
