"""A bug in words for the log: where it happened, never what the data was."""

from __future__ import annotations

import traceback

#: Exceptions whose text names code or files. The text of others may quote what they choked on,
#: a patient's name for one.
_TEXT_IS_CODE = (AttributeError, TypeError, NameError, ImportError, RecursionError)


def failure_lines(error: BaseException) -> list[str]:
    """Return the traceback of `error` and its causes, a line each, without values of data."""
    lines: list[str] = []
    for link in _chain(error):
        if lines:
            lines.append("which led to:")
        lines += [
            f"  {frame.filename}:{frame.lineno} in {frame.name}: {frame.line}"
            for frame in traceback.extract_tb(link.__traceback__)
        ]
        lines.append(f"{type(link).__module__}.{type(link).__qualname__}{_text(link)}")
    return lines


def _chain(error: BaseException) -> list[BaseException]:
    """Return the causes of an exception and itself, the first cause first."""
    chain: list[BaseException] = []
    link: BaseException | None = error
    while link is not None and link not in chain:
        chain.append(link)
        link = link.__cause__ or (None if link.__suppress_context__ else link.__context__)
    return chain[::-1]


def _text(error: BaseException) -> str:
    if isinstance(error, OSError):
        return f": {error.strerror or ''} {error.filename or ''}".rstrip()
    return f": {error}" if isinstance(error, _TEXT_IS_CODE) else ""
