"""The audio, MIDI and cover files of the fake server, made on first access; also the live streams of running clips."""

import asyncio
import shutil
import tempfile
from pathlib import Path
from typing import Final

from aiohttp import HttpVersion11, web

from musicapi_async.sandbox import audio
from musicapi_async.sandbox.clock import Clock
from musicapi_async.sandbox.polls import streamed_share
from musicapi_async.sandbox.state import ServerState

__all__ = ["CUT_AFTER", "Files"]

CUT_AFTER: Final = web.RequestKey("cut_after", int)
"""The number of bytes of the body after which the connection is cut."""
STEP: Final = 0.1
"""Seconds between two parts of a live stream."""


class Files:
    """The files of clips, in a temporary folder."""

    def __init__(self, state: ServerState, clock: Clock) -> None:
        self._state = state
        self._clock = clock
        self._folder: Path | None = None
        self._making = asyncio.Lock()

    def open(self) -> None:
        """Make the folder."""
        self._folder = Path(tempfile.mkdtemp(prefix="musicapi-sandbox-"))

    async def aclose(self) -> None:
        """Remove the folder."""
        if self._folder is not None:
            await asyncio.to_thread(shutil.rmtree, self._folder, ignore_errors=True)
            self._folder = None

    async def serve(self, request: web.Request) -> web.StreamResponse:
        """Respond with a file, or with a part of it."""
        path = await self._made(request.match_info["name"])
        if path is None:
            return _not_found()
        found = path.stat()
        tag = f'"{found.st_mtime_ns:x}-{found.st_size:x}"'
        if (cut_after := request.get(CUT_AFTER)) is not None:
            response = web.StreamResponse(headers={"ETag": tag, "Accept-Ranges": "bytes"})
            response.content_length = found.st_size
            await response.prepare(request)
            await response.write((await asyncio.to_thread(path.read_bytes))[:cut_after])
            return _cut(request, response)
        expected = request.headers.get("If-Range", tag)
        # FileResponse serves ranges, with an ETag built like this one; but it supports If-Range with dates only.
        if expected.endswith('"') and expected != tag:
            content = await asyncio.to_thread(path.read_bytes)
            return web.Response(body=content, headers={"ETag": tag, "Accept-Ranges": "bytes"})
        return web.FileResponse(path)

    async def stream(self, request: web.Request) -> web.StreamResponse:
        """Respond with the live stream of a clip: the audio so far, then the rest as it is made.

        It is chunked, without a length and without ranges, since players take the end of a range for the end of the
        song. The connection is cut when the clip fails.
        """
        name = request.match_info["name"]
        clip_id, _, suffix = name.partition(".")
        path = await self._made(name) if suffix == audio.AUDIO_SUFFIX and self._share(clip_id) is not None else None
        if path is None:
            return _not_found()
        content = audio.without_length(await asyncio.to_thread(path.read_bytes))
        response = web.StreamResponse(headers={"Content-Type": audio.MEDIA_TYPE, "Cache-Control": "no-store"})
        if request.version >= HttpVersion11:
            response.enable_chunked_encoding()
        await response.prepare(request)
        sent, cut_after = 0, request.get(CUT_AFTER, len(content))
        while (share := self._share(clip_id)) is not None:
            size = min(int(share * len(content)), cut_after)
            if size > sent:
                await response.write(content[sent:size])
                sent = size
            if sent == len(content):
                await response.write_eof()
                return response
            if sent == cut_after:
                break
            await self._clock.until(self._clock.now() + STEP)
        return _cut(request, response)

    def _share(self, clip_id: str) -> float | None:
        """Return the share of a clip's audio that can be streamed now; None when there is no stream."""
        task = self._state.clips.get(clip_id)
        return None if task is None else streamed_share(task, clip_id, task.share(self._clock.now()))

    async def _made(self, name: str) -> Path | None:
        """Return the path of a file, which is made on first access; None for a file that does not exist."""
        clip_id, _, suffix = name.partition(".")
        make = audio.MAKERS.get(suffix)
        if not self._state.knows_clip(clip_id) or make is None or self._folder is None:
            return None
        path = self._folder / name
        async with self._making:
            if not path.exists():
                await asyncio.to_thread(lambda: path.write_bytes(make(clip_id)))
        return path


def _not_found() -> web.Response:
    return web.json_response({"error": "file not found."}, status=404)


def _cut(request: web.Request, response: web.StreamResponse) -> web.StreamResponse:
    """Send what was written, then cut the connection."""
    if request.transport is not None:
        request.transport.close()
    return response
