"""mkiso: accession numbers in, a complete and verified patient disc image out."""

__version__ = "0.1.0"
