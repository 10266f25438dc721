"""C-FIND as SCU: one association for all queries of a job (PS3.4 C.4.1, Study Root model)."""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from mkiso.core.dimse_status import Outcome, Service, describe, error_for, meaning_of
from mkiso.core.identifier import encode_identifier
from mkiso.core.job import Node
from mkiso.core.keeper import KEEPS_NOTHING, Keeper
from mkiso.core.query import QUERY_RETRIEVE_LEVEL, STUDY_ROOT_FIND, decode_answer
from mkiso.errors import (
    ConfigError,
    LimitError,
    MkisoError,
    PermissionDeniedError,
    ProtocolError,
    TemporaryError,
)
from mkiso.network import dimse
from mkiso.network.query_retrieve import associate, deadlines_for, require_status
from mkiso.network.transport import (
    AcceptedContext,
    Association,
    AssociationLostError,
    Deadlines,
    Message,
    PeerStalledError,
)

Match = TypeVar("Match")

#: A C-FIND may take this many times the wait between two answers, all in all.
_TOTAL_FACTOR = 20
#: Failures of a C-FIND for which the archive has to answer, or the line to it.
_OF_THE_ARCHIVE = (TemporaryError, ProtocolError, ConfigError, PermissionDeniedError)
#: How often a stopped job is noticed while nothing comes.
_TICK_SECONDS = 0.25
#: How long a cancelled C-FIND may go on answering before the association is aborted.
_CANCEL_SECONDS = 2.0


class QueryRefusedError(ProtocolError):
    """The archive answered a C-FIND with a failure: this level or key may not be supported."""


@dataclass(frozen=True, slots=True)
class FindModel:
    """An information model: its SOP class, and how identifiers go out and answers are read."""

    sop_class_uid: str
    #: Of an answer's bytes and transfer syntax; its result is what the `parse` of `find` takes.
    decode: Callable[[bytes, str], Any] = decode_answer
    encode: Callable[[Any, str], bytes] = encode_identifier


STUDY_ROOT_MODEL = FindModel(STUDY_ROOT_FIND)


@dataclass(frozen=True, slots=True)
class FindAnswer(Generic[Match]):
    """The matches of one C-FIND, in the archive's order, and how many answers did not match."""

    matches: tuple[Match, ...]
    dropped: int
    is_cut: bool = False  # there are more than were wanted; the rest was not read


