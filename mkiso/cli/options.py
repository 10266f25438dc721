"""The options that commands share, in groups, and the help that shows them so."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

from mkiso.core.exit_codes import EXIT_CODES
from mkiso.core.media import MEDIUM_NAMES, parse_size

#: Groups of the help.
_WHAT, _NODES, _DISC, _WAIT, _OUTPUT = "What", "Nodes", "Disc", "Waiting", "Settings and output"

_Decorated = TypeVar("_Decorated", bound=Callable[..., Any])


class Size(click.ParamType):  # type: ignore[type-arg]  # generic in later versions of click only
    """A size as people write it, in bytes."""

    name = "size"

    def convert(
        self,
        value: Any,
        param: click.Parameter | None,  # noqa: ARG002 - click's signature
        ctx: click.Context | None,  # noqa: ARG002
    ) -> int:
        """Return the bytes. Raises UsageError."""
        return value if isinstance(value, int) else parse_size(value)


class GroupedOption(click.Option):
    """An option that belongs to a group of the help."""

    def __init__(self, *arguments: Any, group: str = "Options", **attributes: Any) -> None:
        """Keep the group; the rest is click's."""
        super().__init__(*arguments, **attributes)
        self.group = group


class GroupedCommand(click.Command):
    """A command whose help shows its options by group, and keeps the epilog's lines."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the options, each group under its title."""
        groups: dict[str, list[tuple[str, str]]] = {}
        for parameter in self.get_params(ctx):
            record = parameter.get_help_record(ctx)
            if record is not None and isinstance(parameter, click.Option):
                groups.setdefault(getattr(parameter, "group", _OUTPUT), []).append(record)
        for title, records in groups.items():
            with formatter.section(title):
                formatter.write_dl(records)

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002 - click's signature
        """Write the epilog as it stands: it holds a table."""
        if self.epilog:
            formatter.write_paragraph()
            formatter.write(self.epilog + "\n")


def option(*declarations: str, group: str, **attributes: Any) -> Callable[[_Decorated], _Decorated]:
    """Return a decorator that adds an option to a group of the help."""
    return click.option(*declarations, cls=GroupedOption, group=group, **attributes)


def combine(*decorators: Callable[[Any], Any]) -> Callable[[_Decorated], _Decorated]:
    """Return one decorator of several, the first one's option first in the help."""

    def decorate(function: _Decorated) -> _Decorated:
        for decorator in reversed(decorators):
            function = decorator(function)
        return function

    return decorate


what_options = combine(
    option("--modality", multiple=True, metavar="CODE", group=_WHAT,
           help="Only series of this modality, literally (ct is CT); may be repeated. What it"
           " leaves out is listed."),
    option("--study-uid", multiple=True, metavar="UID", group=_WHAT,
           help="A study by its Study Instance UID; may be repeated."),
    option("--stdin", is_flag=True, group=_WHAT,
           help="Read more from stdin: one accession number a line, or a JSON array of them, or a"
           " JSON object with accessions, study_uids and options as words"
           ' ({"accessions": ["A1"], "modality": ["CT"]}). Arguments come first, and options'
           " win over the object."),
    option("--skip-not-found/--no-skip-not-found", default=None, group=_WHAT,
           help="Go on without accession numbers that the archive does not know."),
    option("--per-patient/--no-per-patient", default=None, group=_WHAT,
           help="Several patients: one disc each, instead of none."),
    option("--same-patient", is_flag=True, default=None, group=_WHAT,
           help="A person has looked: a differing name or birth date is one patient's all the"
           " same. Never overrules a differing PatientID."),
    option("--allow-incomplete", is_flag=True, default=None, group=_WHAT,
           help="Publish what there is as NAME.INCOMPLETE.iso; still ends with 80."),
    option("--max-instances", type=int, metavar="N", group=_WHAT,
           help="Refuse a job of more instances.  [default: 50000]"),
)  # fmt: skip

archive_option = option(
    "--archive", metavar="NODE", group=_NODES,
    help="Where the images are: AET@HOST:PORT or a configured name."
    "  [default: ABPACS@localhost:11112]",
)  # fmt: skip
receiver_option = option(
    "--receiver", metavar="AET:PORT", group=_NODES,
    help="Ourselves, as the archive knows us; AET@BIND:PORT listens on one address only."
    "  [default: CDRECORD:10104]",
)  # fmt: skip
node_options = combine(
    archive_option,
    receiver_option,
    option("--forward", multiple=True, metavar="NODE", group=_NODES,
           help="Send the instances to this node, too, after the disc is there; may be repeated."
           " What it has of this disc from an earlier run is not sent again without --replace."),
)  # fmt: skip

