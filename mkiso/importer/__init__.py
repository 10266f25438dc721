"""Folders in: watched, corrected, sent, archived. Stands on stages, network and storage."""
