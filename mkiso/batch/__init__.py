"""Many jobs: the worker that overlaps them, and the run of a list."""
