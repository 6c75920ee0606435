"""A thread that serves the sandbox in an event loop of its own.

Not anyio's portal: a Ctrl-C while that ends, as pytest may get, would have it wait forever.
"""

import asyncio
import threading
from concurrent.futures import Future
from contextlib import AbstractAsyncContextManager
from queue import SimpleQueue
from typing import Final

__all__ = ["ServerThread"]

NAME: Final = "musicapi-sandbox"


class ServerThread:
    """Enters a context in an event loop of its own thread, and leaves it there when it is stopped."""

    def __init__(self, server: AbstractAsyncContextManager[object]) -> None:
        self._server = server
        # A queue, whose wait can be interrupted at any point, unlike that for a Future.
        self._started: SimpleQueue[Exception | None] = SimpleQueue()
        self._stopping: Future[None] = Future()
        # A daemon, so that an interrupted program never waits for it.
        self._thread = threading.Thread(target=self._run, name=NAME, daemon=True)

    def start(self) -> None:
        """Start the thread, and return when the context was entered; raises the error of entering it."""
        try:
            self._thread.start()
            error = self._started.get()
        except BaseException:
            self.stop()
            raise
        if error is not None:
            raise error

    def stop(self) -> None:
        """Leave the context and end the thread; may be called twice."""
        if not self._stopping.done():
            self._stopping.set_result(None)
        if self._thread.ident is not None:
            self._thread.join()

    def _run(self) -> None:
        try:
            asyncio.run(self._serve())
        except Exception as error:  # noqa: BLE001 - raised by start(), in the thread that can handle it
            self._started.put(error)

    async def _serve(self) -> None:
        async with self._server:
            self._started.put(None)
            await asyncio.wrap_future(self._stopping)
