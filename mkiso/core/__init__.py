"""Decides: no network, disk, clock, randomness, logging or environment."""
