import json
from pathlib import Path

import jsonschema
import pytest

import mkiso.core
from mkiso import errors
from mkiso.core.exit_codes import BY_CODE, EXIT_CODES
from mkiso.core.findings import Finding
from mkiso.core.report import (
    DiscReport,
    FailedInstance,
    ForwardReport,
    LeftOutReport,
    MissingInstance,
    Report,
    StudyReport,
    failure_report,
    legacy_lines,
    message_lines,
    result_lines,
)

SCHEMA = json.loads((Path(mkiso.core.__file__).parent / "report_schema.json").read_text("utf-8"))
VALIDATOR = jsonschema.Draft202012Validator(SCHEMA)

#: The contract with callers, written down a second time on purpose.
NAMES = {
    0: "OK",
    10: "BATCH_PARTIAL",
    64: "USAGE",
    65: "DATA",
    66: "NOT_FOUND",
    70: "INTERNAL",
    73: "CANT_CREATE",
    74: "IO",
    75: "TEMPFAIL",
    76: "PROTOCOL",
    77: "NOPERM",
    78: "CONFIG",
    80: "INCOMPLETE",
    81: "IDENTITY",
    82: "AMBIGUOUS",
    83: "VERIFY",
    84: "FORWARD",
    85: "LIMIT",
    86: "DRIVE",
    87: "REFUSED_CONTENT",
    130: "INTERRUPTED",
    143: "TERMINATED",
}


def full_report(code):
    return Report(
        code=code,
        message="Something happened.",
        job="20250131T235959-3fa9c1",
        accessions=("MR.180505.026", "한글"),
        studies=(StudyReport("1.2.3", "MR.180505.026", {"MR": 2, "SR": 1}, 3),),
        expected=4,
        received=3,
        missing=(MissingInstance("1.2.3.4.5", "1.2.3.4", "1.2.3"),),
        left_out=(LeftOutReport("1.2.3.9", "1.2.3", "KO"),),
        not_found=("B2",),
        discs=(DiscReport("/d/A.iso", 1_500_000, "0" * 64, "A", 3, 1, 2, complete=False),),
        forwarded=(ForwardReport("backup", 2, 1, (FailedInstance("1.2.3.4.6", "A700"),)),),
        findings=(Finding("warning", "image.size", "It is small."),),
        warnings=("A warning.",),
        details=("1.2.3.4.5",),
        overruled=("birth date",),
        requested_by="ward 3",
        log="/var/lib/mkiso/jobs/x.log",
        started="2025-01-31T23:59:59Z",
        ended="2025-01-31T23:59:59.500+00:00",
        seconds={"find": 0.12345},
    )


@pytest.mark.parametrize("code", NAMES)
def test_a_report_of_every_code_follows_the_schema(code):
    for report in (full_report(code), Report(code=code, message="")):
        VALIDATOR.validate(json.loads(json.dumps(report.to_dict())))
        VALIDATOR.validate(report.to_dict())


def test_the_schema_refuses_a_field_that_is_unknown_missing_or_of_another_kind():
    good = full_report(0).to_dict()
    for change in ({"surprise": 1}, {"code": 1}, {"expected": -1}, {"started": "yesterday"}):
        assert not VALIDATOR.is_valid({**good, **change})
    for key in good:
        assert not VALIDATOR.is_valid({k: v for k, v in good.items() if k != key}), key


def test_the_table_of_codes_is_the_contract():
    assert {row.code: row.name for row in EXIT_CODES} == NAMES
    assert SCHEMA["properties"]["code"]["enum"] == list(NAMES)
    assert SCHEMA["properties"]["name"]["enum"] == list(NAMES.values())
    assert {0, 1, 2, 126, 127, 255} & set(BY_CODE) == {0}


def error_classes(base=errors.MkisoError):
    for each in base.__subclasses__():
        yield each
        yield from error_classes(each)


def test_every_error_has_the_name_and_the_retry_of_its_row():
    classes = [c for c in error_classes() if c.__module__ == "mkiso.errors"]
    assert {c.code for c in classes} == set(NAMES) - {0, 10}
    for each in classes:
        row = BY_CODE[each.code]
        assert (each.name, each.retry) == (row.name, row.retry)


def test_an_error_becomes_a_report_with_its_details():
    error = errors.IncompleteError("Two are missing.", details=("1.2", "1.3"))
    report = failure_report(error, command="make", job="x")
    assert (report.code, report.message, report.job) == (80, "Two are missing.", "x")
    assert report.to_dict()["name"] == "INCOMPLETE"
    assert message_lines(report) == [
        "mkiso: Two are missing. [80 INCOMPLETE]",
        "  1.2",
        "  1.3",
    ]


def test_stdout_names_the_image_first_and_says_when_it_is_incomplete():
    lines = result_lines(full_report(80))
    assert "/d/A.iso" in lines
    assert any("3 instances, 1.5 MB, disc 1 of 2, INCOMPLETE" in line for line in lines)
    assert "backup: 2 sent, 1 with a warning, 1 failed" in lines


def test_many_missing_instances_are_cut_in_text_and_whole_in_json():
    missing = tuple(MissingInstance(f"1.{n}", "1", "1") for n in range(100))
    report = Report(code=80, message="Many.", missing=missing)
    assert message_lines(report)[-1] == "  ... and 80 more; all of them with --json."
    assert len(report.to_dict()["missing"]) == 100


def test_legacy_lines_are_those_of_dcmqr():
    report = Report(
        code=0,
        message="",
        studies=(StudyReport("1", "A", {}, 5),),
        received=5,
        seconds={"find": 0.25, "retrieve": 1.5},
    )
    assert legacy_lines(report) == [
        "Received 1 matching entries in 0.250 s",
        "Retrieved 5 objects (warning: 0, failed: 0) in 1.500s",
    ]


def test_the_schema_is_in_the_wheel():
    wheel = pytest.importorskip("hatchling.builders.wheel", reason="hatchling is not installed")
    project = Path(mkiso.core.__file__).parents[2]
    if not (project / "pyproject.toml").is_file():
        pytest.skip("not a checkout")
    included = wheel.WheelBuilder(str(project)).recurse_included_files()
    assert "mkiso/core/report_schema.json" in {each.distribution_path for each in included}
