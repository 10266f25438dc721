"""Findings, check sums, sidecars: the small values around a disc."""

import hashlib
import json

from mkiso.core.checksums import checksum_file, file_in_memory, parse_checksums
from mkiso.core.disc_check import check_expected_instances, check_files, looks_executable
from mkiso.core.disc_content import CheckResult, ExpectedContent, FileOnDisc
from mkiso.core.findings import KEPT_PER_ID, Findings
from mkiso.core.model import FileSet
from mkiso.core.sidecar import decode_sidecar, encode_sidecar, same_disc, sidecar


def test_a_million_findings_of_a_kind_are_counted_and_not_kept():
    findings = Findings()
    for number in range(100_000):
        findings.error("a.b", f"Fault {number}.")
    findings.note("c.d", "Remark.")
    result = findings.result()
    assert len(result) == KEPT_PER_ID + 2
    assert result[KEPT_PER_ID].message == f"... and {100_000 - KEPT_PER_ID} more of these."
    assert result[-1].id == "c.d"


def test_only_errors_make_a_disc_unfit():
    findings = Findings()
    findings.warning("a.b", "Look.")
    findings.note("a.c", "Aha.")
    assert CheckResult(findings.result()).passed
    findings.error("a.d", "No.")
    assert not CheckResult(findings.result()).passed


def test_checksums_cover_all_files_but_themselves():
    files = [file_in_memory("DICOMDIR", b"1"), file_in_memory("DICOM/A", b"2")]
    sums = checksum_file(files)
    assert sums == checksum_file([*files, sums])
    listed, bad = parse_checksums(sums.content)
    assert bad == 0
    assert listed == {f.path: hashlib.sha256(f.content).hexdigest() for f in files}


def test_checksums_of_other_programs_are_read_too():
    content = b"A" * 64 + b" *./Dicom/a\r\n\r\n" + b"nonsense\n" + b"b" * 64 + b"  b\n"
    listed, bad = parse_checksums(content)
    assert listed == {"DICOM/A": "a" * 64, "B": "b" * 64}
    assert bad == 1


def test_programs_and_scripts_are_known_by_their_first_bytes():
    for head in (b"MZ", b"\x7fELF", b"#!/bin/sh", b"\xcf\xfa\xed\xfe"):
        assert looks_executable(head)
    assert not looks_executable(b"DICM")
    assert not looks_executable(b"")


def test_names_that_start_programs_are_faults_wherever_they_are():
    findings = Findings()
    names = ("DICOMDIR", "INDEX.HTM", "README.TXT", "A/AUTORUN.INF", "long-name.html")
    check_files({n: FileOnDisc(n, 1, "") for n in names}, findings)
    assert {(f.severity, f.id) for f in findings.result()} == {("error", "disc.autorun")}


def test_an_instance_that_is_there_twice_is_found():
    findings = Findings()
    check_expected_instances(
        ["1", "1", "2"], ExpectedContent({}, frozenset({"1", "2"}), "X"), findings
    )
    assert [f.id for f in findings.result()] == ["disc.instance-twice"]


def make_sidecar(**changes):
    file_set = FileSet("X", "X", (), (), **changes)
    return sidecar(file_set, sha256="a", size_bytes=1, accession_numbers=("A1",), options={})


def test_a_sidecar_is_json_with_one_line_an_instance_and_comes_back_equal():
    content = make_sidecar()
    content["instances"] = [{"sop_instance_uid": str(n), "sha256": "x"} for n in range(3)]
    encoded = encode_sidecar(content)
    assert json.loads(encoded) == content == decode_sidecar(encoded)
    assert sum(b"sop_instance_uid" in line for line in encoded.splitlines()) == 3


def test_what_is_no_sidecar_of_ours_is_none():
    for content in (b"", b"{", b"[]", b'{"schema": 2}', b'{"schema": 1, "instances": 3}', b"\xff"):
        assert decode_sidecar(content) is None
    assert decode_sidecar(b"[" * 100_000) is None


def test_the_same_disc_is_told_by_instances_and_options_not_by_its_date():
    one = make_sidecar()
    assert same_disc(one, {**one, "sha256": "b", "size_bytes": 2, "mkiso": "9"})
    assert not same_disc(one, {**one, "options": {"modalities": ["CT"]}})
    assert not same_disc(one, {**one, "complete": False})
    assert not same_disc(one, {**one, "instances": [{"sop_instance_uid": "1", "sha256": "x"}]})
