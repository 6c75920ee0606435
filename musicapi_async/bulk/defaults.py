"""Names that a run and the help of its command share."""

from typing import Final

__all__ = ["JOURNAL", "NAMES"]

JOURNAL: Final = "journal.db"
"""Name of the journal in the folder of a run."""
NAMES: Final = "{index:05d}-{title}-{clip_id}.{ext}"
"""Template of the names of files."""
