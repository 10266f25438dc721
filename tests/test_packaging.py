"""The wheel alone, in a venv of its own and from another folder, makes a disc."""

import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest
from check_disc import check_disc

PROJECT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder)]
    subprocess.run([*command, str(PROJECT)], check=True, capture_output=True, timeout=120)
    (built,) = folder.glob("*.whl")
    return built


def test_the_wheel_has_templates_schema_and_licence(wheel):
    names = zipfile.ZipFile(wheel).namelist()
    assert "mkiso/templates/disc/INDEX.HTM" in names
    assert "mkiso/core/report_schema.json" in names
    assert any(name.endswith("LICENSE") for name in names)
    assert not [name for name in names if name.startswith(("tests/", "templates/"))]


@pytest.mark.slow
def test_the_installed_wheel_makes_a_disc_from_another_folder(wheel, tmp_path):
    venv = tmp_path / "venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(venv)], check=True)
    python = venv / "bin" / "python"
    packages = subprocess.run(
        [python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"],
        check=True,
        capture_output=True,
        text=True,
    ).stdout.strip()
    zipfile.ZipFile(wheel).extractall(packages)
    # The dependencies are those of this environment; a plain path in a .pth file does not bring
    # its editable installs along.
    Path(packages, "dependencies.pth").write_text(sysconfig.get_path("purelib"))
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    environ = {"PATH": "/usr/bin:/bin", "HOME": str(tmp_path)}
    where = subprocess.run(
        [python, "-c", "import mkiso; print(mkiso.__file__)"],
        check=True,
        capture_output=True,
        text=True,
        cwd=elsewhere,
        env=environ,
    ).stdout
    assert where.startswith(str(venv))
    done = subprocess.run(
        [python, "-m", "mkiso", "demo", "--output", "discs"],
        cwd=elsewhere,
        env=environ,
        capture_output=True,
        text=True,
        timeout=150,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    check_disc(elsewhere / "discs" / "DEMO2026.iso")
