"""The order of the stages: the only file that knows it.

Two halves, so that a queue of jobs can overlap them: `acquire` holds the port and asks the archive,
`finish` makes, verifies and publishes the discs from what arrived.
"""

from __future__ import annotations

import dataclasses
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path

from mkiso import disguising
from mkiso.core.conclusion import incomplete, stopped, unexpected
from mkiso.core.context import Context
from mkiso.core.custody import Custody
from mkiso.core.disc_content import VerifiedImage
from mkiso.core.failure import failure_lines
from mkiso.core.job import Job
from mkiso.core.media_profiles import require_profile
from mkiso.core.model import FileSet, FindResult, ReceivedInstance
from mkiso.core.patient_query import PatientStudies
from mkiso.core.report import Report
from mkiso.errors import (
    InterruptedJobError,
    MkisoError,
    NotFoundError,
    TemporaryError,
    TerminatedJobError,
)
from mkiso.network.our_receiver import bound_receiver
from mkiso.queued_run import checks_later, growth_asked, kept_instances
from mkiso.run_record import Knowledge, announce, audited, record, report_of, timed, utc
from mkiso.second_half import (
    author,
    convert,
    forward,
    label,
    pack,
    prepare,
    publish,
    verify,
    write,
)
from mkiso.stages import find, retrieve, view
from mkiso.stages import resolve as resolving
from mkiso.storage.job_log import JobLog
from mkiso.storage.ledger import Ledger
from mkiso.storage.progress_file import ProgressFile
from mkiso.storage.state_folder import find_state_folder, progress_path
from mkiso.storage.workspace import Workspace, require_free
from mkiso.surroundings import (
    Surroundings,
    context_of,
    disc_day,
    has_own_templates,
    open_log,
    require_surroundings,
    require_templates,
    workspace_of,
)

__all__ = ["JobRun", "Surroundings", "acquire", "finish", "look", "look_up", "resolve", "run"]


def run(job: Job, *, surroundings: Surroundings | None = None) -> Report:
    """Do the whole job and return its report; expected failures are in its code, not raised."""
    halves = JobRun(job, surroundings or Surroundings())
    halves.acquire()
    return halves.finish()


def resolve(job: Job, given: PatientStudies, surroundings: Surroundings) -> tuple[str, ...]:
    """Return the Study Instance UIDs that a patient and a day stand for; raises what find raises.

    `job` says where and how to ask. Nothing is logged: what is asked names a patient.
    """
    nowhere = ProgressFile(None)
    context = context_of(job, surroundings, JobLog(None), Knowledge(), nowhere)
    return resolving.run(given, context)


def look_up(job: Job, surroundings: Surroundings) -> tuple[FindResult, tuple[str, ...]]:
    """Return what the archive lists for a job, and the warnings; raises what find raises."""
    known = Knowledge()
    context = context_of(job, surroundings, JobLog(None), known, ProgressFile(None))
    found = find.run(context)
    return found, tuple(known.warnings)