disc_options = combine(
    option("--output", metavar="FOLDER", group=_DISC,
           help="Folder of the disc images.  [default: the current folder]"),
    option("--name", metavar="NAME", group=_DISC,
           help="Name of the image, without .iso.  [default: the first accession number]"),
    option("--viewer", type=click.Choice(["auto", "full", "preview", "none"]), group=_DISC,
           help="The images in a browser: all values, pictures of 8 bits, or not at all; auto: all"
           " values, but pictures of the largest series where the medium is full."
           "  [default: auto]"),
    option("--medium", type=click.Choice(MEDIUM_NAMES), group=_DISC,
           help="What the disc goes on. More than it holds is split over several discs.  [default:"
           " one disc of any size]"),
    option("--media-size", type=Size(), metavar="SIZE", group=_DISC,
           help="What the medium holds, such as 4.7GB or 650MiB."),
    option("--split/--no-split", default=None, group=_DISC,
           help="Refuse what does not fit one medium, and say what would be needed."
           "  [default: split]"),
    option("--profile", metavar="NAME", group=_DISC,
           help="Application profile of PS3.11, such as STD-GEN-CD or STD-GEN-DVD-JPEG: what it"
           " does not allow is converted without loss, and listed.  [default: as-received]"),
    option("--compress/--no-compress", default=None, group=_DISC,
           help="Compress images without loss, where the profile has a syntax for it."),
    option("--icons/--no-icons", default=None, group=_DISC,
           help="Put small pictures of the images into DICOMDIR."),
    option("--as", type=click.Choice(["iso", "zip", "folder"]), group=_DISC,
           help="The same files as an image, a ZIP archive or a folder.  [default: iso]"),
    option("--encrypt", metavar="FILE", group=_DISC,
           help="Encrypt with AES-256; the pass phrase is the first line of FILE, or of the open"
           " descriptor fd:N. The result is a ZIP archive, and no IHE PDI medium."),
    option("--label", type=click.Choice(["svg", "pdf"]), group=_DISC,
           help="Write a label to be printed, NAME.label.svg or .pdf; it names the patient."),
    option("--robot", type=click.Choice(["primera", "epson"]), group=_DISC,
           help="Write a job for a burning robot, NAME.JRQ or NAME.JDF."),
    option("--copies", type=int, metavar="N", group=_DISC,
           help="How many the robot makes.  [default: 1]"),
    option("--replace/--no-replace", default=None, group=_DISC,
           help="Replace another disc of that name instead of refusing."),
    option("--requested-by", metavar="TEXT", group=_DISC,
           help="Who asked for the disc; kept in the report."),
)  # fmt: skip

_DEIDENTIFICATION = "De-identification"
deidentify_option = option(
    "--deidentify", is_flag=False, flag_value="basic", metavar="[=PROFILE]",
    group=_DEIDENTIFICATION,
    help="Only de-identified copies leave: PS3.15 Basic Profile, with options after a comma, such"
    " as =basic,retain-modified-dates,clean-descriptors.",
)  # fmt: skip
deidentify_options = combine(
    option("--deidentify-key", metavar="FILE", group=_DEIDENTIFICATION,
           help="The key of new UIDs, identifiers and dates: the same key maps alike."
           "  [default: a new one each time, kept nowhere]"),
    option("--pseudonyms", metavar="FILE", group=_DEIDENTIFICATION,
           help="CSV list with the columns PatientID, Pseudonym and PseudonymName."
           "  [default: pseudonyms made with the key]"),
    option("--burned-in", type=click.Choice(["refuse", "leave-out", "keep"]),
           group=_DEIDENTIFICATION,
           help="Objects whose pixels may show a patient; keep: a person has looked."
           "  [default: refuse]"),
    option("--blank-regions", metavar="FILE", group=_DEIDENTIFICATION,
           help="CSV list of rectangles to blank with the option clean-pixel-data: modality,"
           " model, rows, columns, left, top, width, height."),
)  # fmt: skip

wait_options = combine(
    option("--stall-timeout", type=float, metavar="SECONDS", group=_WAIT,
           help="No instance for so long: try again, then give up.  [default: 300; 600 for the"
           " first instance]"),
    option("--deadline", type=float, metavar="SECONDS", group=_WAIT,
           help="The whole job ends after this.  [default: 14400]"),
    option("--lock-wait", type=float, metavar="SECONDS", group=_WAIT,
           help="How long to wait for another run on our port.  [default: 600]"),
)  # fmt: skip

config_options = combine(
    option("--config", metavar="FILE", group=_OUTPUT,
           help="Configuration file.  [default: $MKISO_CONFIG, ./mkiso.toml,"
           " ~/.config/mkiso/mkiso.toml, /etc/mkiso.toml]"),
    option("--set", "assignments", multiple=True, metavar="KEY=VALUE", group=_OUTPUT,
           help="Any key of the configuration file, such as job.quiet_period=5."),
)  # fmt: skip

json_option = option("--json", "as_json", is_flag=True, group=_OUTPUT,
                     help="One JSON object on stdout, whatever happens.")  # fmt: skip
progress_option = option(
    "--progress", type=click.Choice(["auto", "json", "none"]), default="auto", show_default=True,
    group=_OUTPUT,
    help="On stderr: bars when it is a terminal, JSON lines, or nothing.",
)  # fmt: skip
verbose_option = option("-v", "--verbose", is_flag=True, group=_OUTPUT,
                        help="Show the job's log while it is written.")  # fmt: skip
legacy_option = option("--legacy-output", is_flag=True, group=_OUTPUT,
                       help="Print dcmqr's two lines first, for scripts that look for them.",
                       )  # fmt: skip


def exit_code_table(codes: tuple[int, ...] = (), examples: tuple[str, ...] = ()) -> str:
    """Return examples and the exit codes as an epilog; all of the codes, or only `codes`."""
    rows = [row for row in EXIT_CODES if not codes or row.code in codes]
    if examples:
        shown = "\n".join(f"  {example}" for example in examples)
        return f"Examples:\n{shown}\n\n{exit_code_table(codes)}"
    head = "Exit codes (0: complete, verified disc; 75: try again; others: a person must look):"
    return "\n".join([head, *(f"  {row.code:>3}  {row.name:<16} {row.meaning}" for row in rows)])
