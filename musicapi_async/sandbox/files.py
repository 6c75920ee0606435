"""The audio, MIDI and cover files of the fake server, made on first access."""

import asyncio
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

from aiohttp import web

from musicapi_async.sandbox import audio

__all__ = ["Files"]


class Files:
    """The files of clips, in a temporary folder."""

    def __init__(self, knows_clip: Callable[[str], bool]) -> None:
        self._knows_clip = knows_clip
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
        name = request.match_info["name"]
        clip_id, _, suffix = name.partition(".")
        make = audio.MAKERS.get(suffix)
        if not self._knows_clip(clip_id) or make is None or self._folder is None:
            return web.json_response({"error": "file not found."}, status=404)
        path = self._folder / name
        async with self._making:
            if not path.exists():
                await asyncio.to_thread(lambda: path.write_bytes(make(clip_id)))
        found = path.stat()
        tag = f'"{found.st_mtime_ns:x}-{found.st_size:x}"'
        expected = request.headers.get("If-Range", tag)
        # FileResponse serves ranges, with an ETag built like this one; but it supports If-Range with dates only.
        if expected.endswith('"') and expected != tag:
            content = await asyncio.to_thread(path.read_bytes)
            return web.Response(body=content, headers={"ETag": tag, "Accept-Ranges": "bytes"})
        return web.FileResponse(path)
