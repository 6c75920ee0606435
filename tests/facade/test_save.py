"""The blocking client's ``save``: a clip with everything about it."""

from pathlib import Path

import pytest

from musicapi_sync import MusicAPI, errors, media


def test_save_writes_the_files_of_a_clip(client: MusicAPI, tmp_path: Path) -> None:
    song = client.riffusion.create(lyrics="The harbour sleeps", title="Harbor").wait()[0]

    saved = client.save(song, tmp_path, tags=True, lyrics=("lrc",))

    assert set(saved.files.values()) == set(tmp_path.iterdir())
    assert media.read_tags(saved) == saved.tags


def test_save_of_what_is_no_clip_is_refused(client: MusicAPI, tmp_path: Path) -> None:
    with pytest.raises(errors.InvalidRequestError, match="clip is a text of 3 characters"):
        client.save("c-1", tmp_path)  # type: ignore[arg-type]
