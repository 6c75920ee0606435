"""Clips uploaded from the user's own audio."""

import attrs

from musicapi_async.results.base import Result

__all__ = ["Step", "UploadedClip"]


@attrs.frozen(kw_only=True, repr=False, eq=False)
class Step(Result):
    """One step of a one-shot upload."""

    name: str
    """``upload``, ``extend``, ``cover``, ``sample``, or another name the service gives."""
    success: bool | None = None
    """True when the step succeeded; None where the service does not report it."""
    clip_id: str | None = None
    """Id of the clip that the step made; None where it made none."""
    task_id: str | None = None
    """Id of the task that the step started; None where it started none."""
    error: str | None = None
    """The service's message about why the step failed; None where it gives none."""


@attrs.frozen(repr=False, eq=False)
class UploadedClip(Result):
    """A clip that was uploaded rather than made by the service.

    An operation that is given one as its ``clip`` uses the service's task type for uploads. To make one from an id you
    have kept: ``UploadedClip("...")``.

    ```python
    from musicapi_sync import MusicAPI

    with MusicAPI() as client:
        mine = client.sonic.upload(url="https://example.org/my-melody.mp3")
        cover = client.sonic.cover(clip=mine, tags="string quartet").wait()[0]
    ```
    """

    clip_id: str
    """The clip's id."""
    steps: tuple[Step, ...] = ()
    """Steps of a one-shot upload (``sonic.upload_extend`` and the like); empty for any other upload."""
