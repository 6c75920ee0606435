"""A submission: one paid request that may be awaited for its task, or waited on for the result."""

import asyncio
import warnings
from collections.abc import Callable, Coroutine, Generator
from types import TracebackType
from typing import Any, Generic, NoReturn, Protocol, TypeVar, cast

from musicapi_async._notices import ANOTHER_LOOP
from musicapi_async._request import TaskRequest
from musicapi_async._tasks.state import Until
from musicapi_async._tasks.task import Task, check_wait
from musicapi_async._tasks.unfinished import fresh
from musicapi_async._transport.call import Call
from musicapi_async.errors import EventLoopError, MusicAPIError, UncertainSubmissionError

__all__ = ["Submission"]

R = TypeVar("R")
R_co = TypeVar("R_co", covariant=True)


class Submitter(Protocol):
    """The part of an engine that a submission uses."""

    async def submit(self, request: TaskRequest[R], call: Call, /) -> Task[R]:
        """Send the call of a request, and return the task that it has started."""
        ...

    def resume(self, operation: type[TaskRequest[R]], task_id: str, /) -> Task[R]:
        """Return a task from the class of its request and its id."""
        ...


class Submission(Coroutine[object, None, Task[R_co]], Generic[R_co]):
    """One paid request: await it for its ``Task``, or await ``.wait()`` for the result.

    ``songs = await client.sonic.create(...).wait()``. It is a coroutine: ``asyncio.create_task``, ``gather``, a
    ``TaskGroup`` and ``asyncio.wait_for`` take it. It is one payment: when it is awaited again, also by several callers
    at once, it returns the same task or raises the same error. One that is never awaited sends nothing, and warns when
    it is dropped.

    If it is cancelled before its request was sent, it can be awaited again. If it is cancelled later, the response is
    still read: the exception and the log name the task, and awaiting the submission again returns it.

    ```python
    from musicapi_async import MusicAPI

    async with MusicAPI() as client:
        task = await client.sonic.describe(description="lofi rain")  # accepted and paid for
        songs = await task.wait()
        songs = await client.sonic.describe(description="snow").wait()  # the same in one line
    ```
    """

    __slots__ = (
        "__weakref__",
        "_ended",
        "_error",
        "_is_used",
        "_loop",
        "_request",
        "_steps",
        "_submitter",
        "_task",
    )

    def __init__(self, request: TaskRequest[R_co], submitter: Submitter) -> None:
        self._request = request
        self._submitter = submitter
        self._task: Task[R_co] | None = None
        self._error: Exception | None = None
        self._is_used = False
        """True once it was awaited, or closed."""
        self._loop: asyncio.AbstractEventLoop | None = None
        """The event loop in which it is being sent; None before and after."""
        self._ended: asyncio.Event | None = None
        """Set at the end of the attempt in progress; created by the first that waits for it."""
        self._steps: dict[asyncio.Task[Any] | None, Coroutine[Any, Any, Task[R_co]]] = {}
        """The coroutines that ``send`` drives, one for each asyncio task created from this submission."""

    def __repr__(self) -> str:
        """Show the operation and its outcome so far."""
        state = "not sent"
        if self._task is not None:
            state = f"task {self._task.id!r}"
        elif self._error is not None:
            state = type(self._error).__name__
        elif self._loop is not None:
            state = "running"
        return f"<Submission of {self._request.operation_name}: {state}>"

    @property
    def __name__(self) -> str:  # pyright: ignore[reportIncompatibleVariableOverride]  # read-only, as it is for asyncio
        """The name of the operation, by which an ``asyncio.Task`` shows it."""
        return self._request.operation_name

    async def wait(self, timeout: float | None = 600.0, until: Until = "finished") -> R_co:
        """Submit, wait until the task is finished, and return its result.

        ``timeout`` is the time in seconds for the wait that follows the submission, None for no limit; ``until`` ends
        the wait earlier. Both are those of ``Task.wait``. An exception that ends the wait names the task.

        Raises the errors of ``client.submit`` and ``Task.wait``; for a wrong argument nothing is sent.
        """
        self._is_used = True
        check_wait(timeout, until)
        task = await self
        return await task.wait(timeout, until)

    def __await__(self) -> Generator[object, None, Task[R_co]]:
        """Send the request, unless it was sent, and return the task.

        Raises the errors of ``client.submit``, and EventLoopError while another event loop is sending it.
        """
        return self._submit().__await__()

    def send(self, value: None, /) -> object:
        """Run to the next suspension, as event loops do."""
        return self._step(lambda coroutine: coroutine.send(value))

    def throw(
        self,
        error_type: type[BaseException] | BaseException,
        value: BaseException | object = None,
        traceback: TracebackType | None = None,
        /,
    ) -> object:
        """Raise an error where it is suspended, as event loops do."""
        error = error_type if isinstance(error_type, BaseException) else value
        if not isinstance(error, BaseException):
            error = cast("type[BaseException]", error_type)(*(() if value is None else (value,)))
        raised = error if traceback is None else error.with_traceback(traceback)
        return self._step(lambda coroutine: coroutine.throw(raised))

    def close(self) -> None:
        """Do without it: a submission that was not sent stays unsent, and does not warn.

        One that another asyncio task is awaiting continues: its response names what was paid for.
        """
        self._is_used = True
        for driver in [driver for driver in self._steps if driver is None or driver.done()]:
            self._steps.pop(driver).close()

    def __reduce__(self) -> NoReturn:
        """Refuse to be copied: it is one payment."""
        raise TypeError("a Submission cannot be copied or pickled: await it, and pickle its task")

    def __del__(self) -> None:
        """Warn of a submission that was never awaited."""
        if not getattr(self, "_is_used", True):
            warnings.warn(
                f"client.{self._request.operation_name}(...) was never awaited: nothing was sent",
                RuntimeWarning,
                stacklevel=2,
                source=self,
            )

    def _step(self, run: Callable[[Coroutine[Any, Any, Task[R_co]]], object]) -> object:
        # Each asyncio task created from this submission awaits it separately.
        self._is_used = True
        driver = asyncio.current_task()
        coroutine = self._steps.get(driver)
        if coroutine is None:
            coroutine = self._steps[driver] = self._submit()
        try:
            return run(coroutine)
        except BaseException:
            self._steps.pop(driver, None)
            raise

    async def _submit(self) -> Task[R_co]:
        self._is_used = True
        loop = asyncio.get_running_loop()
        while self._loop is not None:
            if self._loop is not loop:
                raise EventLoopError(ANOTHER_LOOP)
            if self._ended is None:
                self._ended = asyncio.Event()
            await self._ended.wait()
        if self._task is not None:
            return self._task
        if self._error is not None:
            raise fresh(self._error)
        from musicapi_async._protocol import encode_submission  # noqa: PLC0415 - loaded with the client's engine

        call = encode_submission(self._request)
        self._loop = loop
        try:
            self._task = await self._submitter.submit(self._request, call)
        except MusicAPIError as error:
            # A copy: the traceback of the original holds this very frame.
            self._error = fresh(error).with_traceback(None)
            raise
        except BaseException:
            self._note_cut_off(call)
            raise
        finally:
            self._loop = None
            if self._ended is not None:
                self._ended.set()
                self._ended = None
        return self._task

    def _note_cut_off(self, call: Call) -> None:
        """Remember the outcome of a call that was cut off: what was accepted, or may be, must not be paid for again."""
        if call.task_id is not None:
            self._task = self._submitter.resume(type(self._request), call.task_id)
        elif call.sent_at is not None:
            reason = "it was cut off after it was sent"
            self._error = UncertainSubmissionError(
                call.attempted, self._request, reason, call.sent_at, reference=call.reference
            )
