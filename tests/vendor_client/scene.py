"""The sandbox on a thread of its own, the vendor's client of it, and time that each poll advances."""

import re
from dataclasses import dataclass, is_dataclass
from pathlib import PurePosixPath
from types import UnionType
from typing import Any, Final, Literal, Union, get_args, get_origin, get_type_hints

import httpx
import musicapi
from anyio.from_thread import BlockingPortal
from musicapi import PollOptions, SonicCreateParams

from musicapi_async.sandbox import Account, Ending, Sandbox
from musicapi_async.sandbox.state import SandboxTask

KEY: Final = "vendor-key"
URL: Final = "https://example.org/a.mp3"
HOOK: Final = "https://example.org/hook"
MODEL: Final = "sonic-v5"
FUZZ: Final = "FUZZ-1.1 Pro"
LYRICS: Final = "[Verse]\nThe harbour sleeps"
CREATE: Final = "POST /sonic/create"
POLL: Final = "GET /sonic/task/{task_id}"

A_TASK: Final = 3600.0
WHOLE: Final = 2 * A_TASK
"""More than any task takes."""
PART: Final = 1500.0
"""Enough for clips to be seen and for none to be finished."""
QUICK: Final = PollOptions(poll_interval_ms=1, timeout_ms=20_000)
NO_MORE: Final = PollOptions(poll_interval_ms=1, timeout_ms=1)
"""One poll, and no second one."""
AT_ONCE: Final = {"Retry-After": "0"}
"""The vendor's client retries without a pause."""
MAGIC: Final = {"mp3": (b"ID3", b"\xff"), "wav": (b"RIFF",), "png": (b"\x89PNG",), "mid": (b"MThd",)}
OTHERWISE: Final = {"SonicSong.duration", "StudioSong.tags"}
"""Fields that the vendor's dataclasses declare with another type than the service sends."""

DESCRIBED: Final = SonicCreateParams(custom_mode=False, mv=MODEL, gpt_description_prompt="rain")
WRITTEN: Final = SonicCreateParams(custom_mode=True, mv=MODEL, prompt=LYRICS)


@dataclass
class Scene:
    """The vendor's client, the sandbox it talks to, and the sandbox's clock."""

    sandbox: Sandbox
    portal: BlockingPortal
    http: httpx.Client
    vendor: musicapi.MusicAPI
    step: float = WHOLE

    @property
    def account(self) -> Account:
        return self.sandbox.account(KEY)

    @property
    def task(self) -> SandboxTask:
        """The task that was accepted last."""
        return self.sandbox.tasks[-1]

    def pass_time(self) -> None:
        """Let every task that was begun come to its end."""
        self.portal.call(self.sandbox.advance, WHOLE)

    def on_response(self, response: httpx.Response) -> None:
        """Let time pass after a poll of a task."""
        if re.search(r"/(task|clip|get-lyrics)/", response.request.url.path):
            self.portal.call(self.sandbox.advance, self.step)

    def song(self) -> str:
        """Return a clip of sonic's own."""
        self.vendor.sonic.create(WRITTEN)
        self.pass_time()
        return self.task.clip_ids[0]

    def track(self) -> str:
        """Return a clip of producer's own."""
        self.vendor.producer.create(musicapi.ProducerCreateParams(sound="piano"))
        self.pass_time()
        return self.task.clip_ids[0]

    def riff(self) -> str:
        """Return a clip of riffusion's own."""
        self.vendor.riffusion.create(musicapi.RiffusionCreateParams(lyrics=LYRICS, custom_mode=True))
        self.pass_time()
        return self.task.clip_ids[0]

    def uploaded(self) -> str:
        return self.vendor.sonic.upload(musicapi.SonicUploadParams(url=URL)).clip_id

    def fetch(self, url: str | None) -> bytes:
        """Fetch a file, without the key: it has to be what its name says."""
        assert url is not None
        response = self.http.get(url)
        assert response.status_code == 200
        assert "Authorization" not in response.request.headers
        assert response.content.startswith(MAGIC[PurePosixPath(url).suffix[1:]])
        assert len(response.content) > 50
        return response.content

    def balance(self) -> float:
        found = self.vendor.credits.get()
        return found.credits + found.extra_credits


def breaches(value: object, promised: Any, where: str = "") -> set[str]:
    """Return where a value is not of the type that the vendor's annotations promise."""
    origin, args = get_origin(promised), get_args(promised)
    parts: list[tuple[object, Any, str]]
    if promised is Any or (origin is Literal and value in args):
        return set()
    if origin in {Union, UnionType}:
        return min((breaches(value, arg, where) for arg in args), key=len)
    if is_dataclass(promised) and type(value) is promised:
        hints = get_type_hints(promised)
        parts = [(getattr(value, name), hint, f"{promised.__name__}.{name}") for name, hint in hints.items()]
    elif origin is list and isinstance(value, list):
        parts = [(one, args[0], where) for one in value]
    elif origin is dict and isinstance(value, dict):
        parts = [(one, arg, where) for pair in value.items() for one, arg in zip(pair, args, strict=True)]
    else:
        taken = (int, float) if promised is float else (promised,)
        return set() if type(value) in taken else {where}
    return set[str]().union(*(breaches(*part) for part in parts))


def end_next(scene: Scene, *endings: Ending) -> None:
    scene.portal.call(scene.sandbox.end_next, *endings)
