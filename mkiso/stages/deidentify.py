"""deidentify: received instances become others of nobody, before anything is made of them.

PS3.15 Annex E. Each copy is written aside, read to its end again and named; pixels are copied in
pieces, so that memory does not grow with an object.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from mkiso.core.burned_in import (
    PIXEL_TAGS,
    US_REGIONS,
    Rectangle,
    blanked,
    decoded_bytes,
    leaves_all,
    matching_rules,
    picture_of,
    risk,
)
from mkiso.core.byte_source import EXPLICIT_LITTLE, ByteSource, Encoding, HeaderError
from mkiso.core.context import Context, Progress
from mkiso.core.conversion_plan import NATIVE, Step
from mkiso.core.deidentification import Blank, deidentified, subject_of
from mkiso.core.deidentification_rules import make_rules, parse_profile
from mkiso.core.deidentification_scope import LeftOut, left_out_sentences, why_left_out
from mkiso.core.disguise import Disguise
from mkiso.core.disguised_persons import issuers_of, who
from mkiso.core.element_walk import Fill, Pieces, Placed, Stretch
from mkiso.core.elements import scan
from mkiso.core.header import ENCODINGS
from mkiso.core.job import Job
from mkiso.core.media_profiles import EXPLICIT_VR_LITTLE_ENDIAN
from mkiso.core.model import ReceivedInstance
from mkiso.core.pseudonyms import Person, Pseudonyms
from mkiso.core.us_regions import region_rectangles
from mkiso.errors import DataError, DiskError, RefusedContentError
from mkiso.storage.deidentification_files import (
    read_key,
    read_pseudonyms,
    read_regions,
    read_table,
)
from mkiso.storage.instances import InstanceStore

_PIECE_BYTES = 1 << 20
_HEAD_BYTES = 256 * 1024
#: Decoders are started for as many objects as this is, decoded.
_MOST_DECODED_BYTES = 256 << 20
_CLEAN_PIXELS = "clean-pixel-data"
_MODALITY = 0x00080060


@dataclass(frozen=True, slots=True)
class Deidentified:
    """The copies, and what has none."""

    instances: tuple[ReceivedInstance, ...]
    left_out: tuple[LeftOut, ...]


def prepare(job: Job) -> Disguise | None:
    """Return how a job de-identifies, None when it does not. Raises Usage-, Config-, DataError."""
    if not job.deidentify:
        return None
    options = parse_profile(job.deidentify)
    pseudonyms = Pseudonyms(
        read_key(job.deidentify_key), "retain-uids" in options, read_pseudonyms(job.pseudonyms)
    )
    return Disguise(
        make_rules(read_table(), options),
        pseudonyms,
        job.burned_in,
        read_regions(job.blank_regions),
    )


def run(
    instances: Sequence[ReceivedInstance],
    disguise: Disguise,
    folder: Path,
    context: Context,
) -> Deidentified:
    """Return de-identified copies in the new `folder`.

    Raises RefusedContentError for pixels that may show a patient, DataError for a patient who is
    not in the list of pseudonyms or an object that cannot be read, DiskError.
    """
    folder.mkdir(mode=0o700)
    store = InstanceStore(folder, minimum_free_bytes=context.job.minimum_free_bytes)
    work = _Work(disguise, store, folder, context)
    try:
        made = work.all(instances)
    except OSError as error:
        raise DiskError(
            f"The de-identified copies could not be written ({error.strerror}); check the disk."
        ) from error
    finally:
        store.close()
    for sentence in left_out_sentences(work.left_out):
        context.warn(sentence)
    context.log(f"deidentify: {len(made)} copies, {disguise.rules.words}")
    if not made:
        raise RefusedContentError(
            "Nothing is left to be de-identified: every object was left out, as the warnings say."
        )
    return Deidentified(tuple(made), tuple(work.left_out))


class _Work:
    """De-identifies one instance after the other."""

    def __init__(
        self, disguise: Disguise, store: InstanceStore, folder: Path, context: Context
    ) -> None:
        self.left_out: list[LeftOut] = []
        self._issuers: dict[str, frozenset[str]] = {}  # by PatientID
        self._waiting: dict[int, int] = {}  # to be decoded: number, bytes
        self._disguise = disguise
        self._store = store
        self._folder = folder
        self._context = context

    def all(self, instances: Sequence[ReceivedInstance]) -> list[ReceivedInstance]:
        """Return the copies, in order."""
        self._issuers = issuers_of(instance.header for instance in instances)
        several = any(len(each) > 1 for each in self._issuers.values())
        if several and self._disguise.pseudonyms.names:
            raise DataError(
                "A PatientID stands for patients of several issuers here, which the list of "
                "pseudonyms does not tell apart: do one issuer at a time."
            )
        made: dict[int, ReceivedInstance | None] = {}
        for number, instance in enumerate(instances):
            self._context.require_time()
            made[number] = self._one(instance, number)
            if sum(self._waiting.values()) > _MOST_DECODED_BYTES:
                made |= self._decoded(instances)
            done = len(made) - len(self._waiting)
            self._context.progress(Progress("deidentify", done, len(instances)))
        made |= self._decoded(instances)
        self._context.progress(Progress("deidentify", len(made), len(instances)))
        return [copy for _, copy in sorted(made.items()) if copy is not None]

    def _one(self, instance: ReceivedInstance, number: int | None) -> ReceivedInstance | None:
        """Return the copy of an instance, None when it is left out.

        One whose pixels have to be decoded waits under its `number`; without one it is as it is.
        """
        rules = self._disguise.rules
        reason = why_left_out(instance.sop_class_uid, instance.study_instance_uid, rules)
        if reason:
            self._leave_out(instance, reason)
            return None
        try:
            with _Opened(instance) as opened:
                values, _ = scan(opened.source(), opened.encoding, PIXEL_TAGS, frozenset())
                danger = risk(values, instance.sop_class_uid)
                blank = None
                if rules.has(_CLEAN_PIXELS):
                    blank = self._blank(opened, values)
                    places = self._places(opened, values) if opened.is_compressed else ()
                    if number is not None and any(places):
                        self._waiting[number] = decoded_bytes(values)
                        return None
                if danger and blank is None and self._disguise.burned_in != "keep":
                    self._leave_out_or_refuse(instance, danger)
                    return None
                return self._copy(opened, blank)
        except HeaderError as error:
            raise DataError(
                f"The instance {instance.sop_instance_uid} cannot be de-identified: {error.message}"
            ) from error

    def _leave_out_or_refuse(self, instance: ReceivedInstance, danger: str) -> None:
        if self._disguise.burned_in == "leave-out":
            self._leave_out(instance, danger)
            return
        raise RefusedContentError(
            f"The pixels of instance {instance.sop_instance_uid} may show the patient: {danger}. "
            "Leave such objects out (--burned-in leave-out), blank them (clean-pixel-data), or, "
            "when a person has looked at them, keep them (--burned-in keep)."
        )

    def _leave_out(self, instance: ReceivedInstance, reason: str) -> None:
        modality = dict(instance.header.series).get(_MODALITY, b"").decode("latin-1").strip(" \0")
        self.left_out.append(
            LeftOut(
                instance.sop_instance_uid,
                instance.series_instance_uid,
                instance.study_instance_uid,
                modality,
                reason,
            )
        )

    def _decoded(self, instances: Sequence[ReceivedInstance]) -> dict[int, ReceivedInstance | None]:
        """Return the copies of those that wait, decoded to be blanked; what cannot be, as it is."""
        from mkiso.pixels.conversion_jobs import convert_instances  # noqa: PLC0415 - when needed

        numbers, self._waiting = tuple(self._waiting), {}
        if not numbers:
            return {}
        steps = [(instances[number], Step(EXPLICIT_VR_LITTLE_ENDIAN)) for number in numbers]
        with tempfile.TemporaryDirectory(prefix="decoded-", dir=self._folder) as folder:
            made = convert_instances(
                steps, Path(folder), lambda _done, _of: self._context.require_time()
            )
            return {
                number: self._one(native, None)
                for number, (native, _) in zip(numbers, made, strict=True)
            }

    def _places(
        self, opened: _Opened, values: dict[int, bytes]
    ) -> tuple[tuple[Rectangle, ...], tuple[Rectangle, ...]]:
        """Return what is kept of a picture (nothing: all), and what of that is blanked."""
        _, spans = scan(opened.source(), opened.encoding, frozenset(), frozenset((US_REGIONS,)))
        keep = region_rectangles(opened.source(), spans.get(US_REGIONS))
        return keep, matching_rules(self._disguise.regions, values)

    def _blank(self, opened: _Opened, values: dict[int, bytes]) -> Blank | None:
        """Return what blanks the pixels; None when no rule says where, or none of them hits."""
        picture = picture_of(values)
        if picture is None or opened.is_compressed:
            return None
        keep, blank = self._places(opened, values)
        if leaves_all(picture, keep, blank):
            return None

        def blank_pixels(placed: Placed, encoding: Encoding) -> Pieces:
            if placed.element.length < picture.size_bytes:
                raise HeaderError("PixelData is shorter than its description says.")
            return blanked(placed, encoding, picture, keep=keep, blank=blank)

        return blank_pixels

    def _copy(self, opened: _Opened, blank: Blank | None) -> ReceivedInstance:
        """Write, check and name the copy. Raises HeaderError, DataError, OSError."""
        instance, disguise = opened.instance, self._disguise
        subject = subject_of(opened.source(), opened.encoding, lambda *_: self._person_of(instance))
        pieces = deidentified(
            opened.source(), opened.encoding, disguise.rules, disguise.pseudonyms, subject,
            blank=blank,
        )  # fmt: skip
        writer = self._store.begin(
            instance.sop_class_uid,
            disguise.uid(instance.sop_instance_uid),
            instance.transfer_syntax_uid,
        )
        try:
            for content in opened.content(pieces):
                writer.write(memoryview(content))
            writer.finish()
        except BaseException:
            writer.discard()
            raise
        made = self._store.settle(writer.keep())
        if made is None:
            raise DataError(
                f"The instance {instance.sop_instance_uid} is there twice; give it once."
            )
        return made

    def _person_of(self, instance: ReceivedInstance) -> Person:
        patient_id, issuer = who(instance.header, instance.study_instance_uid, self._issuers)
        try:
            return self._disguise.pseudonyms.person(patient_id, issuer)
        except KeyError:
            raise DataError(
                "A patient is not in the list of pseudonyms; add the PatientID to it."
            ) from None


class _Opened:
    """An open instance, read where it is asked for."""

    def __init__(self, instance: ReceivedInstance) -> None:
        self.instance = instance
        syntax = instance.transfer_syntax_uid
        self.encoding = ENCODINGS.get(syntax, EXPLICIT_LITTLE)
        self.is_compressed = syntax not in NATIVE
        self._size = instance.size_bytes - instance.data_set_offset
        self._descriptor = -1

    def __enter__(self) -> _Opened:  # noqa: PYI034 - typing.Self came with Python 3.11
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC
        self._descriptor = os.open(self.instance.path, flags)
        self._head = self._read_at(0, min(self._size, _HEAD_BYTES))
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._descriptor)

    def source(self) -> ByteSource:
        """Return the data set, at its beginning."""
        return ByteSource(self._head, self._read_at, self._size)

    def content(self, pieces: Pieces) -> Iterator[bytes]:
        """Yield the bytes of the new data set, a megabyte at a time at most."""
        for part in pieces.parts:
            if isinstance(part, Stretch):
                for start in range(part.start, part.stop, _PIECE_BYTES):
                    yield self._read_at(start, min(_PIECE_BYTES, part.stop - start))
            elif isinstance(part, Fill):
                yield from _filled(part)
            else:
                yield part

    def _read_at(self, start: int, length: int) -> bytes:
        offset = self.instance.data_set_offset + start
        return os.pread(self._descriptor, length, offset)


def _filled(part: Fill) -> Iterator[bytes]:
    """Yield a pattern as often as it fits."""
    many = part.pattern * max(1, _PIECE_BYTES // len(part.pattern))
    left = part.size_bytes
    while left > 0:
        yield many[:left]
        left -= len(many)
