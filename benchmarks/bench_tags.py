"""What ``media.tag`` costs on an MP3 of 10 MB, against a copy, mutagen's own save, fsync and a rename: wall time."""

import os
import shutil
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from common import print_table, print_title, ratio, spread, verdict
from mutagen import id3

from musicapi_async import Clip, media

ROUNDS: Final = 15
SIZE: Final = 10_000_000
TARGET: Final = 1.5
MILLISECONDS: Final = 1000.0
# A frame of 417 bytes: MPEG 1 layer III, 128 kbit/s at 44.1 kHz.
FRAME: Final = b"\xff\xfb\x90\x00".ljust(417, b"\x55")
CLIP: Final = Clip(clip_id="c-1", title="Harbor", tags="shanty", lyrics="Rain in the harbor\n" * 60, model="sonic-v6")


def bare(path: Path) -> None:
    copy = path.with_name("copy")
    shutil.copyfile(path, copy)
    tags = id3.ID3()
    tags.add(id3.TIT2(text=CLIP.title))
    tags.add(id3.TCON(text=CLIP.tags))
    tags.add(id3.USLT(lang="und", text=CLIP.lyrics))
    tags.add(id3.TXXX(desc="MUSICAPI_CLIP_ID", text=CLIP.clip_id))
    tags.add(id3.TXXX(desc="MUSICAPI_MODEL", text=CLIP.model))
    tags.save(copy)
    with copy.open("rb+") as file:
        os.fsync(file.fileno())
    copy.replace(path)


def tagged(path: Path) -> None:
    media.tag(path, CLIP)


def seconds_of(work: Callable[[Path], None], path: Path, content: bytes) -> float:
    path.write_bytes(content)
    os.sync()
    started = time.perf_counter()
    work(path)
    return time.perf_counter() - started


def main() -> None:
    content = FRAME * (SIZE // len(FRAME))
    programs = {"copy, mutagen, fsync": bare, "media.tag": tagged}
    seconds: dict[str, list[float]] = {name: [] for name in programs}
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as folder:
        for turn in range(ROUNDS + 1):
            for name, work in programs.items():
                taken = seconds_of(work, Path(folder) / "song.mp3", content)
                if turn:  # the first round loads the modules
                    seconds[name].append(taken)
    baseline = seconds["copy, mutagen, fsync"]
    rows = [
        [name, f"{spread([one * MILLISECONDS for one in taken]):.1f}", str(ratio(taken, baseline))]
        for name, taken in seconds.items()
    ]
    print_title("Tagging an MP3 of 10 MB")
    print_table(["with", "milliseconds", "ratio"], rows)
    found = ratio(seconds["media.tag"], baseline)
    verdict(f"media.tag takes {found} times as long", found.median, TARGET)


if __name__ == "__main__":
    main()
