"""Decoded images: the only room that imports numpy and decoders."""
