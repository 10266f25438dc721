"""The same file-set as a folder and as ZIP archives, some of them encrypted."""

import hashlib
import json
import os
import subprocess
import zipfile

import pytest
from whole_jobs import study

from mkiso.core.split import FIXED_BYTES
from mkiso.disc.read_back import check_folder, check_zip
from mkiso.disc.zip_writer import NOTICE
from mkiso.stages.verify import check_path

PHRASE = "correct horse battery staple"


@pytest.fixture
def phrase(tmp_path):
    path = tmp_path / "phrase"
    path.write_text(f"{PHRASE}\n")
    return str(path)


def content_of(folder):
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_a_folder_holds_the_file_set(lab, archive):
    result = lab.make(deliver_as="folder", check=False)
    assert result.code == 0, result.report
    (disc,) = result.report["discs"]
    folder = lab.output / "A1"
    assert disc["path"] == str(folder)
    assert check_folder(folder).findings == ()
    assert check_path(folder).passed
    assert sorted(path.name for path in lab.output.iterdir()) == ["A1", "A1.json"]
    assert (folder / "DICOMDIR").stat().st_mode & 0o777 == 0o640
    assert folder.stat().st_mode & 0o777 == 0o750
    assert "STD-GEN-USB-JPEG" in check_folder(folder).profiles


def test_a_folder_that_is_there_already_is_the_same_or_refused(lab, archive):
    lab.make(deliver_as="folder", check=False)
    again = lab.make(deliver_as="folder", check=False)
    assert (again.code, "exist" in again.message) == (0, True)
    (lab.output / "A1" / "DICOMDIR").chmod(0o600)
    (lab.output / "A1" / "DICOMDIR").write_bytes(b"x")
    assert lab.make(deliver_as="folder", check=False).code == 73


def test_a_zip_archive_holds_the_same_files(lab, archive, tmp_path, program):
    lab.make(deliver_as="folder", name="f", check=False)
    result = lab.make(deliver_as="zip", name="z", check=False)
    assert result.code == 0, result.report
    path = lab.output / "z.zip"
    assert check_zip(path).findings == ()
    with zipfile.ZipFile(path) as found:
        assert found.namelist()[0] == "DICOMDIR"
        found.extractall(tmp_path / "unpacked")
    assert content_of(tmp_path / "unpacked") == content_of(lab.output / "f")
    assert program(["verify", str(path)]) == 0


@pytest.mark.peers
def test_other_programs_unpack_the_archive(lab, archive, tmp_path, need_program):
    need_program("7z", "unzip")
    lab.make(deliver_as="zip", check=False)
    for command in (["7z", "t"], ["unzip", "-tq"]):
        subprocess.run(
            [*command, str(lab.output / "A1.zip")], check=True, capture_output=True, timeout=60
        )


