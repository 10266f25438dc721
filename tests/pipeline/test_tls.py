"""Whole jobs whose lines are encrypted, against the embedded archive, dcmtk and Orthanc."""

import contextlib
import dataclasses
import json
import socket
import subprocess
import sys

import peers
import pytest
from certificates import Authority
from ports import listens
from scripted_peer import wait_for
from whole_jobs import instance, save

from mkiso.core.job import Node
from mkiso.errors import ConfigError
from mkiso.pipeline import run


@pytest.fixture(scope="module")
def ours(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("authority")).sign("ours")


@pytest.fixture(scope="module")
def stranger(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("stranger"), "Another Authority").sign("stranger")


def encrypted(lab, ours, *, receiver=None):
    """Let every job of the laboratory speak TLS in both directions."""
    plain = lab.job

    def job(*accessions, **options):
        made = plain(*accessions, **options)
        tls = receiver or ours.tls()
        return dataclasses.replace(made, receiver=dataclasses.replace(made.receiver, tls=tls))

    lab.job = job
    lab.node["tls"] = ours.tls()
    return lab


@pytest.mark.parametrize("way", ["move", "get"])
def test_a_disc_is_made_over_encrypted_lines(lab, ours, way):
    lab.start(tls=ours.tls())
    result = encrypted(lab, ours).make(node={"retrieve": way})
    assert (result.code, len(result.on_disc)) == (0, 4)
    assert "not encrypted" not in result.log
    assert "associated with abpacs, TLSv1.3, TLS_" in result.log


@pytest.mark.fault("F80")
def test_a_receiver_that_the_archive_does_not_trust_says_that_tls_is_the_reason(
    lab, ours, stranger
):
    lab.start(tls=ours.tls())
    result = encrypted(lab, ours, receiver=stranger.tls()).make()
    assert result.code == ConfigError.code
    assert "did not come to terms about TLS" in result.message
    assert "127.0.0.1" in result.message


def test_an_archive_that_sends_without_tls_is_told_apart(lab, ours):
    lab.start()
    made = encrypted(lab, ours)
    made.node["tls"] = None
    result = made.make()
    assert result.code == ConfigError.code
    assert "did not come to terms about TLS" in result.message


def test_an_archive_that_sends_with_tls_to_a_plain_receiver_is_told_apart(lab, ours):
    lab.start(tls=ours.tls())
    lab.node["tls"] = ours.tls()
    result = lab.make()
    assert result.code == ConfigError.code
    assert "begins with TLS" in result.message


@pytest.mark.fault("F80", "F69")
def test_a_bad_certificate_ends_the_job_before_the_archive_is_asked(lab, ours):
    archive = lab.start(tls=ours.tls())
    asked = []
    archive.on_find = lambda *_: asked.append(1)
    broken = dataclasses.replace(ours.tls(), key=str(ours.authority))
    result = encrypted(lab, ours, receiver=broken).make()
    assert (result.code, asked) == (ConfigError.code, [])
    assert str(ours.authority) in result.message


@pytest.mark.fault("F80")
def test_silent_clients_at_the_receiver_do_not_hold_a_job(lab, ours):
    """They never begin their handshake; the archive's association comes through all the same."""
    archive = lab.start(tls=ours.tls())
    with contextlib.ExitStack() as stack:

        def crowd(move):
            for _ in range(48):
                stack.enter_context(socket.create_connection(("127.0.0.1", lab.port)))
            return move.normally()

        archive.on_move = crowd
        result = encrypted(lab, ours).make()
    assert (result.code, len(result.on_disc)) == (0, 4)


