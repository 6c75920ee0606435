"""A finished response of two clips with 400 word timings each, 106 kB: what several benchmarks read."""

import json
from typing import Final

CLIPS: Final = 2
WORDS: Final = 400
TASK_ID: Final = "0f8fad5b-d9cb-469f-a165-708677289501"


def _word(index: int) -> dict[str, object]:
    start = round(index * 0.43719, 5)
    return {
        "text": f"word{index} ",
        "start": start,
        "end": round(start + 0.31274, 5),
        "line_index": index // 8,
        "index_range": [index * 6, index * 6 + 5],
        "wav2vec2_format": None,
    }


def _clip(number: int) -> dict[str, object]:
    # The names of a real response of riffusion.
    return {
        "clip_id": f"26c9c592-0566-46cf-bb71-91ac1deaa7b{number}",
        "title": "Harbor",
        "lyrics": "[Verse]\n" + "la la la la la la la\n" * 50,
        "image_url": "https://storage.test/app-public/image.jpg",
        "audio_url": "https://storage.test/app-public/audio.m4a",
        "video_url": None,
        "created_at": "2025-06-19T06:41:43.107472Z",
        "mv": "FUZZ-1.1 Pro",
        "duration": 205.82,
        "timestamp": {"words": [_word(index) for index in range(WORDS)]},
        "state": "succeeded",
        "sound": "dream pop",
        "vocal_variation": 0.5,
    }


RESPONSE: Final = json.dumps({"code": 200, "data": list(map(_clip, range(CLIPS))), "message": "success"}).encode()
