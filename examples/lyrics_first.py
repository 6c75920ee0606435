"""Have lyrics written for ideas, and songs made from the lyrics: first all drafts, then all songs.

    export MUSICAPI_KEY=...
    python examples/lyrics_first.py ideas.txt songs/ --tags "sea shanty"

``ideas.txt`` holds one idea per line, of at most 119 characters. The drafts are saved in ``songs/drafts``, the songs
beside it.

Stopped or killed at any moment, the same command resumes where it stopped, and pays for nothing twice. A bulk run
records the songs. A draft is returned at once, with no task to resume, so an empty file is created before it is
requested. A file that stays empty may have been paid for: delete it to request the draft again.
"""

import argparse
import hashlib
import json
import sys
from pathlib import Path

from musicapi_sync import MusicAPI, bulk, errors, sonic


def draft_of(client: MusicAPI, idea: str, folder: Path) -> dict[str, str] | None:
    """Return the lyrics for an idea, requested now or earlier; None when an earlier request is uncertain."""
    file = folder / f"{hashlib.sha256(idea.encode()).hexdigest()[:16]}.json"
    if not file.exists():
        file.touch()
        try:
            draft = client.lyrics.make(description=idea)[0]
        except (errors.UncertainSubmissionError, errors.InvalidResponseError) as error:
            print(error, file=sys.stderr)
        except errors.MusicAPIError:
            file.unlink()  # certainly not paid for
            raise
        else:
            part = file.with_suffix(".part")
            part.write_text(json.dumps({"idea": idea, "title": draft.title, "lyrics": draft.lyrics}), "utf-8")
            part.replace(file)
    if text := file.read_text("utf-8"):
        return dict(json.loads(text))
    print(f"the lyrics for {idea!r} may have been paid for; delete {file} to request them again", file=sys.stderr)
    return None


def make(ideas: list[str], tags: str | None, folder: Path, in_flight: int) -> int:
    """Make the songs that are not made yet; return how many are missing at the end."""
    (folder / "drafts").mkdir(parents=True, exist_ok=True)
    with MusicAPI() as client, bulk.open(folder / "journal.db") as journal:
        drafts = [draft for idea in ideas if (draft := draft_of(client, idea, folder / "drafts"))]
        requests = [
            bulk.Planned.of(draft["idea"], sonic.Create(lyrics=draft["lyrics"], title=draft["title"], tags=tags))
            for draft in drafts
        ]
        for outcome in bulk.run(client, journal, requests, out=folder, in_flight=in_flight):
            print(outcome.record.key, "->", outcome.error or ", ".join(outcome.record.files))
        counts = journal.counts()
        return len(ideas) - len(drafts) + sum(counts.values()) - counts["saved"]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("ideas", type=Path)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--tags", help="the style of all songs")
    parser.add_argument("--in-flight", type=int, default=50, help="tasks to wait for at once")
    given = parser.parse_args()
    try:
        lines = [line.strip() for line in given.ideas.read_text("utf-8").splitlines() if line.strip()]
        missing = make(list(dict.fromkeys(lines)), given.tags, given.folder, given.in_flight)
    except (errors.MusicAPIError, OSError) as error:
        sys.exit(str(error))
    sys.exit(f"{missing} songs are missing" if missing else 0)