def test_a_changed_archive_is_found(lab, archive, tmp_path):
    lab.make(deliver_as="zip", check=False)
    content = bytearray((lab.output / "A1.zip").read_bytes())
    content[len(content) // 3] ^= 1
    bad = tmp_path / "bad.zip"
    bad.write_bytes(content)
    assert check_zip(bad).errors


@pytest.mark.parametrize("name", ["../evil", "/etc/evil", "a\\..\\evil"])
def test_names_that_lead_out_of_an_archive_are_faults(tmp_path, name):
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as made:
        made.writestr(name, b"x")
    assert "zip.path" in {finding.id for finding in check_zip(tmp_path / "a.zip").errors}


def test_a_bomb_is_not_unpacked(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.zip", "w", zipfile.ZIP_DEFLATED) as made:
        made.writestr("BIG", bytes(1_000_000))
    content = (tmp_path / "a.zip").read_bytes()
    size = (1_000_000).to_bytes(4, "little")
    (tmp_path / "a.zip").write_bytes(content.replace(size, (4_000_000_000).to_bytes(4, "little")))
    assert "zip.bomb" in {finding.id for finding in check_zip(tmp_path / "a.zip").errors}


# --- encrypted


@pytest.mark.parametrize("deliver_as", ["iso", "zip"])
def test_an_encrypted_disc_opens_with_the_pass_phrase_alone(lab, archive, phrase, deliver_as):
    pytest.importorskip("pyzipper")
    result = lab.make(deliver_as=deliver_as, encrypt=phrase, check=False)
    assert result.code == 0, result.report
    path = lab.output / "A1.ENCRYPTED.zip"
    assert result.report["discs"][0]["path"] == str(path)
    assert not list(lab.output.glob("*.iso"))
    with zipfile.ZipFile(path) as plain:
        assert b"no IHE PDI medium" in plain.read(NOTICE)
        others = [entry for entry in plain.infolist() if entry.filename != NOTICE]
        assert others
        assert all(entry.flag_bits & 1 for entry in others)
        with pytest.raises((RuntimeError, NotImplementedError)):
            plain.read(others[0], pwd=PHRASE.encode())  # Python's own knows no AES
    good = check_zip(path, passphrase=PHRASE.encode(), as_disc=deliver_as == "zip")
    assert good.errors == ()
    wrong = check_zip(path, passphrase=b"something else 12", as_disc=False)
    assert wrong.errors
    assert "zip.encrypted" in {finding.id for finding in check_zip(path).errors}


@pytest.mark.peers
def test_7zip_opens_the_encrypted_image_which_is_the_disc(
    lab, archive, phrase, tmp_path, need_program
):
    need_program("7z")
    pytest.importorskip("pyzipper")
    lab.make(encrypt=phrase, check=False)
    done = subprocess.run(
        [
            *("7z", "x", "-y", f"-p{PHRASE}", f"-o{tmp_path / 'unpacked'}"),
            str(lab.output / "A1.ENCRYPTED.zip"),
        ],
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-500:]
    (image,) = (tmp_path / "unpacked").glob("*.ISO")
    assert check_path(image).passed
    listed = subprocess.run(
        ["7z", "l", "-slt", str(lab.output / "A1.ENCRYPTED.zip")],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert "AES-256" in listed.stdout


def test_the_pass_phrase_comes_by_a_descriptor_and_is_nowhere_else(lab, archive):
    pytest.importorskip("pyzipper")
    reader, writer = os.pipe()
    os.write(writer, f"{PHRASE}\n".encode())
    os.close(writer)
    try:
        result = lab.make(encrypt=f"fd:{reader}", check=False)
    finally:
        os.close(reader)
    assert result.code == 0, result.report
    sidecar = (lab.output / "A1.ENCRYPTED.json").read_text()
    for text in (json.dumps(result.report), result.log, sidecar):
        assert PHRASE not in text


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"encrypt": "/no/such/file"}, "cannot be read"),
        ({"encrypt": "fd:99"}, "cannot be read"),
        ({"encrypt": "PHRASE", "deliver_as": "folder"}, "A folder cannot be encrypted"),
    ],
)
def test_what_cannot_be_encrypted_is_said_before_anything_is_moved(
    lab, archive, phrase, settings, words
):
    settings = {key: phrase if value == "PHRASE" else value for key, value in settings.items()}
    result = lab.make(check=False, **settings)
    assert (result.code, archive.moves) == (64, [])
    assert words in result.message


def test_a_short_pass_phrase_is_refused(lab, archive, tmp_path):
    (tmp_path / "short").write_text("secret\n")
    result = lab.make(encrypt=str(tmp_path / "short"), check=False)
    assert result.code == 64
    assert "fewer than 12" in result.message


def test_several_discs_are_several_archives(lab):
    study(lab.images, 9)
    lab.start()
    result = lab.make(deliver_as="zip", media_size_bytes=FIXED_BYTES + 6 * 6144, check=False)
    assert [disc["path"].rsplit("/", 1)[1] for disc in result.report["discs"]] == [
        "A1.zip",
        "A1_2.zip",
    ]
