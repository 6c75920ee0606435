"""Results as JSON: ``to_dict`` of every public result, and the path that an unreadable response is named by."""

import json
from datetime import UTC, datetime
from typing import Any

import attrs
import pytest

import musicapi_async
from musicapi_async import AlignedLyrics, Bpm, Clip, Credits, Midi, Songs, Stem, UploadedClip, Vox, Word
from musicapi_async._responses.contents import read_result
from musicapi_async.results.base import Result

RESULTS = [
    found
    for name in musicapi_async.__all__
    if isinstance(found := getattr(musicapi_async, name), type) and attrs.has(found) and issubclass(found, Result)
]
CLIP = Clip(clip_id="c-1", title="Harbor", created_at=datetime(2026, 7, 15, tzinfo=UTC), raw={"clip_id": "c-1"})


EXAMPLES = {
    "datetime": datetime(2026, 7, 15, tzinfo=UTC),
    "tuple": (),
    "Clip": CLIP,
    "str": "x",
    "bool": True,
    "int": 60,
    "float": 1.5,
}


@pytest.mark.parametrize("cls", RESULTS)
def test_to_dict_of_every_result_holds_each_public_field(cls: type[Any]) -> None:
    fields = [field for field in attrs.fields(cls) if field.name.lstrip("_") != "raw"]
    values = {
        field.name: next(example for name, example in EXAMPLES.items() if name in str(field.type)) for field in fields
    }
    assert list(json.loads(json.dumps(cls(**values).to_dict()))) == list(values)


def test_to_dict_of_a_song_is_plain_json_without_the_raw_object() -> None:
    songs = Songs(clips=(CLIP,), failed=())
    (found,) = json.loads(json.dumps(songs.to_dict()))["clips"]
    assert found["created_at"] == "2026-07-15T00:00:00+00:00"
    assert found["clip_id"] == "c-1"
    assert "raw" not in found
    assert "_raw" not in found


def test_to_dict_of_nested_results_goes_all_the_way_down() -> None:
    stem = Stem("vocals", CLIP)
    assert stem.to_dict()["clip"] == CLIP.to_dict()
    lyrics = AlignedLyrics((Word("rain", 0.5, 1.0, 0),))
    assert lyrics.to_dict()["words"] == [{"text": "rain", "start": 0.5, "end": 1.0, "line": 0}]


@pytest.mark.parametrize(
    ("body", "cls", "reason"),
    [
        ({"data": {"credits": None}}, Credits, r"a number is missing at \$\.data\.credits"),
        ({"extra_credits": 3}, Credits, r"\$.*credits"),
        ({"data": {"max_bpm": 1}}, Bpm, r"avg_bpm.*\$\.data"),
        ({"data": {"status": "x"}}, Vox, r"vox_audio_id.*\$\.data"),
        ({"clip_id": ""}, UploadedClip, r"text is missing at \$\.clip_id"),
        ({"data": {}}, Midi, r"\$\.data holds no url or instruments"),
        ({"data": {}}, AlignedLyrics, r"alignment is missing"),
    ],
)
def test_read_result_without_a_required_value_names_its_path(body: Any, cls: type[Any], reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        read_result(body, cls)
