"""Uploads: clips made from the user's own audio."""

import attrs

from musicapi_async.results.base import Result

__all__ = ["Step", "UploadedClip"]


@attrs.frozen(kw_only=True)
class Step(Result):
    """One step of a one-shot upload, such as ``upload`` or ``extend``: its result, or its ``error``."""

    name: str
    success: bool | None = None
    clip_id: str | None = None
    task_id: str | None = None
    error: str | None = None


@attrs.frozen
class UploadedClip(Result):
    """A clip that was uploaded, not made by the service.

    Given to an operation as its ``clip`` it selects the service's variant for uploads. Make one from an id you
    kept: ``UploadedClip("...")``. ``steps`` are those of a one-shot upload (``sonic.upload_extend`` and the like).
    """

    clip_id: str
    steps: tuple[Step, ...] = ()
