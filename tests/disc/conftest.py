"""Small file-sets of plain files, for tests that need no DICOM in the image."""

import hashlib
import random

import pytest

from mkiso.core.model import DiscFile, FileSet


@pytest.fixture
def in_memory():
    def make(path, content):
        return DiscFile(path, len(content), hashlib.sha256(content).hexdigest(), content=content)

    return make


@pytest.fixture
def on_disk():
    def make(path, source):
        content = source.read_bytes()
        return DiscFile(path, len(content), hashlib.sha256(content).hexdigest(), source=source)

    return make


@pytest.fixture
def plain_file_set(tmp_path, in_memory, on_disk):
    """Give a file-set whose instances are random bytes in files."""

    def make(series=2, images=3):
        noise = random.Random(20240131)
        files = [
            in_memory("DICOMDIR", noise.randbytes(5001)),
            in_memory("INDEX.HTM", b"<p>index</p>"),
            in_memory("README.TXT", b"readme"),
            in_memory("SHA256.TXT", b"sums"),
        ]
        (tmp_path / "received").mkdir()
        for number in range(series * images):
            source = tmp_path / "received" / f"{number:08d}.dcm"
            source.write_bytes(noise.randbytes(3000 + 2048 * number))
            folder = f"DICOM/PT000000/ST000000/SE{number // images:06d}"
            files.append(on_disk(f"{folder}/IM{number % images:06d}", source))
        return FileSet("TEST", "MKISO_TEST", (), tuple(files))

    return make
