"""Audio, MIDI and covers of the sandbox: small, valid, and different for every clip."""

import functools
import importlib.util
import io
import math
import random
import struct
import wave
import zlib
from array import array
from collections.abc import Callable, Mapping
from typing import Final

__all__ = ["AUDIO_SUFFIX", "MAKERS", "MEDIA_TYPE", "SECONDS", "without_length"]

RATE: Final = 22050
SECONDS: Final = 6.0
BEATS_PER_SECOND: Final = 4
PENTATONIC: Final = (0, 3, 5, 7, 10, 12)
CHANNELS: Final = 1
BIT_RATE: Final = 128
COVER_SIZE: Final = 96

AUDIO_SUFFIX: Final = "mp3" if importlib.util.find_spec("lameenc") else "wav"
"""MP3 where the optional encoder lameenc is installed, WAV elsewhere."""
MEDIA_TYPE: Final = "audio/mpeg" if AUDIO_SUFFIX == "mp3" else "audio/wav"
UNKNOWN_SIZE: Final = b"\xff" * 4


def without_length(content: bytes) -> bytes:
    """Return the audio as a live stream has it: nothing in it says how long it will be."""
    # The encoder writes MP3 without an Info header.
    if AUDIO_SUFFIX == "mp3":
        return content
    return content[:4] + UNKNOWN_SIZE + content[8:40] + UNKNOWN_SIZE + content[44:]


def _tune_mp3(name: str) -> bytes:
    return _mp3(_samples(random.Random(name)))  # noqa: S311 - music, not secrets


def _tune_wav(name: str) -> bytes:
    """Make a short tune; the name decides its notes."""
    return _wav(_samples(random.Random(name)))  # noqa: S311 - music, not secrets


def _midi(name: str) -> bytes:
    """Make a MIDI file of a few notes; the name decides them."""
    spread = random.Random(name)  # noqa: S311 - music, not secrets
    pitches = [60 + spread.choice(PENTATONIC) for _ in range(8)]
    events = b"".join(bytes((0, 0x90, pitch, 100, 96, 0x80, pitch, 0)) for pitch in pitches) + b"\x00\xff\x2f\x00"
    return b"MThd" + struct.pack(">IHHH", 6, 0, 1, 96) + b"MTrk" + struct.pack(">I", len(events)) + events


def _cover(name: str) -> bytes:
    """Make a square PNG; the name decides its colours."""
    spread = random.Random(name)  # noqa: S311 - colours, not secrets
    top, bottom = (tuple(spread.randrange(40, 230) for _ in range(3)) for _ in range(2))
    rows = bytearray()
    for row in range(COVER_SIZE):
        share = row / COVER_SIZE
        colour = bytes(round(a + (b - a) * share) for a, b in zip(top, bottom, strict=True))
        rows += b"\0" + colour * COVER_SIZE
    header = struct.pack(">IIBBBBB", COVER_SIZE, COVER_SIZE, 8, 2, 0, 0, 0)
    chunks = (_chunk(b"IHDR", header), _chunk(b"IDAT", zlib.compress(bytes(rows))), _chunk(b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


def _samples(spread: random.Random) -> "array[int]":
    """Play one plucked note a beat from a pentatonic scale, over a held low one."""
    root = spread.randrange(12)
    samples = array("h")
    for _ in range(int(SECONDS * BEATS_PER_SECOND)):
        samples.extend(_beat(root, spread.choice(PENTATONIC)))
    return samples


@functools.cache
def _beat(root: int, step: int) -> "array[int]":
    """Play one note over its root; thousands of songs are made of these 72."""
    beat = RATE // BEATS_PER_SECOND
    bass = 2 * math.pi * 110 * 2 ** (root / 12) / RATE
    pitch = bass * 2 ** (step / 12 + 1)
    fade = -6.0 / beat
    return array(
        "h",
        (int(14000 * math.sin(pitch * at) * math.exp(fade * at) + 5000 * math.sin(bass * at)) for at in range(beat)),
    )


def _wav(samples: "array[int]") -> bytes:
    file = io.BytesIO()
    with wave.open(file, "wb") as out:
        out.setnchannels(CHANNELS)
        out.setsampwidth(2)
        out.setframerate(RATE)
        out.writeframes(samples.tobytes())
    return file.getvalue()


def _mp3(samples: "array[int]") -> bytes:
    import lameenc  # noqa: PLC0415 - optional

    encoder = lameenc.Encoder()
    encoder.set_bit_rate(BIT_RATE)
    encoder.set_in_sample_rate(RATE)
    encoder.set_channels(CHANNELS)
    encoder.set_quality(7)
    encoder.silence()
    return bytes(encoder.encode(samples.tobytes()) + encoder.flush())


def _chunk(chunk_type: bytes, content: bytes) -> bytes:
    checksum = zlib.crc32(chunk_type + content)
    return struct.pack(">I", len(content)) + chunk_type + content + struct.pack(">I", checksum)


MAKERS: Final[Mapping[str, Callable[[str], bytes]]] = {
    "wav": _tune_wav,
    "png": _cover,
    "mid": _midi,
    **({"mp3": _tune_mp3} if AUDIO_SUFFIX == "mp3" else {}),
}
"""The function that generates a file, by its suffix."""
