"""Lists of jobs: what they ask for, what is wrong with a line, and what must never happen."""

import csv
import io
import string

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mkiso.core.batch_list import COLUMNS, ListedJob, parse_list


def numbers(content):
    return [job.accession_numbers for job in parse_list(content).jobs]


def faults(content):
    return {fault.line: fault.sentence for fault in parse_list(content).faults}


def test_a_line_is_a_disc_and_several_numbers_on_it_are_one():
    assert numbers(b"A1\nA2, A3;A4\n") == [("A1",), ("A2", "A3", "A4")]


@pytest.mark.fault("F77")
@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"])
def test_a_byte_order_mark_and_any_line_end_are_no_part_of_a_number(end):
    content = b"\xef\xbb\xbf" + end.join([b"A1", b"", b"  A2  ", b"   ", b"A3"])
    assert numbers(content) == [("A1",), ("A2",), ("A3",)]


def test_what_a_spreadsheet_saves_as_unicode_text_is_read():
    assert numbers("accession_numbers\tmodality\r\nA1\tCT\r\n".encode("utf-16")) == [("A1",)]


@pytest.mark.fault("F77")
def test_comments_and_blank_lines_are_skipped():
    assert numbers(b"# night of\n\n#\nA1\n,,\n") == [("A1",)]


def test_a_number_that_looks_like_a_comment_is_noted_and_can_be_quoted():
    listed = parse_list(b'#7\n"#8"\n# 9 discs\n')
    assert [job.accession_numbers for job in listed.jobs] == [("#8",)]
    assert listed.notes == ("Line 1 begins with # and was taken as a comment.",)


@pytest.mark.fault("F77")
def test_duplicates_are_done_once_in_whatever_order_their_numbers_stand():
    listed = parse_list(b"A1,A2\nA3\nA2;A1\nA1,A1,A2\n")
    assert [job.line for job in listed.jobs] == [1, 2]
    assert listed.notes == ("Line 3 is the same as line 1.", "Line 4 is the same as line 1.")


@pytest.mark.parametrize(
    "line", ["A*", "A?", "A\\B", "ABCDEFGHIJKLMNOPQ", "A1,B*", "A\x00", "A\tDoe^Jane", '""', '"A']
)
def test_a_malformed_line_costs_itself_alone_and_is_not_quoted(line):
    found = parse_list(f"A1\n{line}\nA2\n".encode())
    assert [job.accession_numbers for job in found.jobs] == [("A1",), ("A2",)]
    (fault,) = found.faults
    assert fault.line == 2
    assert "Doe" not in fault.sentence
    assert line not in fault.sentence


def test_a_line_that_is_no_text_costs_itself_alone():
    assert faults(b"A1\nM\xfcller\nA2\n") == {2: "is not UTF-8 text"}


def test_csv_with_all_columns():
    content = (
        "name,Accession_Numbers,modality,forward,output,patient_id,study_date,study_uids\n"
        'night-1,"A1,A2",CT;MR,backup,ward,,,\n'
        ",,,,,P1,2026-01-31,\n"
        ",,,,,,,1.2.3;1.2.4\n"
    )
    first, second, third = parse_list(content.encode()).jobs
    assert first == ListedJob(
        2, ("A1", "A2"), modalities=("CT", "MR"), forward=("backup",), output="ward",
        name="night-1",
    )  # fmt: skip
    assert (second.patient_id, second.study_date, second.is_to_be_resolved) == (
        "P1", "20260131", True,
    )  # fmt: skip
    assert third.study_instance_uids == ("1.2.3", "1.2.4")


def test_a_patient_id_is_not_in_the_text_of_a_job():
    (job,) = parse_list(b"patient_id,study_date\nSECRET7,20260131\n").jobs
    assert "SECRET7" not in repr(job)


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_csv_of_any_country(delimiter):
    content = f"accession_number{delimiter}modality\nA1{delimiter}CT\nA2{delimiter}\n"
    listed = parse_list(content.encode())
    assert [(j.accession_numbers, j.modalities) for j in listed.jobs] == [
        (("A1",), ("CT",)),
        (("A2",), ()),
    ]


def test_a_single_column_may_hold_several_numbers():
    assert numbers(b"accession_numbers\nA1,A2\nA3;A4\n") == [("A1", "A2"), ("A3", "A4")]