class JobRun:
    """One job in its two halves: the second may run beside the first one of another job.

    Expected failures are not raised: they are in the report.
    """

    def __init__(self, job: Job, surroundings: Surroundings) -> None:
        """Plan the run; nothing happens before `acquire`."""
        self._job, self._world = job, surroundings
        self._known = Knowledge()
        self._started = ""
        self._log = JobLog(None)
        self._news = ProgressFile(None)
        self._state_folder: Path | None = None
        self._error: MkisoError | None = None
        self.was_turned_away = False
        self._context: Context | None = None
        self._rest: Callable[[], None] | None = None

    def look_ahead(self) -> None:
        """Begin with the first half: ask what belongs to the job, while another one is retrieved.

        Only whoever holds the port already may do so: a job of its own takes the port first.
        An archive that is busy with the other one is asked again in this one's turn.
        """
        self._started = utc(self._world.now())
        self._guarded(self._look_ahead)
        self.was_turned_away = isinstance(self._error, TemporaryError)
        if self.was_turned_away:
            self._error = None

    def acquire(self) -> bool:
        """Do the first half, or the rest of it; return whether it left something to finish."""
        self._started = self._started or utc(self._world.now())
        if self._error is None:
            self._guarded(self._acquire)
        return self._rest is not None

    def finish(self) -> Report:
        """Do the second half, when there is one, and return the report of both.

        After `acquire` this or `abandon` is to be called, whatever became of it.
        """
        if self._rest is not None:
            self._guarded(self._rest)
        elif self._error is None:
            raise ValueError("nothing was acquired")
        times = (self._started, utc(self._world.now()))
        report = report_of(self._job, self._known, self._error, self._log.path, times)
        job = self._known.job_told(self._job)
        report = audited(report, self._known, job, self._state_folder, self._log)
        in_queue = self._world.custody is not None
        record(report, job, self._state_folder, self._log, in_queue=in_queue)
        self._news.remove()
        self._log.close()
        return report

    def abandon(self) -> None:
        """End a run that only looked ahead, without a report."""
        self._news.remove()
        self._log.close()

    def _guarded(self, half: Callable[[], None]) -> None:
        """Run a half; what it raises is how the job ends."""
        known = self._known
        try:
            half()
        except (InterruptedJobError, TerminatedJobError) as failure:
            self._error = stopped(failure, known.discs)
        except MkisoError as failure:
            self._error = failure
        except KeyboardInterrupt:
            signal = InterruptedJobError("Interrupted; nothing was published.")
            self._error = stopped(signal, known.discs)
        except Exception as failure:  # noqa: BLE001 - a bug is told apart and logged
            for line in failure_lines(failure):
                self._log(line)
            self._error = unexpected(failure, str(self._log.path or ""))

    def _begin(self) -> Context:
        job = self._job
        self._known.disguise = disguising.prepare(job) if job.deidentify else None
        self._state_folder = find_state_folder(job.state_folder, job.output_folder)
        self._log = open_log(job, self._world, self._state_folder, self._known)
        if self._state_folder:
            self._news = ProgressFile(progress_path(self._state_folder, job.job_id))
        self._known.state_folder = self._state_folder
        context = context_of(job, self._world, self._log, self._known, self._news)
        require_surroundings(context)
        ready = prepare(lambda: require_templates(job)).require
        if has_own_templates(job):
            ready()
        self._context = context = dataclasses.replace(context, require_ready=ready)
        return context

    def _look_ahead(self) -> None:
        look(self._begin(), self._known)

    def _acquire(self) -> None:
        job, known = self._job, self._known
        context = self._context or self._begin()
        custody = self._world.custody
        if job.label or job.robot:
            label.require_templates(job)
        passphrase = pack.passphrase_of(job) if job.encrypt else None
        with ExitStack() as stack:
            workspace = stack.enter_context(workspace_of(job, custody))
            viewing = stack.enter_context(view.run(context, workspace.folder))
            early = view.Viewing(context, workspace.folder, None) if known.disguise else viewing
            acquired = acquire(context, workspace, known, early, custody)
            answer = growth_asked(context, custody, acquired.found, known)
            work = stack.pop_all()

        def rest() -> None:
            told, made = context.for_job(known.job_told(job)), acquired
            ledger = Ledger(self._state_folder, context.warn)
            with work:
                answer()
                if known.disguise:
                    made = disguising.exchange(acquired, context, workspace, known, viewing)
                finish(told, workspace, made, known, viewing, passphrase=passphrase)
                if not pack.is_plain_image(job):  # nothing else can be read again
                    _forward(told, known, ledger, plans=known.plans)
            if pack.is_plain_image(job):
                _forward(told, known, ledger)
            _conclude(told, made, known)

        self._rest = rest


def look(context: Context, known: Knowledge) -> FindResult:
    """Ask the archive what belongs to the job. Raises what `find` raises, and CantCreateError."""
    with timed("find", known):
        found = known.found = find.run(context)
        told = known.disguise.found(found) if known.disguise else found
        publish.require_possible_name(told, context.for_job(known.job_told(context.job)))
        context.require_ready()
    return found


def acquire(
    context: Context,
    workspace: Workspace,
    known: Knowledge,
    viewing: view.Viewing,
    custody: Custody | None,
) -> author.Acquired:
    """Find and retrieve. The port is locked and bound before the first query, and freed at the end.

    Raises what the stages raise; IncompleteError comes from here.
    """
    job = context.job
    listeners = (known.count, *((custody.arrived,) if custody else ()), *viewing.listeners)
    with ExitStack() as stack:
        receiver = None
        if job.archive.retrieve == "move":
            receiver = bound_receiver(context, stack)
            known.reception = receiver.reception
        viewing.start()
        found = known.found or look(context, known)
        kept: tuple[ReceivedInstance, ...] = ()
        if custody and workspace.is_adopted:
            kept = kept_instances(custody, found, workspace, context, listeners)
        with timed("retrieve", known):
            result = retrieve.run(
                found,
                context,
                receiver=receiver,
                folder=workspace.folder,
                find_again=lambda: find.run(context),
                has_grown=lambda found: (
                    not checks_later(context, custody) and find.has_grown(found, context)
                ),
                listeners=listeners,
                already=kept,
            )
    known.found = result.found
    known.received = len(result.retrieved.instances)
    known.acquired = author.Acquired(result.found, result.retrieved, disc_day(time.time()))
    if _is_incomplete(known.acquired) and not (job.allow_incomplete and known.received):
        raise incomplete(known.acquired.retrieved, known.found, published=False)
    if not known.received:
        raise NotFoundError(
            f"{job.archive.name} lists the studies asked for, but not a single instance in them: "
            "there is nothing to put on a disc."
        )
    return known.acquired


