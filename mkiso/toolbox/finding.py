"""Find: rows of a C-FIND at any level, asked for from the study down, checked and cut to a limit.

Many archives answer a SERIES or IMAGE query only with the unique keys above it (PS3.4 C.4.1.2.1),
so what is known of the study is asked for at STUDY level first.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from mkiso.archive.matching import Predicate, predicate_for
from mkiso.core.find_keys import LEVELS, UNIQUE_KEY, FindRequest, identifier_at
from mkiso.core.find_rows import decoder, row_of
from mkiso.core.identifier import Attributes
from mkiso.core.job import Node
from mkiso.core.query import PATIENT_ROOT_FIND, QUERY_RETRIEVE_LEVEL, STUDY_ROOT_FIND
from mkiso.errors import ConfigError
from mkiso.network.find import FindAnswer, FindModel, FindSession
from mkiso.network.transport import AssociationLostError

Row = dict[str, str]

#: Values that an answer must have if they were asked for; archives that ignore a key, or take it
#: for a beginning, would show another patient's studies.
_CHECKED = (
    "PatientID",
    "AccessionNumber",
    "StudyInstanceUID",
    "SeriesInstanceUID",
    "SOPInstanceUID",
    "StudyDate",
    "Modality",
)


@dataclass(slots=True)
class Found:
    """The rows, in the archive's order; how many answers were not what was asked for."""

    rows: list[Row] = field(default_factory=list)
    dropped: int = 0
    is_cut: bool = False  # there are more than the limit

    def warnings(self, limit: int, name: str) -> tuple[str, ...]:
        """Return what a person should know of the answer of node `name`."""
        sentences = []
        if self.is_cut:
            sentences.append(f"There are more than {limit}; ask for less, or raise --limit.")
        if self.dropped:
            sentences.append(
                f"{name} answered with {self.dropped} that do not match what was asked for; they "
                "are left out."
            )
        return tuple(sentences)


def find_rows(
    node: Node,
    request: FindRequest,
    *,
    calling_ae_title: str,
    limit: int,
    log: Callable[[str], None] = lambda _line: None,
    require_running: Callable[[], None] = lambda: None,
) -> Found:
    """Return at most `limit` rows of `request`; raises as `FindSession.find` does."""

    def session(level: str) -> FindSession:
        keys = request.keys_at(level)
        return FindSession(
            node,
            calling_ae_title=calling_ae_title,
            log=log,
            require_running=require_running,
            model=FindModel(
                PATIENT_ROOT_FIND if level == "PATIENT" else STUDY_ROOT_FIND, decoder(keys)
            ),
        )

    finding = _Finding(request, session, limit)
    try:
        found = finding.run()
    except BaseException:
        finding.abort()
        raise
    finding.close()
    return found


def ask(
    session: FindSession,
    identifier: object,
    parse: Callable[[Any], Row | None],
    *,
    most_answers: int,
) -> FindAnswer[Row]:
    """Send one query, cut at `most_answers`. Raises as `FindSession.find` does.

    A node that ends the association at two first queries in a row does not know us: ConfigError.
    """
    try:
        return session.find(identifier, parse, most_answers=most_answers, may_cut=True)
    except AssociationLostError:
        if not session.lost_at_once:
            raise
    try:
        return session.find(identifier, parse, most_answers=most_answers, may_cut=True)
    except AssociationLostError as error:
        raise ConfigError(
            f"{session.node_name} accepts our association and ends it at each C-FIND: it probably "
            f"does not know the AE title {session.calling_ae_title}; register it there."
        ) from error


class _Finding:
    """The queries of one request, each level on an association of its own."""

    def __init__(
        self, request: FindRequest, session: Callable[[str], FindSession], limit: int
    ) -> None:
        self._request = request
        self._make = session
        self._sessions: dict[str, FindSession] = {}
        self._limit = limit
        self._found = Found()

    def run(self) -> Found:
        """Return the rows, one more than the limit being looked for."""
        rows = list(islice(self._rows(self._request.level), self._limit + 1))
        self._found.is_cut = self._found.is_cut or len(rows) > self._limit
        self._found.rows = rows[: self._limit]
        return self._found

    def close(self) -> None:
        """Release the associations."""
        for session in self._sessions.values():
            session.close()

    def abort(self) -> None:
        """Abort the associations."""
        for session in self._sessions.values():
            session.abort()

    def _rows(self, level: str) -> Iterator[Row]:
        """Give the rows of a level, each with what is known from the levels above."""
        if level in ("PATIENT", "STUDY"):
            yield from filter(self._has_modality, self._ask(level, {}))
            return
        above = LEVELS[LEVELS.index(level) - 1]
        if not self._has_values_from("STUDY", above):  # a UID alone: not every archive takes it
            yield from self._ask(level, {})
            return
        for parent in self._rows(above):
            if not parent[UNIQUE_KEY[above]]:  # asked for below nothing, a node may give anything
                self._found.dropped += 1
                continue
            unique = {
                UNIQUE_KEY[each]: parent[UNIQUE_KEY[each]]
                for each in LEVELS[1 : LEVELS.index(level)]
                if parent.get(UNIQUE_KEY[each])
            }
            for row in self._ask(level, unique):
                yield {**parent, **row}

    def _has_values_from(self, top: str, bottom: str) -> bool:
        levels = LEVELS[LEVELS.index(top) : LEVELS.index(bottom) + 1]
        below = self._request.has_values_at(self._request.level)
        return any(map(self._request.has_values_at, levels)) or not below

    def _ask(self, level: str, parents: Mapping[str, str]) -> Iterator[Row]:
        request = self._request
        keys = request.keys_at(level)
        tests = self._tests(level)
        session = self._sessions.get(level)
        if session is None:
            session = self._sessions[level] = self._make(level)

        def parse(attributes: Attributes) -> Row | None:
            stated = attributes.get(QUERY_RETRIEVE_LEVEL, b"").strip(b" \0").decode("ascii", "?")
            row = row_of(attributes, keys)
            fits = all(test(row[keyword]) for keyword, test in tests.items())
            return row if fits and stated in ("", level) else None

        identifier = identifier_at(request, level, parents)
        answer = ask(session, identifier, parse, most_answers=self._limit + 1)
        self._found.dropped += answer.dropped
        self._found.is_cut = self._found.is_cut or answer.is_cut
        yield from answer.matches

    def _tests(self, level: str) -> dict[str, Predicate]:
        tests = {}
        for key in self._request.keys_at(level):
            wanted = self._request.values.get(key.keyword, "")
            if key.keyword in _CHECKED and wanted and not set(wanted) & set("*?"):
                test = predicate_for(key.vr, wanted)
                if test is not None:
                    tests[key.keyword] = test
        return tests

    def _has_modality(self, row: Row) -> bool:
        """Whether a study has a series of the modality asked for; not every archive tells."""
        wanted = self._request.values.get("ModalitiesInStudy", "")
        if not wanted or self._request.level == "PATIENT":
            return True
        known = row.get("ModalitiesInStudy", "")
        if not known:
            below = FindRequest("SERIES", {"Modality": wanted})
            finding = _Finding(below, self._make, self._limit)
            finding._sessions = self._sessions
            parents = {"StudyInstanceUID": row["StudyInstanceUID"]}
            return any(finding._ask("SERIES", parents))
        fits = bool(set(wanted.split("\\")) & {part.strip() for part in known.split("\\")})
        self._found.dropped += not fits
        return fits