@pytest.mark.peers
def test_instances_are_forwarded_over_tls_to_dcmtk(lab, ours, tmp_path, need_program):
    need_program("storescp")
    (port,) = peers.free_ports(1)
    taken = tmp_path / "taken"
    taken.mkdir()
    command = ["storescp", *ours.dcmtk("-rc"), "+B", "-od", str(taken), str(port)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait_for(lambda: listens(port))
        lab.start(tls=ours.tls())
        backup = Node("backup", "BACKUP", "127.0.0.1", port, tls=ours.tls())
        result = encrypted(lab, ours).make(forward=(backup,))
    finally:
        process.kill()
        process.wait(10)
    assert (result.code, result.report["forwarded"][0]["sent"]) == (0, 4)
    assert len(list(taken.iterdir())) == 4


@pytest.mark.peers
def test_a_disc_comes_from_orthanc_over_tls_both_ways(
    tmp_path, lab, ours, shared_tools, need_program
):
    need_program("Orthanc", "curl", "ss")
    (port,) = peers.free_ports(1)
    modality = {
        "AET": "CDRECORD", "Host": "127.0.0.1", "Port": port, "UseDicomTls": True,
        "AllowEcho": True, "AllowFind": True, "AllowMove": True,
    }  # fmt: skip
    extra = {
        "DicomTlsEnabled": True,
        "DicomTlsCertificate": str(ours.certificate),
        "DicomTlsPrivateKey": str(ours.key),
        "DicomTlsTrustedCertificates": str(ours.authority),
        "DicomTlsRemoteCertificateRequired": True,
        "DicomModalities": {"cdrecord": modality},
    }
    members = json.dumps(extra)[1:-1]
    orthanc = peers.start("orthanc", shared_tools, lab.images, tmp_path / "orthanc", EXTRA=members)
    try:
        lab.port, lab.archive_port = port, orthanc.port
        result = encrypted(lab, ours).make()
        assert (result.code, len(result.on_disc)) == (0, 4), result.message
        lab.node["tls"] = None
        refused = lab.job(output_folder=tmp_path / "second")
        refused = dataclasses.replace(refused, deadline_seconds=10.0)
        assert run(refused).code != 0
    finally:
        peers.stop(orthanc)


def test_the_programs_make_a_disc_over_tls(tmp_path, ours):
    """`mkiso archive --tls-…`, `mkiso doctor` and `mkiso make` with a configuration file."""
    images = tmp_path / "images"
    save(images, "1", instance())
    port, receiver = peers.free_ports(2)
    config = tmp_path / "mkiso.toml"
    (tmp_path / "ours.pem").write_bytes(ours.certificate.read_bytes())
    config.write_text(
        f'archive = "pacs"\n[state]\nfolder = "state"\n[job]\noutput = "out"\n'
        f'[receiver]\nport = {receiver}\nbind = "127.0.0.1"\n{ours.toml()}\n'
        f'[nodes.pacs]\nae_title = "ABPACS"\nhost = "127.0.0.1"\nport = {port}\n'
        f"{ours.toml()}\n".replace(str(ours.certificate), "ours.pem")
    )
    mkiso = [sys.executable, "-m", "mkiso"]
    server = subprocess.Popen(
        [
            *mkiso, "archive", str(images), "--port", str(port),
            "--tls-certificate", ours.certificate, "--tls-key", ours.key,
            "--tls-ca-file", ours.authority, "--destination", f"CDRECORD=127.0.0.1:{receiver}",
        ],
        stdout=subprocess.PIPE,
    )  # fmt: skip
    try:
        assert b"listening" in server.stdout.readline()
        doctor = [*mkiso, "doctor", "--config", str(config), "--json", "--test-move", "A1"]
        examined = json.loads(
            subprocess.run(doctor, capture_output=True, timeout=60, check=False).stdout
        )
        answers = [f["message"] for f in examined["findings"] if f["id"] == "tls"]
        assert answers == [f"The certificate {tmp_path / 'ours.pem'} is valid for 2 more days."]
        ours.key.chmod(0o644)
        again = json.loads(
            subprocess.run(doctor[:-2], capture_output=True, timeout=60, check=False).stdout
        )
        ours.key.chmod(0o600)
        assert "open to other users" in json.dumps(again["findings"])
        assert "move destination leads back to us" in examined["findings"][-1]["message"]
        make = [*mkiso, "make", "--config", str(config), "A1"]
        done = subprocess.run(make, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, done.stderr
        assert (tmp_path / "out" / "A1.iso").is_file()
    finally:
        server.terminate()
        server.wait(10)
        server.stdout.close()


@pytest.mark.parametrize("option", ["--tls-key", "--tls-ca-file"])
def test_an_archive_with_tls_needs_a_certificate(tmp_path, ours, option):
    command = [sys.executable, "-m", "mkiso", "archive", str(tmp_path), "--port", "0"]
    done = subprocess.run(
        [*command, option, str(ours.key)], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 64
    assert "--tls-certificate" in done.stderr
