"""Reads data sets that a test made as the viewer does."""

from received import EXPLICIT, encoded

from mkiso.core.viewer_values import read_values


def values_of(data_set, syntax=EXPLICIT):
    content = encoded(data_set, syntax)
    return read_bytes(content, syntax)


def read_bytes(content, syntax=EXPLICIT):
    return read_values(content[:1024], lambda o, n: content[o : o + n], len(content), syntax)
