"""The toolbox on lines that are encrypted in both directions."""

import pytest
from certificates import Authority
from toolbox_lab import data_sets, make_people

from mkiso.core.job import Tls


@pytest.fixture(scope="module")
def ours(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("authority")).sign("ours")


def test_every_command_speaks_tls_where_the_configuration_says_so(lab, ours):
    files = {
        "tls_ca_file": str(ours.authority),
        "tls_certificate": str(ours.certificate),
        "tls_key": str(ours.key),
    }
    lab.receiver = {"tls": True, **files}
    people = make_people(lab.folder / "people")
    folder = lab.folder / "files"
    folder.mkdir()
    tls = Tls(str(ours.authority), str(ours.certificate), str(ours.key))
    archive = lab.archive(folder=folder, tls=tls)
    lab.name("pacs", archive.port, tls=True, **files)
    lab.name("plain", archive.port)
    assert lab.run("echo", "pacs").code == 0
    done = lab.run("send", "pacs", people, "--commit")
    assert done.code == 0, done.err
    assert "is committed to keep them" in done.out
    assert len(lab.run("find", "pacs", "--uids").out.split()) == 3
    out = lab.folder / "out"
    done = lab.run("retrieve", "pacs", "--accession", "A1", "--output", out)
    assert done.code == 0, done.err
    assert data_sets(out).items() <= data_sets(people).items()
    assert len(data_sets(out)) == 4
    assert lab.run("find", "plain").code in (75, 76, 78)
