"""Short audio files in every format, and what independent readers find in them."""

import math
import shutil
import struct
import tempfile
from array import array
from fractions import Fraction
from pathlib import Path
from typing import Any, Final

import attrs
import av
from av.audio.stream import AudioStream
from av.video.codeccontext import VideoCodecContext

from musicapi_async import Clip

__all__ = [
    "CODECS",
    "JPEG",
    "Line",
    "Lyrics",
    "chapters_by_av",
    "clip",
    "decoded",
    "encode",
    "found_by_av",
    "stream_wave",
    "write_cover",
    "write_song",
]

RATE: Final = 48000
CODECS: Final = {
    "mp3": "libmp3lame",
    "m4a": "aac",
    "flac": "flac",
    "opus": "libopus",
    "ogg": "vorbis",
    "wav": "pcm_s16le",
}


@attrs.frozen
class Line:
    text: str
    start: float
    end: float
    section: str | None = None


@attrs.frozen
class Lyrics:
    """Has what ``media.tag`` needs of a timeline."""

    lines: tuple[Line, ...] = (
        Line("Slow & <low>", 1.0, 1.5, "Intro"),
        Line("Rain in the harbour", 2.004, 2.9, "A much longer name of a verse"),
        Line("日本の雨", 3.5, 3.9, "End"),
    )


def clip(**changes: Any) -> Clip:
    fields: dict[str, Any] = {
        "clip_id": "c-1",
        "title": "Grüße 🎵",
        "tags": "sea shanty, calm",
        "lyrics": "[Verse 1]\nRain in the harbour\n日本の雨",
        "model": "sonic-v6",
    }
    return Clip(**(fields | changes))


def encode(suffix: str, seconds: float = 2.0, options: dict[str, str] | None = None) -> bytes:
    """Encode a rising tone."""
    # Not in memory: FFmpeg reopens a file to move its index to the start.
    file = Path(tempfile.mkdtemp()) / "song"
    container = {"m4a": "ipod", "opus": "ogg"}.get(suffix, suffix)
    with av.open(file, "w", format=container, options=options or {}) as out:
        # FFmpeg's encoder of Vorbis is an experiment to it, and knows two channels only.
        stream = out.add_stream(CODECS[suffix], rate=RATE, options={"strict": "experimental"})
        assert isinstance(stream, AudioStream)
        stream.layout = layout = "stereo" if suffix == "ogg" else "mono"
        resampler = av.AudioResampler(stream.format.name, layout, RATE)
        samples = array("h", (int(9000 * math.sin(at * at / 2e6)) for at in range(int(RATE * seconds))))
        step = 960
        for at in range(0, len(samples), step):
            part = samples[at : at + step]
            frame = av.AudioFrame(format="s16", layout="mono", samples=len(part))
            frame.planes[0].update(part.tobytes())
            frame.sample_rate, frame.pts = RATE, at
            for one in resampler.resample(frame):
                out.mux(stream.encode(one))
        out.mux(stream.encode(None))
    content = file.read_bytes()
    shutil.rmtree(file.parent)
    return content


def picture() -> bytes:
    """Return a JPEG picture of one colour."""
    encoder = av.CodecContext.create("mjpeg", "w")
    assert isinstance(encoder, VideoCodecContext)
    encoder.width = encoder.height = 64
    encoder.pix_fmt, encoder.time_base = "yuvj420p", Fraction(1)
    frame = av.VideoFrame(64, 64, "yuvj420p")
    for plane in frame.planes:
        plane.update(b"\x60" * plane.buffer_size)
    return b"".join(bytes(packet) for packet in (*encoder.encode(frame), *encoder.encode(None)))


JPEG: Final = picture()


def decoded(path: Path) -> bytes:
    """Return the samples that FFmpeg decodes."""
    with av.open(path) as file:
        return b"".join(bytes(plane) for frame in file.decode(audio=0) for plane in frame.planes)


def found_by_av(path: Path) -> dict[str, str]:
    """Return the tags that FFmpeg finds, of the file or of its first stream, in lower case."""
    with av.open(path) as file:
        return {name.lower(): text for name, text in {**file.streams.audio[0].metadata, **file.metadata}.items()}


def chapters_by_av(path: Path) -> list[tuple[str, float]]:
    """Return the titles and starts of the chapters that FFmpeg finds, in its order."""
    with av.open(path) as file:
        return [(one["metadata"]["title"], float(one["start"] * (one["time_base"] or 0))) for one in file.chapters()]


def stream_wave(*chunks: tuple[bytes, bytes], size: int = 0xFFFFFFFF) -> bytes:
    """Return a WAV file as it is written to a pipe: its sizes are unknown; ``chunks`` stand before the samples."""
    plain = encode("wav", 0.5)
    at = plain.index(b"data")
    before = b"".join(struct.pack("<4sI", name, len(text)) + text for name, text in chunks)
    start = plain[:12] + plain[plain.index(b"fmt ") : plain.index(b"fmt ") + 24] + before
    return b"RIFF" + struct.pack("<I", size) + start[8:] + b"data" + struct.pack("<I", size) + plain[at + 8 :]


def write_cover(folder: Path) -> Path:
    path = folder / "cover.jpg"
    path.write_bytes(JPEG)
    return path


def write_song(folder: Path, suffix: str, content: bytes | None = None) -> Path:
    path = folder / f"harbor.{suffix}"
    path.write_bytes(encode(suffix, 0.5) if content is None else content)
    return path