def finish(
    context: Context,
    workspace: Workspace,
    acquired: author.Acquired,
    known: Knowledge,
    viewing: view.Viewing,
    *,
    passphrase: bytes | None,
) -> None:
    """Make, verify and publish every disc of the job."""
    job = context.job
    acquired = known.acquired = _converted(context, workspace, acquired, known)
    with timed("author", known):
        acquired = _looked_at(context, workspace, acquired, viewing)
        known.plans = plans = author.run(acquired, context, viewing.collect)
        viewing.close()  # what follows needs room more than workers
        publish.require_names(plans, context)
        write.require_fit(plans, job.media_size_bytes)
    total = sum(file.size_bytes for plan in plans for file in plan.files)
    require_free(job.output_folder, total + job.minimum_free_bytes)
    verified = [  # all of them before the first is published
        _made(plan, context, workspace, known, passphrase) for plan in plans
    ]
    context.require_running()  # the last moment: from here on the discs get their names
    with timed("publish", known):
        publish.require_names(plans, context)  # again: writing took its time
        made = zip(verified, plans, strict=True)
        announce([publish.planned(*each, context) for each in made], known, job, context.log)
        known.discs += publish.run_all(verified, plans, context)
        label.run(known.discs, plans, context, made_on=acquired.made_on)


def _made(
    plan: FileSet,
    context: Context,
    workspace: Workspace,
    known: Knowledge,
    passphrase: bytes | None,
) -> VerifiedImage:
    """Write one disc in the form that is asked for, and read it back."""
    part = workspace.folder / f"disc{plan.number}.part"
    if context.job.deliver_as != "iso":
        with timed("write", known):
            return pack.run(plan, part, context, passphrase=passphrase)
    with verify.ReadBack(plan) as reading:
        with timed("write", known):
            image = write.run(plan, part, context, watcher=reading)
        with timed("verify", known):
            good = verify.run(image, plan, context, reading)
    if passphrase is None:
        return good
    with timed("write", known):
        target = workspace.folder / f"disc{plan.number}.encrypted.part"
        return pack.encrypt(good, plan, target, context, passphrase=passphrase)


def _converted(
    context: Context, workspace: Workspace, acquired: author.Acquired, known: Knowledge
) -> author.Acquired:
    """Return the instances in the transfer syntaxes of the profile asked for."""
    profile = require_profile(context.job.profile)
    convert.warn_of_no_effect(profile, context)
    if profile is not None:
        with timed("convert", known):
            instances, conversions = convert.run(
                acquired.retrieved.instances,
                profile,
                workspace.folder / "converted",
                context,
                compress=context.job.compress,
            )
        retrieved = dataclasses.replace(acquired.retrieved, instances=instances)
        acquired = dataclasses.replace(acquired, retrieved=retrieved, conversions=conversions)
    return acquired


def _looked_at(
    context: Context, workspace: Workspace, acquired: author.Acquired, viewing: view.Viewing
) -> author.Acquired:
    """Return what the viewer's workers tell, who decode every image anyway: sizes and icons."""
    instances = acquired.retrieved.instances
    sizes = viewing.sizes(instances)
    icons = viewing.icons(instances) if context.job.icons else {}
    if icons is None:
        icons = convert.make_pictures(instances, workspace.folder / "icons", context)
    return dataclasses.replace(acquired, viewer_bytes=sizes, icons=icons)


def _forward(
    context: Context, known: Knowledge, ledger: Ledger, plans: Sequence[FileSet] = ()
) -> None:
    """Send the discs' instances on, from their images or as planned."""
    if not context.job.forward:
        return
    for disc in known.discs:  # it takes its time; without it the result says the same
        context.say(f"{'Exists already' if disc.existed else 'Made'}: {disc.path}")
    with timed("forward", known):
        discs = tuple(known.discs)
        forward.run(discs, context, ledger=ledger, tell=known.take_forwarded, plans=plans)


def _conclude(context: Context, acquired: author.Acquired, known: Knowledge) -> None:
    """Tell what was left out, and raise for what is missing all the same."""
    left_out = Counter(series.modality or "?" for series in acquired.found.left_out)
    if left_out and context.job.modalities:
        words = ", ".join(f"{modality} ({n} series)" for modality, n in sorted(left_out.items()))
        context.say(f"Left out by the modality filter: {words}.")
    if _is_incomplete(acquired):
        raise incomplete(acquired.retrieved, acquired.found, published=True)
    forward.require_all(known.forwarded)


def _is_incomplete(acquired: author.Acquired) -> bool:
    """Whether something is missing, or whether nobody can know that nothing is."""
    return bool(acquired.retrieved.missing_count) or not acquired.found.count_verified
