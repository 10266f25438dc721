"""`mkiso batch --deidentify` as the program: discs of nobody, from files that are found later."""

import json
import os
import subprocess
import sys

from batch_runs import studies
from deidentified import KEY, every_byte
from whole_jobs import SECRETS

from mkiso.stages.verify import check_path

NUMBERS = ("ACC-77001", "ACC-77002")


def batch(lab, *options, cwd, listed=True):
    """Run the list, or what the ledger has left."""
    path = lab.folder / "list.txt"
    path.write_text("\n".join(NUMBERS))
    done = subprocess.run(
        [
            sys.executable, "-m", "mkiso", "batch", *([str(path)] if listed else []), "--json",
            "--archive", f"ABPACS@127.0.0.1:{lab.archive_port}",
            "--receiver", f"CDRECORD@127.0.0.1:{lab.port}", "--output", str(lab.output),
            "--viewer", "none", "--set", f"state.folder={lab.folder / 'state'}",
            "--set", "job.minimum_free=0", *options,
        ],
        cwd=cwd, capture_output=True, text=True, timeout=120, check=False,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )  # fmt: skip
    return done.returncode, json.loads(done.stdout), done.stderr


def test_every_line_is_a_disc_of_nobody_and_the_same_list_makes_none_twice(lab):
    studies(lab, *NUMBERS)
    lab.restart()
    (lab.folder / "site.key").write_bytes(KEY)
    options = ("--deidentify", "--deidentify-key", "site.key")
    code, report, _ = batch(lab, *options, cwd=lab.folder)
    assert code == 0, report
    discs = sorted(lab.output.glob("*.iso"))
    assert len(discs) == len(NUMBERS)
    content = every_byte(*lab.output.iterdir())
    for secret in (*SECRETS, *NUMBERS):
        assert secret.encode() not in content, secret
        assert not [path for path in lab.output.iterdir() if secret in path.name]
    before = {each.sop_instance_uid for disc in discs for each in check_path(disc).instances}
    assert len(before) == 3 * len(NUMBERS)
    assert all(uid.startswith("2.25.") for uid in before)
    code, report, _ = batch(lab, *options, cwd=lab.folder)
    assert code == 0, report
    assert sorted(lab.output.glob("*.iso")) == discs


def test_a_key_that_cannot_be_read_ends_the_batch_and_not_every_line(lab):
    code, report, _ = batch(lab, "--deidentify", "--deidentify-key", "no.key", cwd=lab.folder)
    assert code == 78, report
    assert not report.get("jobs")


def test_the_ledger_finds_the_key_from_another_folder(lab):
    """What is left is done by a later run that names no list and starts somewhere else."""
    studies(lab, *NUMBERS)
    lab.archive.stop()
    (lab.folder / "site.key").write_bytes(KEY)
    options = ("--deidentify", "--deidentify-key", "site.key", "--max-attempts", "1")
    code, report, _ = batch(lab, *options, cwd=lab.folder)
    assert code == 75, report
    lab.start(port=lab.archive_port)
    code, report, _ = batch(lab, listed=False, cwd="/")
    assert code == 0, report
    assert len(list(lab.output.glob("*.iso"))) == len(NUMBERS)
    assert not [n for n in NUMBERS if n.encode() in every_byte(*lab.output.iterdir())]
