"""Images through the web: whole, in ranges, and never another than the one that was verified."""

import hashlib
import json

import pytest

pytestmark = pytest.mark.peers

CONTENT = bytes(range(256)) * 40
SHA256 = hashlib.sha256(CONTENT).hexdigest()
ID = "0123456789abcdef" * 2


@pytest.fixture
def job(site):
    """A job that has ended, with a disc in its folder."""
    site.configure()
    folder = site.jobs / ID
    (folder / "discs").mkdir(parents=True)
    image = folder / "discs" / "A1.iso"
    image.write_bytes(CONTENT)
    image.with_suffix(".json").write_text(json.dumps({"sha256": SHA256}))
    (folder / "request.json").write_text('{"accessions":["A1"]}')
    write_report(folder, [disc_of(image)])
    site.serve()
    return folder


def disc_of(image, **changes):
    size = image.stat().st_size
    disc = {"path": str(image), "size_bytes": size, "sha256": SHA256, "instances": 3}
    return {**disc, "number": 1, "of": 1, "complete": True, **changes}


def write_report(folder, discs, code=0):
    report = {"code": code, "message": "A sentence.", "discs": discs}
    (folder / "report.json").write_text(json.dumps(report))


def take(site, method="GET", **headers):
    return site.request(method, f"mkiso.php?job={ID}&download=1", **headers)


def test_the_disc_is_streamed_byte_for_byte(real_site):
    real_site.serve()
    answer = real_site.post("mkiso.php", {"accession_number": "2018:123", "download": "1"})
    assert answer.status == 200
    assert answer.headers["Content-Type"] == "application/x-iso9660-image"
    digest = hashlib.sha256(answer.body).hexdigest()
    assert answer.headers["ETag"] == f'"{digest}"'
    (image,) = real_site.jobs.glob("*/discs/*.iso")
    assert digest == hashlib.sha256(image.read_bytes()).hexdigest()
    assert answer.headers["Content-Disposition"] == f'attachment; filename="{image.name}"'
    assert "Doe" not in answer.headers.as_string()


def test_head_tells_what_get_would_send(site, job):
    head, whole = take(site, "HEAD"), take(site)
    assert (head.status, head.body) == (200, b"")
    assert whole.body == CONTENT
    for name in ("Content-Length", "ETag", "Content-Type", "Accept-Ranges", "Repr-Digest"):
        assert head.headers[name] == whole.headers[name]
    assert head.headers["Content-Length"] == str(len(CONTENT))


RANGES = (
    ("bytes=0-0", 0, 0),
    ("bytes=100-199", 100, 199),
    ("bytes=10000-", 10000, 10239),
    ("bytes=10000-999999999999999999", 10000, 10239),
    ("bytes=-5", 10235, 10239),
    ("bytes=-99999", 0, 10239),
    ("BYTES = 1-2 ", 1, 2),
)


def test_a_range_is_answered_with_its_bytes(site, job):
    for header, first, last in RANGES:
        answer = take(site, Range=header)
        assert answer.status == 206, header
        assert answer.body == CONTENT[first : last + 1]
        assert answer.headers["Content-Range"] == f"bytes {first}-{last}/10240"
    head = take(site, "HEAD", Range="bytes=100-199")
    assert (head.status, head.headers["Content-Length"]) == (206, "100")


def test_a_range_behind_the_end_is_416(site, job):
    for header in ("bytes=10240-", "bytes=99999-100000", "bytes=-0"):
        answer = take(site, Range=header)
        assert (answer.status, answer.body) == (416, b""), header
        assert answer.headers["Content-Range"] == "bytes */10240"


def test_what_is_not_one_range_is_answered_with_the_whole(site, job):
    long = f"bytes=1{'0' * 30}-"
    for header in ("bytes=0-1,4-5", "bytes=5-2", "bytes=-", "bytes=a-b", "items=0-1", long):
        answer = take(site, Range=header)
        assert (answer.status, answer.body) == (200, CONTENT), header


def test_a_download_goes_on_only_with_the_same_image(site, job):
    same = take(site, Range="bytes=5-", If_Range=f'"{SHA256}"')
    other = take(site, Range="bytes=5-", If_Range='"0"')
    dated = take(site, Range="bytes=5-", If_Range="Sat, 21 Nov 2026 13:06:56 GMT")
    assert [answer.status for answer in (same, other, dated)] == [206, 200, 200]


def test_an_image_that_is_not_the_verified_one_is_not_given(site, job):
    image = job / "discs" / "A1.iso"
    sidecar = image.with_suffix(".json")
    good = sidecar.read_text()
    sidecar.write_text(json.dumps({"sha256": "0" * 64}))
    assert take(site).status == 410
    sidecar.unlink()
    assert take(site).status == 410
    sidecar.write_text(good)
    assert take(site).status == 200
    image.write_bytes(CONTENT[:-1])
    assert take(site).status == 410
    image.unlink()
    answer = take(site)
    assert (answer.status, answer.json["name"]) == (410, "NOT_FOUND")
    assert str(job) not in answer.body.decode()


def test_an_image_outside_of_the_jobs_folder_is_not_given(site, job):
    outside = site.folder / "discs_of_another"
    outside.mkdir()
    image = outside / "A1.iso"
    (job / "discs" / "A1.iso").rename(image)
    (job / "discs" / "A1.json").rename(image.with_suffix(".json"))
    write_report(job, [disc_of(image)])
    assert take(site).status == 410
    (job / "discs" / "A1.iso").symlink_to(image)
    write_report(job, [disc_of(job / "discs" / "A1.iso")])
    assert take(site).status == 410


def test_of_several_discs_one_must_be_named(site, job):
    image = job / "discs" / "A1.iso"
    second = job / "discs" / "A1_2.iso"
    second.write_bytes(CONTENT)
    second.with_suffix(".json").write_text(json.dumps({"sha256": SHA256}))
    discs = [disc_of(image, of=2), disc_of(second, number=2, of=2)]
    write_report(job, discs)
    answer = take(site)
    assert answer.status == 300
    assert [disc["name"] for disc in answer.json["discs"]] == ["A1.iso", "A1_2.iso"]
    second_answer = site.request("GET", answer.json["discs"][1]["url"])
    assert second_answer.headers["Content-Disposition"].endswith('"A1_2.iso"')
    for wrong in ("0", "-1", "3", "1e0", "x", "../A1"):
        status = site.get("mkiso.php", {"job": ID, "download": "1", "disc": wrong}).status
        assert status in (300, 404)


def test_a_good_disc_of_a_failed_forwarding_is_given_by_its_link_only(site, job):
    write_report(job, [disc_of(job / "discs" / "A1.iso")], code=84)
    answer = site.get("mkiso.php", {"status": ID})
    assert (answer.status, answer.json["name"]) == (500, "FORWARD")
    assert site.request("GET", answer.json["discs"][0]["url"]).body == CONTENT