@pytest.mark.fault("F77")
@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (",P1,", "has no study_date"),
        (",,20260131", "has no patient_id"),
        (",P*,20260131", "too long or contains"),
        (",P\\1,20260131", "too long or contains"),
        (f",{'P' * 65},20260131", "too long or contains"),
        (",P1,20260231", "study_date that is none"),
        (",P1,2026", "study_date that is none"),
        (",P1,*", "study_date that is none"),
        ("A1", "has 1 cells where the header has 3"),
        ("A1,P1,20260131,x", "has 4 cells"),
        ("A*,P1,20260131", "a wildcard"),
        ("A\x01,P1,20260131", "control character"),
    ],
)
def test_a_blank_or_broken_cell_is_never_a_wildcard(row, reason):
    found = parse_list(f"accession_numbers,patient_id,study_date\n{row}\nA9,,\n".encode())
    assert [job.accession_numbers for job in found.jobs] == [("A9",)]
    (fault,) = found.faults
    assert fault.line == 2
    assert reason in fault.sentence


def test_a_row_of_blanks_is_a_blank_line():
    assert parse_list(b"accession_numbers,modality\n,\n , \nA1,\n").faults == ()


@pytest.mark.parametrize(
    "header", ["accession_numbers,patient_name", "patient_id,patient_id", "accession_numbers,"]
)
def test_a_header_that_makes_no_sense_is_the_only_fault_and_nothing_runs(header):
    listed = parse_list(f"{header}\nA1,Doe\nA2,Doe\n".encode())
    assert listed.jobs == ()
    assert [fault.line for fault in listed.faults] == [1]


def test_ten_thousand_lines():
    content = "\n".join(f"N{n}" for n in range(10_000)).encode()
    assert len(parse_list(content).jobs) == 10_000


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=400))
def test_any_bytes_give_a_list_and_no_error(content):
    listed = parse_list(content)
    for job in listed.jobs:
        assert job.accession_numbers or job.study_instance_uids or job.is_to_be_resolved


LEGAL = st.text(
    st.characters(exclude_categories=("Cc", "Cs"), exclude_characters='*?\\,;"#\ufeff\ufffd'),
    min_size=1,
    max_size=16,
).filter(
    lambda text: (
        text.strip() == text
        and text.lower() not in (*COLUMNS, "study_uid", "accession_number")
        and text.splitlines() == [text]
    )
)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.lists(LEGAL, min_size=1, max_size=4, unique=True), min_size=1, max_size=20))
def test_plain_lines_come_back_as_they_were_written(lines):
    listed = parse_list("\n".join(map(", ".join, lines)).encode())
    wanted = {tuple(sorted(line)): tuple(line) for line in reversed(lines)}
    assert sorted(job.accession_numbers for job in listed.jobs) == sorted(wanted.values())
    assert listed.faults == ()


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.tuples(st.lists(LEGAL, min_size=1, max_size=3, unique=True), LEGAL), max_size=10),
    st.sampled_from([",", ";", "\t"]),
)
def test_csv_comes_back_as_it_was_written(rows, delimiter):
    text = io.StringIO()
    writer = csv.writer(text, delimiter=delimiter)
    writer.writerow(["accession_numbers", "modality"])
    for cells, modality in rows:
        writer.writerow([";".join(cells), modality])
    listed = parse_list(text.getvalue().encode())
    assert listed.faults == ()
    wanted = {(tuple(sorted(cells)), modality) for cells, modality in rows}
    assert {
        (tuple(sorted(job.accession_numbers)), job.modalities[0]) for job in listed.jobs
    } == wanted


@settings(max_examples=200, deadline=None)
@given(st.text(string.printable, max_size=60), st.text(string.printable, max_size=60))
def test_one_line_never_changes_what_another_means(before, after):
    one = "".join(before.splitlines())
    other = "".join(after.splitlines())
    content = f"first\n{one}\nW123\n{other}\n".encode()
    listed = parse_list(content)
    lines = {job.line for job in listed.jobs} | {fault.line for fault in listed.faults}
    assert ("W123",) in {job.accession_numbers for job in listed.jobs}
    assert lines <= {1, 2, 3, 4}
