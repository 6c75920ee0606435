"""The report: a folder of songs as one page.

- ``entries.py`` its contents: each record as the page shows it, and the totals
- ``page.py`` writes the page: ``page.html``, with ``page.css``, ``rows.js`` (its list) and ``page.js`` (player, search)
"""

from musicapi_async.bulk.report.entries import Entry, Song, Summary, entry_of
from musicapi_async.bulk.report.page import PAGE, write_report

__all__ = ["PAGE", "Entry", "Song", "Summary", "entry_of", "write_report"]
