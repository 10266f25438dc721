"""A disc of real files: no string that identifies anybody is in its bytes, in report or log."""

import dataclasses
import json
import re
import shutil
from pathlib import Path

import pytest
from deidentified import DATA, KEY, every_byte, identifying, kept_bytes, read, real_files
from whole_jobs import laboratory

from mkiso.stages.verify import check_path

pytestmark = [pytest.mark.data, pytest.mark.slow, pytest.mark.filterwarnings("ignore")]

#: Accession number and date in one object or another, and what only makers and viewers write.
MOST = 12


IMAGES = ("CT", "MR", "CR", "NM", "MG")
OTHERS = ("US", "SR", "KO", "PR", "RTDOSE", "RTPLAN", "RTSTRUCT", "ECG", "SEG", "PT", "XA", "DX")


def studies(modalities):
    """Some files of the data, no two of one study, each with a patient, an accession number."""
    seen = {}
    for path in real_files():
        if path.stat().st_size > 2_000_000:
            continue
        try:
            found = read(path.read_bytes())
            str(found)  # every value is read
            wanted = (found.PatientID, found.StudyInstanceUID, found.SOPInstanceUID, found.Modality)
            uids = (found.StudyInstanceUID, found.SOPInstanceUID, found.PatientID)
            names = {*map(str, uids), f"number {found.AccessionNumber}"} - {"number "}
        except Exception:  # noqa: BLE001 - one without them is not wanted
            continue
        is_uid = all(re.fullmatch(r"[0-9.]{10,64}", uid) for uid in wanted[1:3])
        is_wanted = found.Modality in modalities
        if all(wanted) and is_uid and is_wanted and len(wanted[0]) > 5 and not names & set(seen):
            seen |= dict.fromkeys(names) | {str(found.StudyInstanceUID): path}
        if sum(path is not None for path in seen.values()) >= MOST:
            break
    return {uid: path for uid, path in seen.items() if path is not None}


@pytest.mark.parametrize(
    ("modalities", "how"),
    [
        (IMAGES, {"deidentify": "basic", "burned_in": "leave-out"}),
        (IMAGES, {"deidentify": "basic", "profile": "STD-GEN-CD", "icons": True, "label": "svg"}),
        (OTHERS, {"deidentify": "basic,clean-structured-content,clean-graphics", "icons": True}),
    ],
    ids=["images", "converted", "others"],
)
def test_no_identifying_string_of_real_files_goes_out(tmp_path, modalities, how):
    if not Path(DATA).is_dir():
        pytest.skip("the folder of real DICOM files is not beside the project")
    chosen = studies(modalities)
    assert len(chosen) >= 6
    with laboratory(tmp_path) as lab:
        for number, path in enumerate(chosen.values()):
            shutil.copyfile(path, lab.images / f"{number}.dcm")
        (tmp_path / "key").write_bytes(KEY)
        lab.start()
        job = {"per_patient": True, "burned_in": "keep", "viewer": "full",
               "deidentify_key": str(tmp_path / "key"),
               "study_instance_uids": tuple(chosen), **how}  # fmt: skip
        plain = lab.job
        lab.job = lambda *_, **more: dataclasses.replace(plain(**more), accession_numbers=())
        done = lab.make(check=False, **job)
        assert done.code == 0, done.message
        assert len(done.discs) >= 6
        kept = every_byte(*(p for p in (tmp_path / "state").rglob("*") if p.is_file()))
        out = every_byte(*(p for p in lab.output.rglob("*") if p.is_file()))
        said = "\n".join([json.dumps(done.report), done.log, *map(str, done.said)]).encode()
        names = "\n".join(p.name for p in lab.output.iterdir()).encode()
        for path in chosen.values():
            old = read(path.read_bytes())
            stays = kept_bytes(old)
            for text in identifying(old):
                if text not in stays and not re.fullmatch(rb"[0-9./:-]{1,7}|0+", text):
                    assert text not in out, (path, text)
                    assert text not in said + names + kept, (path, text)
        for disc in done.discs:
            assert not [f for f in check_path(disc).findings if f.severity == "error"]
