"""The program: commands loaded when they are used, every end of a run an exit code of our own."""

from __future__ import annotations

import difflib
import importlib
import os
import sys
import threading
import time
from collections.abc import Iterable, Sequence

import click

import mkiso
from mkiso.cli import streams
from mkiso.cli.output import Output
from mkiso.cli.session import Session
from mkiso.core.report import Report, failure_report
from mkiso.errors import (
    DiskError,
    InternalError,
    InterruptedJobError,
    MkisoError,
    UsageError,
)

#: Command, and what it is for. The module of a command is imported when it is used.
COMMANDS = {
    "make": "Make a disc image from accession numbers.",
    "batch": "Make the discs of a whole list, unattended.",
    "jobs": "List the jobs of the ledger; show, retry, cancel or purge them.",
    "status": "Say how far a job is, or how it ended.",
    "verify": "Judge a disc image, or a mounted or extracted disc.",
    "plan": "Say which discs 'make' would make, and make none.",
    "burn": "Burn a disc image, read it back and compare it.",
    "echo": "Ask nodes whether they are there and know us.",
    "nodes": "List the configured nodes, and ask whether they answer.",
    "find": "Ask a node what it has: a table, CSV, JSON or UIDs.",
    "retrieve": "Retrieve studies into a folder of files, complete or an error.",
    "move": "Let a node send studies to a third one.",
    "send": "Send files, folders, discs or ZIP archives to a node.",
    "import-disc": "Read a disc of others, say what is broken, and send it on.",
    "deidentify": "Write de-identified copies of DICOM files.",
    "receive": "Receive what is sent to us, until stopped; an event for each study.",
    "worklist": "Ask a node for its modality worklist.",
    "mpps": "Tell a node that a procedure step has begun or ended.",
    "watch": "Import the patients' folders that are put into a folder: correct, send, archive.",
    "doctor": "Check everything that a disc needs, and say what to change.",
    "archive": "Serve a folder of DICOM files as an archive.",
    "demo": "Make a disc from made-up patients, without any archive.",
    "completion": "Print the completion script of a shell.",
}
_HELP = {"-h", "--help", "--version"}
#: Threads that hang in a system call must not keep a finished run alive.
_LINGER_SECONDS = 5.0


class LazyGroup(click.Group):
    """A group whose commands are imported when they are used."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """Return the names, in the order of the help."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """Import and return a command; None when there is no such."""
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(f"mkiso.cli.commands.{cmd_name.replace('-', '_')}")
        command: click.Command = module.command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """Write the table of commands without importing one."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.group(
    cls=LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="'mkiso COMMAND --help' says more. Exit codes are in 'mkiso make --help'.",
)
@click.version_option(mkiso.__version__, prog_name="mkiso", message="%(prog)s %(version)s")
def program() -> None:
    """Patient discs from accession numbers: complete, correct, verified."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit code."""
    streams.prepare_streams()
    if instruction := os.environ.get("_MKISO_COMPLETE"):
        from mkiso.cli import completing  # noqa: PLC0415 - only when a shell asks

        return completing.answer(program, instruction)
    argv = list(sys.argv[1:] if arguments is None else arguments)
    session = Session(Output(as_json=asks_for_json(argv)))
    session.stop.install()
    try:
        code = _run(argv, session)
    except MkisoError as error:  # a signal just between the end of a run and its report
        code = error.code
    streams.close_quietly()
    _leave_threads(code)
    return code


def asks_for_json(argv: Sequence[str]) -> bool:
    """Return whether `--json` is among the options, for errors of the options themselves."""
    options = argv[: argv.index("--")] if "--" in argv else argv
    return "--json" in options


def _run(argv: list[str], session: Session) -> int:
    try:
        result = _invoke(argv, session)
    except click.exceptions.Exit as end:  # --help, --version
        return end.exit_code
    except BaseException as error:  # noqa: BLE001 - whatever it is, the caller gets our code
        session.stop.only_note()
        if isinstance(error, BrokenPipeError) and not _HELP.isdisjoint(argv):
            return 0  # the reader of a help text has seen enough
        if isinstance(error, OSError) and not _HELP.isdisjoint(argv):
            error = DiskError(f"The help could not be written to stdout ({error.strerror}).")
        result = session.audited(_failure(error, session))
        session.keep_report(result)
        return session.output.result(result)
    session.stop.only_note()
    if isinstance(result, Report):
        return session.output.result(session.audited(result))
    return result if isinstance(result, int) else 0


def _invoke(argv: list[str], session: Session) -> object:
    """Parse and run. Not by `program()`: click's own main ends with 1 and 2."""
    with program.make_context("mkiso", list(argv), obj=session) as context:  # it empties the list
        session.command = next((word for word in argv if word in COMMANDS), "")
        return program.invoke(context)


def _failure(error: BaseException, session: Session) -> Report:
    """Return the report for whatever ended the run."""
    if isinstance(error, click.ClickException):
        error = UsageError(_usage_sentence(error))
    elif isinstance(error, (KeyboardInterrupt, click.Abort)):
        error = InterruptedJobError("Interrupted; nothing was published.")
    if not isinstance(error, MkisoError):
        return _crash(error, session)
    return failure_report(error, **_known(session))


def _crash(error: BaseException, session: Session) -> Report:
    log = session.record_crash(error)
    where = f"the traceback is in {log}" if log else "the traceback is above"
    bug = InternalError(f"This is a bug in mkiso ({type(error).__name__}); {where}.")
    return failure_report(bug, **_known(session), log=log)


def _known(session: Session) -> dict[str, object]:
    return {
        "command": session.command,
        "job": session.job_id,
        "accessions": session.accessions,
    }


def _usage_sentence(error: click.ClickException) -> str:
    context = getattr(error, "ctx", None)
    path = context.command_path if context is not None else "mkiso"
    if isinstance(error, click.exceptions.NoArgsIsHelpError):
        return f"A command is needed: {', '.join(COMMANDS)}. Try 'mkiso --help'."
    if isinstance(error, click.exceptions.NoSuchOption):
        return _no_such(error.option_name, _options_of(context), "option", path)
    if isinstance(error, click.UsageError) and error.message.startswith("No such command"):
        wanted = error.message.partition("'")[2].partition("'")[0]
        return _no_such(wanted, COMMANDS, "command", path)
    return f"{' '.join(error.format_message().split())} Try '{path} --help'."


def _options_of(context: click.Context | None) -> list[str]:
    if context is None:
        return []
    parameters = context.command.get_params(context)
    return [word for p in parameters for word in (*p.opts, *p.secondary_opts) if word[:2] == "--"]


def _no_such(wanted: str, known: Iterable[str], what: str, path: str) -> str:
    """Name what is near enough to be meant: click's own measure calls --verbose near --bogus."""
    words = {word.lstrip("-"): word for word in known}
    near = difflib.get_close_matches(wanted.lstrip("-"), words, n=1, cutoff=0.7)
    hint = f"did you mean {words[near[0]]}?" if near else f"'{path} --help' lists them."
    return f"'{path}' has no {what} {wanted}; {hint}"


def _leave_threads(code: int) -> None:
    """Wait a little for threads that would keep the interpreter, then leave without them."""
    until = time.monotonic() + _LINGER_SECONDS
    for thread in threading.enumerate():
        if thread is not threading.main_thread() and not thread.daemon:
            thread.join(max(0.0, until - time.monotonic()))
            if thread.is_alive():
                os._exit(code)
