"""The tables of the index, made from the table of attributes, and the SQL that reads them.

Every value is text, empty when absent. A study keeps its own copy of the patient's attributes:
two persons who were given one PatientID must not be shown under each other's name.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from mkiso.archive.attributes import Attribute, Level, kept_at

#: Columns by table, in the order in which rows are inserted.
COLUMNS: dict[str, tuple[str, ...]] = {
    "patients": tuple(a.keyword for a in kept_at(Level.PATIENT)),
    "studies": tuple(a.keyword for a in (*kept_at(Level.PATIENT), *kept_at(Level.STUDY))),
    "series": tuple(a.keyword for a in kept_at(Level.SERIES)),
    "instances": tuple(a.keyword for a in kept_at(Level.IMAGE)),
}

_PARENT = {"studies": "patient_key", "series": "study_key", "instances": "series_key"}
_UNIQUE = {
    "patients": "PatientID, IssuerOfPatientID",
    "studies": "patient_key, StudyInstanceUID",
    "series": "study_key, SeriesInstanceUID",
    "instances": "series_key, SOPInstanceUID",
}
_FILE_COLUMNS = (
    "path BLOB NOT NULL UNIQUE, size_bytes INTEGER NOT NULL, mtime_ns INTEGER NOT NULL, "
    "data_set_offset INTEGER NOT NULL, transfer_syntax TEXT NOT NULL, "
)


def _table(name: str) -> str:
    columns = "".join(f"{column} TEXT NOT NULL, " for column in COLUMNS[name])
    parent = f"{_PARENT[name]} INTEGER NOT NULL, " if name in _PARENT else ""
    file = _FILE_COLUMNS if name == "instances" else ""
    return (
        f"CREATE TABLE {name} (key INTEGER PRIMARY KEY, {parent}{file}"
        f"character_set TEXT NOT NULL, {columns}UNIQUE ({_UNIQUE[name]}))"
    )


SCHEMA = (
    *(_table(name) for name in COLUMNS),
    # what is no instance, or a second file of one: not read again while it is unchanged
    """CREATE TABLE skipped (path BLOB PRIMARY KEY, size_bytes INTEGER NOT NULL,
    mtime_ns INTEGER NOT NULL, reason TEXT NOT NULL)""",
    "CREATE INDEX studies_by_uid ON studies (StudyInstanceUID)",
    "CREATE INDEX studies_by_accession ON studies (AccessionNumber)",
    "CREATE INDEX studies_by_patient ON studies (PatientID)",
    "CREATE INDEX series_by_uid ON series (SeriesInstanceUID)",
    "CREATE INDEX instances_by_uid ON instances (SOPInstanceUID)",
    "CREATE INDEX instances_by_class ON instances (SOPClassUID, transfer_syntax)",
)

#: Columns of a row of its parent, the character set, and what else stands before the attributes.
_LEADING = {
    "patients": ("character_set",),
    "studies": ("patient_key", "character_set"),
    "series": ("study_key", "character_set"),
    "instances": (
        *("series_key", "path", "size_bytes", "mtime_ns", "data_set_offset", "transfer_syntax"),
        "character_set",
    ),
}


def _insert(table: str) -> str:
    columns = (*_LEADING[table], *COLUMNS[table])
    marks = ", ".join("?" * len(columns))
    return f"INSERT OR IGNORE INTO {table} ({', '.join(columns)}) VALUES ({marks})"  # noqa: S608 - names of our own tables


INSERT = {table: _insert(table) for table in COLUMNS}

#: Looks a row up by what is unique in its table.
FIND = {
    "patients": "SELECT key FROM patients WHERE PatientID = ? AND IssuerOfPatientID = ?",
    "studies": "SELECT key FROM studies WHERE patient_key = ? AND StudyInstanceUID = ?",
    "series": "SELECT key FROM series WHERE study_key = ? AND SeriesInstanceUID = ?",
}

#: Removes what has no instance any more.
PRUNE = (
    "DELETE FROM series WHERE key NOT IN (SELECT series_key FROM instances)",
    "DELETE FROM studies WHERE key NOT IN (SELECT study_key FROM series)",
    "DELETE FROM patients WHERE key NOT IN (SELECT patient_key FROM studies)",
)

#: Changes when the tables do: an index with another version is made anew.
VERSION = int.from_bytes(hashlib.sha256("\n".join(SCHEMA).encode()).digest()[:4], "big") >> 1

#: The tables of a query at each level, joined.
FROM = {
    Level.PATIENT: "patients",
    Level.STUDY: "studies",
    Level.SERIES: "series JOIN studies ON series.study_key = studies.key",
    Level.IMAGE: "instances JOIN series ON instances.series_key = series.key "
    "JOIN studies ON series.study_key = studies.key",
}

#: Which character sets the values of an answer came in.
CHARACTER_SETS = {
    Level.PATIENT: ("patients.character_set",),
    Level.STUDY: ("studies.character_set",),
    Level.SERIES: ("studies.character_set", "series.character_set"),
    Level.IMAGE: (
        "studies.character_set",
        "series.character_set",
        "instances.character_set",
    ),
}

ORDER = {
    Level.PATIENT: "patients.key",
    Level.STUDY: "studies.key",
    Level.SERIES: "studies.key, CAST(SeriesNumber AS INTEGER), series.key",
    Level.IMAGE: "studies.key, CAST(SeriesNumber AS INTEGER), series.key, "
    "CAST(InstanceNumber AS INTEGER), instances.key",
}

_OF_PATIENT = "FROM studies t WHERE t.patient_key = {patient}"
_SERIES_OF_PATIENT = (
    "FROM series s JOIN studies t ON s.study_key = t.key WHERE t.patient_key = {patient}"
)
_INSTANCES_OF_PATIENT = (
    "FROM instances i JOIN series s ON i.series_key = s.key "
    "JOIN studies t ON s.study_key = t.key WHERE t.patient_key = {patient}"
)
_INSTANCES_OF_STUDY = (
    "FROM instances i JOIN series s ON i.series_key = s.key WHERE s.study_key = studies.key"
)

#: The computed attributes as sub-queries.
_COMPUTED = {
    "NumberOfPatientRelatedStudies": f"COUNT(*) {_OF_PATIENT}",
    "NumberOfPatientRelatedSeries": f"COUNT(*) {_SERIES_OF_PATIENT}",
    "NumberOfPatientRelatedInstances": f"COUNT(*) {_INSTANCES_OF_PATIENT}",
    "ModalitiesInStudy": "GROUP_CONCAT(Modality, '\\') FROM (SELECT DISTINCT Modality "
    "FROM series s WHERE s.study_key = studies.key AND Modality <> '')",
    "SOPClassesInStudy": f"GROUP_CONCAT(c, '\\') FROM (SELECT DISTINCT i.SOPClassUID AS c "
    f"{_INSTANCES_OF_STUDY})",
    "NumberOfStudyRelatedSeries": "COUNT(*) FROM series s WHERE s.study_key = studies.key",
    "NumberOfStudyRelatedInstances": f"COUNT(*) {_INSTANCES_OF_STUDY}",
    "NumberOfSeriesRelatedInstances": "COUNT(*) FROM instances i WHERE i.series_key = series.key",
}


def select(columns: str, level: Level, keywords: Sequence[str]) -> str:
    """Return a query at a level; one parameter for each keyword, a JSON array of its values."""
    tests = [f"{keyword} IN (SELECT value FROM json_each(?))" for keyword in keywords]  # noqa: S608 - names of our own tables
    where = " AND ".join(tests) or "1"
    return f"SELECT {columns} FROM {FROM[level]} WHERE {where} ORDER BY {ORDER[level]}"  # noqa: S608 - names of our own tables


def expression(attribute: Attribute, level: Level) -> str:
    """Return the SQL that gives an attribute's value in a query at a level."""
    if attribute.keyword == "AvailableTransferSyntaxUID":
        return "instances.transfer_syntax"
    if attribute.keyword in _COMPUTED:
        patient = "patients.key" if level is Level.PATIENT else "studies.patient_key"
        return f"CAST((SELECT {_COMPUTED[attribute.keyword].format(patient=patient)}) AS TEXT)"
    return attribute.keyword