class FindSession:
    """The queries of one job at one archive, on one association that is renewed when it is lost."""

    def __init__(
        self,
        node: Node,
        *,
        calling_ae_title: str,
        log: Callable[[str], None],
        require_running: Callable[[], None] = lambda: None,
        remaining_seconds: Callable[[], float] = lambda: math.inf,
        model: FindModel = STUDY_ROOT_MODEL,
        monotonic: Callable[[], float] = time.monotonic,
        keeper: Keeper = KEEPS_NOTHING,
    ) -> None:
        """Prepare for `node`; the first `find` connects, or goes on with what `keeper` has.

        `require_running` raises to stop waiting; `remaining_seconds` is the rest of the job's time.
        """
        self._node = node
        self._model = model
        self.calling_ae_title = calling_ae_title
        self._log = log
        self._require_running = require_running
        self._remaining_seconds = remaining_seconds
        self._monotonic = monotonic
        self._keeper = keeper
        self._key = (node, calling_ae_title, model.sop_class_uid)
        self._current: tuple[Association, AcceptedContext] | None = None
        self._answered = False  # this association has answered a C-FIND already
        self._is_untried = False  # it is another job's, which has not answered one of this job yet
        #: How many new associations in a row were lost before their first C-FIND was answered.
        self.lost_at_once = 0

    def find(
        self,
        identifier: Any,
        parse: Callable[[Any], Match | None],
        *,
        most_answers: int,
        may_cut: bool = False,
    ) -> FindAnswer[Match]:
        """Return what `parse` makes of each answer; answers that it maps to None are counted only.

        With `may_cut` the C-FIND is cancelled after `most_answers`, and the answer says so.

        Raises TemporaryError (not reachable, lost, stalled, busy), ConfigError (rejected),
        ProtocolError (no Study Root; `QueryRefusedError` for a failure status), LimitError when
        there are more than `most_answers`. The association is aborted after any of these.
        """
        try:
            return self._attempt(identifier, parse, most_answers, may_cut=may_cut)
        except _OF_THE_ARCHIVE as error:
            if self._is_untried:  # another job's: this one fares as if it had not been there
                self._keeper.distrust(self._key)
            elif not (isinstance(error, AssociationLostError) and self._answered):
                raise
        finally:
            self._is_untried = False
        # an archive may close an association that was idle between two queries
        self._log("C-FIND: no answer on the association that stood; connecting again")
        return self._attempt(identifier, parse, most_answers, may_cut=may_cut)

    @property
    def node_name(self) -> str:
        """The node that is asked."""
        return self._node.name

    def close(self) -> None:
        """Release the association, if there is one, unless the keeper wants it."""
        if self._current is not None:
            association = self._current[0]
            # what is left of this job's time is no measure for the next one
            is_usual = association.deadlines == self._deadlines(math.inf)
            if is_usual and self._keeper.keep(self._key, association):
                self._current = None
                return
            association.release()
        self.abort()

    def abort(self) -> None:
        """Abort the association, if there is one; the next `find` connects anew."""
        if self._current is not None:
            self._current[0].close()
            self._current = None

    def _attempt(
        self,
        identifier: Any,
        parse: Callable[[Any], Match | None],
        most_answers: int,
        *,
        may_cut: bool,
    ) -> FindAnswer[Match]:
        """Send one query on the association that stands, or on a new one; abort it on any error."""
        try:
            return self._find(identifier, parse, most_answers, may_cut=may_cut)
        except (AssociationLostError, PeerStalledError) as error:
            at_once = self._current is not None and not self._answered
            if isinstance(error, AssociationLostError) and at_once:
                self.lost_at_once += 1
            else:
                self.lost_at_once = 0
            self.abort()
            raise type(error)(f"C-FIND at {self._node.name}: {error}") from error
        except BaseException:
            self.abort()
            raise

    def _find(
        self,
        identifier: Any,
        parse: Callable[[Any], Match | None],
        most_answers: int,
        *,
        may_cut: bool,
    ) -> FindAnswer[Match]:
        association, context = self._connected()
        message_id = association.next_message_id()
        request: dimse.Command = {
            "CommandField": dimse.C_FIND_RQ,
            "MessageID": message_id,
            "AffectedSOPClassUID": context.abstract_syntax,
            "Priority": dimse.PRIORITY_MEDIUM,
        }
        data = self._model.encode(identifier, context.transfer_syntax)
        association.send(context.context_id, request, data)
        end = self._monotonic() + _TOTAL_FACTOR * self._node.find_timeout_seconds
        matches: list[Match] = []
        answers = 0
        while True:
            message = self._receive(association, end)
            status = require_status(message, Service.FIND, message_id, self._node)
            self._answered = True
            self.lost_at_once = 0
            if meaning_of(Service.FIND, status).outcome is not Outcome.PENDING:
                break
            answers += 1
            if answers > most_answers:
                self._cancel(association, context, message_id)
                if may_cut:
                    self.abort()  # some go on answering after a cancel
                    return FindAnswer(tuple(matches), answers - 1 - len(matches), is_cut=True)
                raise LimitError(
                    f"{self._node.name} has more than {most_answers} answers to one query; ask "
                    "for less, or raise --max-instances."
                )
            match = self._parse(message, parse)
            if match is not None:
                matches.append(match)
        self._require_final(status, identifier, answers, len(matches))
        return FindAnswer(tuple(matches), answers - len(matches))

    def _parse(self, message: Message, parse: Callable[[Any], Match | None]) -> Match | None:
        if message.data is None:
            raise ProtocolError(f"{self._node.name} sent a C-FIND match without an identifier.")
        return parse(self._model.decode(message.data, message.context.transfer_syntax))

    def _connected(self) -> tuple[Association, AcceptedContext]:
        """Return the association and its context, established if there is none."""
        if self._current is None or not self._current[0].is_open:
            self.abort()
            self._current = self._kept()
            if self._current is not None:
                return self._current
            try:
                self._current = associate(
                    self._node,
                    Service.FIND,
                    sop_class_uid=self._model.sop_class_uid,
                    calling_ae_title=self.calling_ae_title,
                    deadlines=self._deadlines(self._remaining_seconds()),
                    require_running=self._require_running,
                )
            except TemporaryError:
                self._keeper.turned_away()
                raise
            self._answered = False
            syntax = self._current[1].transfer_syntax
            how = self._current[0].encryption or "not encrypted"
            self._log(f"C-FIND: associated with {self._node.name}, {how}, transfer syntax {syntax}")
        return self._current

    def _kept(self) -> tuple[Association, AcceptedContext] | None:
        """Return the association that another job left, when its deadlines are ours."""
        if self._deadlines(self._remaining_seconds()) != self._deadlines(math.inf):
            return None
        association: Association | None = self._keeper.take(self._key)
        if association is None:
            return None
        context = association.context_for(self._model.sop_class_uid)
        assert context is not None  # noqa: S101 - it was kept under the name of its class
        self._answered = self._is_untried = True
        self._log(f"C-FIND: on the association with {self._node.name} that stands already")
        return association, context

    def _deadlines(self, remaining_seconds: float) -> Deadlines:
        return deadlines_for(self._node, remaining_seconds, self._node.find_timeout_seconds)

    def _receive(self, association: Association, end: float) -> Message:
        """Return the next message; raises when none comes in time or the job is stopped."""
        seconds = self._node.find_timeout_seconds
        idle_end = min(end, self._monotonic() + seconds)
        while not association.readable(_TICK_SECONDS):
            self._require_running()
            if self._monotonic() >= idle_end:
                raise PeerStalledError(
                    f"{self._node.name} sent no answer to a C-FIND within {seconds:g} s; try "
                    "again later."
                )
        if self._monotonic() >= end:
            raise PeerStalledError(
                f"{self._node.name} did not finish a C-FIND within {_TOTAL_FACTOR * seconds:g} s; "
                "try again later."
            )
        message = association.receive(idle_seconds=seconds)
        if message is None:
            raise AssociationLostError(f"{self._node.name} released the association in a C-FIND.")
        return message

    def _require_final(self, status: int, identifier: Any, answers: int, matches: int) -> None:
        """Log the end of a C-FIND, and raise unless it was a good one."""
        level = _level_of(identifier)
        said = describe(Service.FIND, status)
        self._log(f"C-FIND {level}: {answers} answers, {matches} match, status {said}")
        outcome = meaning_of(Service.FIND, status).outcome
        if outcome in (Outcome.REFUSED, Outcome.FAILED):
            raise QueryRefusedError(
                f"{self._node.name} answered the C-FIND at {level} level with status {said}; "
                "its log has the reason."
            )
        error = error_for(
            Service.FIND,
            status,
            peer=self._node.name,
            calling_ae_title=self.calling_ae_title,
        )
        if error is not None:
            raise error

    def _cancel(self, association: Association, context: AcceptedContext, message_id: int) -> None:
        """Ask the archive to stop answering, and give it a moment to do so (PS3.4 C.4.1.3.2)."""
        end = self._monotonic() + _CANCEL_SECONDS
        command = {"CommandField": dimse.C_CANCEL_RQ, "MessageIDBeingRespondedTo": message_id}
        with contextlib.suppress(MkisoError):  # it is aborted next
            association.send(context.context_id, command)
            while (rest := end - self._monotonic()) > 0 and association.readable(rest):
                message = association.receive()
                if message is None:
                    return
                status = require_status(message, Service.FIND, message_id, self._node)
                if meaning_of(Service.FIND, status).outcome is not Outcome.PENDING:
                    return


def _level_of(identifier: Any) -> str:
    """Return the level that an identifier asks at, for the log; a worklist query has none."""
    if not isinstance(identifier, tuple):
        return "worklist"
    levels = (value.decode() for tag, _, value in identifier if tag == QUERY_RETRIEVE_LEVEL)
    return next(levels, "")
