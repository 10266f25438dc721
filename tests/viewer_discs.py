"""Discs with a viewer for tests: made by the stages, as files in a folder."""

from pathlib import Path

from pixels.pixel_objects import file_of

from mkiso.core.context import Context
from mkiso.core.job import Job, Node
from mkiso.core.model import FindResult, RetrieveResult, Study
from mkiso.stages import author, view


class Disc:
    """The plan of a disc with everything that was said; `write` makes it a folder."""

    def __init__(self, folder: Path, contents, **job):
        self.folder, self.warned, self.logged = folder, [], []
        (folder / "received").mkdir(parents=True)
        levels = {}
        instances = tuple(
            file_of(*(c if isinstance(c, tuple) else (c,))[:1], folder / "received",
                    *(c[1:] if isinstance(c, tuple) else ()), levels=levels)
            for c in contents
        )  # fmt: skip
        settings = {"viewer": "full", "per_patient": False, **job}
        self.context = Context(
            job=Job("test", ("A1",), Node("abpacs", "ABPACS", "127.0.0.1", 11112), **settings),
            deadline=1e9,
            monotonic=lambda: 0.0,
            log=self.logged.append,
            warn=self.warned.append,
            say=lambda _: None,
            progress=lambda _: None,
            require_running=lambda: None,
        )
        found = FindResult((Study("1.2.3", "A1"),))
        with view.run(self.context, folder) as viewing:
            for instance in instances:
                for listener in viewing.listeners:
                    listener(instance)
            acquired = author.Acquired(found, RetrieveResult(instances), "2026-01-31")
            self.plans = author.run(acquired, self.context, viewing.collect)
        (self.plan, *_) = self.plans

    def write(self, place: Path, plan=None) -> Path:
        """Write the files of a disc below `place`."""
        for file in (plan or self.plan).files:
            path = place / file.path
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(file.source.read_bytes() if file.content is None else file.content)
        return place
