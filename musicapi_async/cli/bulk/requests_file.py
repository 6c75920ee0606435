"""The requests of a file or of standard input: read, all lines checked, and planned in a journal."""

import hashlib
import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import attrs

from musicapi_async import bulk
from musicapi_async._version import VERSION
from musicapi_async.bulk import BadLine, Journal, Planned
from musicapi_async.cli.exit_codes import UsageError
from musicapi_async.cli.screen import Screen

__all__ = ["RequestsSource", "is_planned", "note_planned", "requests_source"]

PLANNED_FILE: Final = "planned file"
"""The journal's entry for the fingerprint of the file that was planned last, with the number of its plan."""
BAD_LINES_SHOWN: Final = 1000
SHOWN_OF_A_REASON: Final = 5
"""Lines shown of those that are wrong for the same reason, such as a column that each of them lacks."""
STDIN: Final = Path("-")


@attrs.frozen(kw_only=True)
class RequestsSource:
    """A file of requests, and the operation of its lines that name none."""

    path: Path
    """The file that is read: of standard input, a temporary copy."""
    name: str
    """The file as it was named on the command line."""
    operation: str | None

    async def read(self, screen: Screen, operations: "Counter[str] | None" = None) -> AsyncIterator[Planned]:
        """Read the whole file, and count its operations; raises UsageError after showing all bad lines.

        Nothing is planned then.
        """
        bad: list[BadLine] = []
        count = bad_count = 0
        try:
            async for line in bulk.read_requests(self.path, self.operation):
                if isinstance(line, Planned):
                    count += 1
                    if operations is not None:
                        operations[line.operation] += 1
                    yield line
                else:
                    bad_count += 1
                    if bad_count <= BAD_LINES_SHOWN:
                        bad.append(line)
        except OSError as error:
            raise UsageError(f"cannot read {self.name}: {error.strerror}") from error
        if bad:
            self._report_bad(bad, bad_count, count, screen)
        if not count:
            raise UsageError(f"{self.name} contains no requests")

    def _report_bad(self, bad: list[BadLine], bad_count: int, count: int, screen: Screen) -> None:
        screen.emit({"bad_lines": [line._asdict() for line in bad]})
        reasons = Counter(line.reason for line in bad)
        shown: Counter[str] = Counter()
        for line in bad:
            shown[line.reason] += 1
            if shown[line.reason] <= SHOWN_OF_A_REASON:
                screen.warn(f"{self.name}:{line.number}: {line.reason}")
            elif shown[line.reason] == reasons[line.reason]:
                hidden = reasons[line.reason] - SHOWN_OF_A_REASON
                screen.warn(f"{self.name}:{line.number}: the last of {hidden:,} more with this reason: {line.reason}")
        more = f" ({bad_count - len(bad):,} more are not shown)" if bad_count > len(bad) else ""
        raise UsageError(
            f"{bad_count:,} of {count + bad_count:,} lines invalid{more}; nothing was sent or charged; "
            "correct the file and run the same command again"
        )

    def fingerprint(self) -> str | None:
        """Return a hash of the file and of everything else its requests depend on; None for a pipe, read once.

        Checking a million lines takes minutes: it is skipped when nothing has changed.
        """
        if not self.path.is_file():
            return None
        try:
            with self.path.open("rb") as file:
                digest = hashlib.file_digest(file, "sha256").hexdigest()
                return f"{VERSION} {self.operation} {self.path.suffix.lower()} {digest}"
        except OSError:
            return None  # reported when the file is read


@contextmanager
def requests_source(file: Path, operation: str | None) -> Iterator[RequestsSource]:
    """Return the requests of a file; those of standard input (-) are copied first: they are read more than once.

    Raises InvalidRequestError for a wrong operation, before anything is made or read.
    """
    bulk.read_requests(file, operation)
    if file != STDIN:
        yield RequestsSource(path=file, name=str(file), operation=operation)
        return
    with tempfile.TemporaryDirectory(prefix="musicapi-") as folder:
        path = Path(folder) / "requests.jsonl"
        with path.open("wb") as copy:
            shutil.copyfileobj(sys.stdin.buffer, copy)
        yield RequestsSource(path=path, name="-", operation=operation)


async def is_planned(journal: Journal, fingerprint: str | None) -> Mapping[str, int] | None:
    """Return the operations of the file that was planned last, with their numbers; None if this is another file."""
    noted = await journal.recall(PLANNED_FILE)
    if fingerprint is None or not isinstance(noted, list) or noted[:2] != [fingerprint, await journal.activate_plan()]:
        return None
    return noted[2] if len(noted) > 2 else {}  # noqa: PLR2004 - an older journal has no numbers


async def note_planned(journal: Journal, fingerprint: str | None, operations: Mapping[str, int]) -> None:
    """Note which file was planned last, so that it is not read again."""
    await journal.remember(PLANNED_FILE, [fingerprint, await journal.activate_plan(), dict(operations)])
