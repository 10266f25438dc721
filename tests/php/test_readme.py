"""What README.md promises is what the code has."""

import re
from pathlib import Path

import pytest

pytestmark = pytest.mark.peers

SHIM = Path(__file__).resolve().parents[2] / "legacy_php_shim"
README = (SHIM / "README.md").read_text("utf-8")


def test_the_table_of_statuses_is_the_one_of_the_code(site):
    rows = re.findall(r"^\| (\d+) \| ([A-Z_]+) \| (\d+) \|$", README, re.MULTILINE)
    table = site.evaluate("echo json_encode(MkisoResult::CODES);")
    assert rows == [(code, name, str(status)) for code, (name, _, status) in table.items()]


def test_every_file_is_named():
    table = README.split("## Installation")[0]
    for path in SHIM.iterdir():
        if path.name != "README.md" and not re.fullmatch(r"Mkiso(?!Client)\w+\.php", path.name):
            assert f"`{path.name}`" in table, path.name


def test_the_example_for_the_sites_own_code_runs(site, real_site):
    example = next(
        block for block in re.findall(r"```php\n(.*?)```", README, re.DOTALL) if "isOk" in block
    )
    folder = site.folder / "discs"
    folder.mkdir()
    settings = site.folder / "web" / "config.php"
    code = (
        example.replace("/srv/mkiso/", "")
        .replace("array('command' => array('/usr/local/bin/mkiso'))", f"require '{settings}'")
        .replace("/srv/discs", str(folder))
    )
    done = site.script("-r", code)
    path, sha256 = done.stdout.decode().split()
    assert Path(path) == folder / "MR.180505.026.iso"
    assert len(sha256) == 64
