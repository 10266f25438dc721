"""What a page of a disc refers to, and whether that is on the disc as it is spelled."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Collection
from html.parser import HTMLParser
from typing import NamedTuple
from urllib.parse import unquote, urlsplit

from mkiso.core.disc_layout import INDEX, README, WEB_FOLDER
from mkiso.core.findings import Findings

#: Attributes that name another resource (HTML, "Attributes" index).
_LINKS = frozenset({"href", "src", "data", "poster", "background", "longdesc"})
_NETWORK = frozenset({"http", "https", "ftp", "ws", "wss"})
_CHARSET = re.compile(rb"(?i)(charset|encoding)\s*=\s*[\"']?\s*utf-?8")
_PAGE = re.compile(r"\.(HTML?|XHTM?L?)\Z")


class Link(NamedTuple):
    """One reference: which element has it, and its target as written."""

    tag: str
    target: str


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.links: list[Link] = []
        self.is_page = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.is_page |= tag == "html"
        self.links += [Link(tag, value) for name, value in attrs if value and name in _LINKS]


def is_page(path: str) -> bool:
    """Say whether a file with this path in upper case is a web page."""
    return _PAGE.search(path) is not None


class Places:
    """The files and folders of a disc, to look links up in."""

    def __init__(self, paths: Collection[str]) -> None:
        """Take all paths as the disc spells them."""
        self.exact = _with_folders(paths)
        self.upper = {place.upper() for place in self.exact}


def check_page(path: str, content: bytes, places: Places, findings: Findings) -> set[str]:
    """Check the links of one page; give the paths on the disc that it leads to.

    A link whose case is not the file's fails wherever the case of names counts.
    """
    reader = _Reader()
    reader.feed(content.decode("utf-8", "replace"))
    if not reader.is_page:
        findings.warning("page.not-html", f"{path} is no web page.")
    _check_encoding(path, content, findings)
    reached: set[str] = set()
    for link in reader.links:
        target = _target(path, link, findings)
        if target is None:
            continue
        if target in places.exact:
            reached.add(target)
        elif target.upper() in places.upper:
            findings.error("page.link-case", f"{path} spells {target} otherwise than the disc.")
        else:
            findings.error("page.link-missing", f"{path} refers to {target}, which is not there.")
    return reached


def check_index(reached: Collection[str], paths: Collection[str], findings: Findings) -> None:
    """Check where INDEX.HTM must lead (IHE RAD TF-3 4.47.4.1.2.3.3)."""
    if README in paths and README not in reached:
        findings.warning("page.no-readme-link", f"{INDEX} does not lead to {README}.")
    web = any(path.startswith(f"{WEB_FOLDER}/") for path in paths)
    if web and not any(path.startswith(f"{WEB_FOLDER}/") for path in reached):
        findings.warning("page.no-web-link", f"{INDEX} does not lead to {WEB_FOLDER}.")


def check_readme(content: bytes, findings: Findings) -> None:
    """Check that README.TXT is text that any editor shows."""
    text = content.removeprefix(b"\xef\xbb\xbf")
    if not text.strip():
        findings.error("page.readme-empty", f"{README} says nothing.")
        return
    control = re.search(rb"[\x00-\x08\x0e-\x1f]", text)
    if control:
        findings.warning("page.readme-not-text", f"{README} is no plain text.")


def _check_encoding(path: str, content: bytes, findings: Findings) -> None:
    if content.isascii():
        return
    try:
        content.decode("utf-8")
    except UnicodeDecodeError:
        if not re.search(rb"(?i)(charset|encoding)\s*=", content[:4096]):
            findings.warning("page.encoding", f"{path} does not say how its text is encoded.")
        return
    if not _CHARSET.search(content[:4096]) and not content.startswith(b"\xef\xbb\xbf"):
        findings.warning("page.encoding", f"{path} does not say how its text is encoded.")


def _target(page: str, link: Link, findings: Findings) -> str | None:
    """Give the path on the disc that a link names; None when it leads elsewhere."""
    try:
        parts = urlsplit(link.target.strip())
    except ValueError:
        findings.warning("page.link-unusable", f"{page} has a link that is no address.")
        return None
    if parts.scheme in _NETWORK or link.target.strip().startswith("//"):
        if link.tag != "a":
            findings.warning("page.network", f"{page} takes something from the network.")
        return None
    if parts.scheme or not parts.path:
        if parts.scheme == "file" or (len(parts.scheme) == 1 and parts.scheme.isalpha()):
            findings.error("page.link-absolute", f"{page} has a link to one computer's own path.")
        return None
    path = unquote(parts.path).replace("\\", "/")
    joined = posixpath.normpath(posixpath.join(posixpath.dirname(page), path))
    if path.startswith("/") or joined.startswith(".."):
        findings.error("page.link-outside", f"{page} has a link that leaves the disc.")
        return None
    return "" if joined == "." else joined


def _with_folders(paths: Collection[str]) -> set[str]:
    places = {""}
    for path in paths:
        places.add(path)
        while "/" in path:
            path = path.rpartition("/")[0]  # noqa: PLW2901 - one folder up after the other
            places.add(path)
    return places
