"""Saving of a clip in files of one name: its audio, cover, captions, tags, and the JSON file beside them."""

import os
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Final, Protocol, TypeAlias

import attrs
from anyio.to_thread import run_sync

from musicapi_async._arguments import clip_advice, usable_path, wrong_argument
from musicapi_async._extras import require
from musicapi_async._logger import logger
from musicapi_async._notices import warn_without_log
from musicapi_async._transport.cancellation import complete
from musicapi_async.errors import DownloadError, InvalidRequestError, TagError
from musicapi_async.media.caption_formats import CAPTION_FORMATS, CaptionFormat
from musicapi_async.media.formats import PICTURES
from musicapi_async.media.names import id_for_name, title_for_name
from musicapi_async.media.saved import Progress, SavedFile
from musicapi_async.media.sidecar import TIMES, SavedSong, read_sidecar, saved_song, write_sidecar
from musicapi_async.media.song_files import existing_audio, existing_file, write_tags
from musicapi_async.media.tagging import NEEDED_FOR
from musicapi_async.media.tags.values import SongTags
from musicapi_async.media.timeline import Timeline
from musicapi_async.results import AlignedLyrics, Clip, DownloadFile

__all__ = [
    "ClipSaver",
    "SaveOptions",
    "SavedClip",
    "Times",
    "names_for",
    "save_in_folder",
]

Times: TypeAlias = Callable[[Clip], Awaitable[AlignedLyrics | None]]
"""Returns the times of a clip's words, which may cost credits; None where there are none."""

SECTION: Final = re.compile(r"\[[^\]]*\]")


class Download(Protocol):
    """The ``download`` method of a client."""

    async def __call__(
        self, source: Clip | DownloadFile | str, path: str | os.PathLike[str], *, on_progress: Progress | None = None
    ) -> SavedFile:
        """Write a file to a path; a path without a suffix gets that of its content. Raises DownloadError."""
        ...


@attrs.frozen(kw_only=True)
class SavedClip(os.PathLike[str]):
    """A clip in files of one name. It is path-like and stands for its audio: ``media.read_tags(saved)`` works.

    ```python
    from musicapi_sync import MusicAPI

    with MusicAPI() as client:
        for song in client.riffusion.create(lyrics="The harbour sleeps", title="Harbor").wait():
            saved = client.save(song, "songs/", tags=True, lyrics=("lrc",))
            print(saved.audio.path, saved.captions["lrc"], saved.tag_error)
    ```
    """

    clip: Clip
    """The clip."""
    audio: SavedFile
    """Its audio, with the tags in it."""
    cover: SavedFile | None = None
    """Its cover image; None where none was requested, or none could be downloaded."""
    captions: Mapping[str, Path] = attrs.field(factory=dict)
    """The files of its lyrics with their times, by format; empty where the times are not known."""
    sidecar: Path
    """The ``.json`` file: the clip (``clip``), the service's own object (``raw``), and what else is known of it."""
    tags: SongTags | None = None
    """The tags in its audio; None where none were requested, or ``tag_error`` says why there are none."""
    tag_error: TagError | None = None
    """Why its audio has no tags, although they were requested: its file is complete, and does not take tags."""

    @property
    def files(self) -> Mapping[str, Path]:
        """All its files by name: ``audio``, ``cover``, the formats of the captions, and ``json``, in this order."""
        cover = {} if self.cover is None else {"cover": self.cover.path}
        return {"audio": self.audio.path, **cover, **self.captions, "json": self.sidecar}

    def __fspath__(self) -> str:
        """Return the path of the audio."""
        return str(self.audio.path)


@attrs.frozen(kw_only=True)
class SaveOptions:
    """What is written beside the audio of a clip, and into it."""

    cover: bool = True
    tags: bool = False
    lyrics: tuple[CaptionFormat, ...] = ()

    @classmethod
    def of(cls, *, cover: bool = True, tags: bool = False, lyrics: Sequence[CaptionFormat] = ()) -> "SaveOptions":
        """Return checked options; raises InvalidRequestError, and MissingExtraError for tags without mutagen."""
        for name, value in (("cover", cover), ("tags", tags)):
            if not isinstance(value, bool):
                raise wrong_argument(name, value, "True or False")
        wanted = f"a sequence of {', '.join(CAPTION_FORMATS)}"
        if isinstance(lyrics, (str, bytes)) or not isinstance(lyrics, Sequence):
            raise wrong_argument("lyrics", lyrics, wanted, 'pass a tuple: ("lrc",)')
        for one in lyrics:
            if one not in CAPTION_FORMATS:
                message = f"lyrics has the format {one!r}; it must be {wanted}"
                raise InvalidRequestError(message, "lyrics", str(one), wanted)
        if tags:
            require("mutagen", NEEDED_FOR)
        return cls(cover=cover, tags=tags, lyrics=tuple(dict.fromkeys(lyrics)))


@attrs.frozen(kw_only=True)
class ClipSaver:
    """Saves clips by a client's ``download``; files that are complete are used again.

    Its methods raise DownloadError when a file cannot be fetched or written.
    """

    download: Download
    options: SaveOptions = SaveOptions()
    redact: Callable[[str], str] = str
    """Returns the text of a JSON file as it is written."""

    async def save(
        self,
        clip: Clip,
        stem: Path,
        fields: Mapping[str, object] | None = None,
        *,
        timeline: Timeline | None = None,
        times: Times | None = None,
        on_progress: Progress | None = None,
    ) -> SavedClip:
        """Write the files of a clip, all named ``stem`` with their suffixes; ``fields`` go into its JSON file too.

        Where that name is another clip's, it gets the clip's id as well.

        Captions are those of ``timeline``, else of the clip itself, else of times that were saved earlier. Where
        captions are requested and none of these has times, ``times`` is called; what it returns is kept in the JSON
        file. Files that exist are kept, except that ``timeline`` is written in any case.

        A kill leaves complete files only, and the next call completes them: the audio comes first, and gets its tags
        last, when the JSON file is beside it.
        """
        stem, held = await complete(run_sync(_own_name, stem, clip))
        existing = await complete(run_sync(existing_audio, stem, held))
        audio = existing or await self.download(clip, stem, on_progress=on_progress)
        cover = await self.cover(clip, stem) if self.options.cover else None
        known = saved_song(clip, held)
        if times is not None and timeline is None and await complete(run_sync(self._needs_times, known, stem)):
            known = attrs.evolve(known, aligned=await times(clip))
        saved = SavedClip(clip=clip, audio=audio, cover=cover, sidecar=_sidecar_of(stem))
        return await complete(run_sync(self._finish, saved, stem, known, fields or {}, timeline))

    async def fetch(self, source: DownloadFile | str, stem: Path, formats: AbstractSet[str]) -> SavedFile:
        """Download a file, unless it is there: it appears under its name only when it is complete."""
        return await complete(run_sync(existing_file, stem, formats)) or await self.download(source, stem)

    async def cover(self, clip: Clip, stem: Path) -> SavedFile | None:
        """Download the cover image; a song without one still counts as complete."""
        if not clip.image_url:
            return None
        try:
            found = await self.fetch(clip.image_url, stem.with_name(f"{stem.name}-cover"), PICTURES)
        except DownloadError as error:
            if isinstance(error.__cause__, OSError):
                raise  # the disk is full or gone
            logger.warning("no cover for %s: %s", stem.name, error.reason)
            return None
        # The address may lead to any file; an error page is not a picture.
        if found.format not in PICTURES:
            logger.warning("no cover for %s: the response is not an image", stem.name)
            with suppress(OSError):
                await complete(run_sync(found.path.unlink))
            return None
        return found

    async def write_sidecar(self, stem: Path, fields: Mapping[str, object]) -> Path:
        """Write the JSON file of a result without audio."""
        path = _sidecar_of(stem)
        await complete(run_sync(self._write_sidecar, path, fields))
        return path

    def _needs_times(self, known: SavedSong, stem: Path) -> bool:
        """Return whether captions are missing for which the times of the words are not known."""
        if known.has_times or not known.clip.clip_id or not _has_lyrics(known.clip):
            return False
        return any(not stem.with_name(f"{stem.name}.{name}").is_file() for name in self.options.lyrics)

    def _finish(
        self,
        saved: SavedClip,
        stem: Path,
        known: SavedSong,
        fields: Mapping[str, object],
        given: Timeline | None,
    ) -> SavedClip:
        """Write the JSON file, the captions and the tags of a song whose audio is saved."""
        timeline = given or (known.timeline() if known.has_times else None)
        saved = attrs.evolve(saved, captions=self._captions(stem, timeline, known.clip))
        # Read again: another process may have written times into it meanwhile.
        content = _merged(read_sidecar(saved.sidecar), fields, saved, known.aligned)
        # Before the captions, which may stand for times that were paid for.
        self._write_sidecar(saved.sidecar, content)
        for path in saved.captions.values():
            if timeline is not None and (given is not None or not path.is_file()):
                _disk(path, partial(timeline.save, path))
        return self._tagged(saved, timeline, content, is_new=given is not None) if self.options.tags else saved

    def _captions(self, stem: Path, timeline: Timeline | None, clip: Clip) -> dict[str, Path]:
        """Return the files of the requested captions: those to write, or without times those that exist."""
        paths: dict[str, Path] = {name: stem.with_name(f"{stem.name}.{name}") for name in self.options.lyrics}
        if timeline is not None and timeline.lines:
            return paths
        found = {name: path for name, path in paths.items() if path.is_file()}
        if len(found) < len(paths) and timeline is None and _has_lyrics(clip):
            logger.warning("no captions for %s: the times of its words are not known", stem.name)
        return found

    def _write_sidecar(self, path: Path, content: Mapping[str, object]) -> None:
        _disk(path, lambda: write_sidecar(path, content, self.redact))

    def _tagged(
        self, saved: SavedClip, timeline: Timeline | None, fields: Mapping[str, object], *, is_new: bool
    ) -> SavedClip:
        """Write the tags; one that the song's file does not take is an error of the tags alone."""
        path = saved.audio.path
        try:
            tags, _ = write_tags(path, saved.clip, saved.cover, timeline, fields, is_new=is_new)
        except TagError as error:
            if (reason := _disk_error(error)) is not None:
                raise DownloadError(path.name, str(path), f"no tags: {error.reason}") from reason
            logger.warning("no tags in %s: %s", path.name, error.reason)
            return attrs.evolve(saved, tag_error=error)
        return attrs.evolve(saved, tags=tags, audio=attrs.evolve(saved.audio, size=path.stat().st_size))


async def save_in_folder(
    download: Download,
    clip: Clip,
    folder: str | os.PathLike[str],
    options: SaveOptions,
    timeline: Timeline | None,
) -> SavedClip:
    """Write the files of a clip into a folder, under its title and its id; see ``MusicAPI.save``."""
    if not isinstance(clip, Clip):
        raise wrong_argument("clip", clip, "a Clip", clip_advice(clip))
    if timeline is not None and not isinstance(timeline, Timeline):
        raise wrong_argument("timeline", timeline, "a media.Timeline, or None", "media.Timeline.of(words) returns one")
    target = usable_path("folder", folder, 'name a folder: "songs/"')
    # The whole id, or the address: two clips of one task must not share a name.
    stem = target / f"{title_for_name(clip.title)}-{id_for_name(clip.clip_id or clip.audio_url or '')}"
    saver = ClipSaver(download=download, options=options)
    await complete(run_sync(_disk, target, lambda: target.mkdir(parents=True, exist_ok=True)))
    saved = await saver.save(clip, stem, timeline=timeline)
    if options.lyrics and timeline is None and not saved.captions and _has_lyrics(clip):
        warn_without_log(
            f"no captions for {stem.name}: the times of its words are not known; "
            "client.sonic.aligned_lyrics(clip=clip) returns those of a sonic song, for 1 credit: "
            "pass timeline=media.Timeline.of(times, clip=clip)"
        )
    return saved


def _sidecar_of(stem: Path) -> Path:
    return stem.with_name(f"{stem.name}.json")


def names_for(stem: str, clip: Clip) -> tuple[str, str]:
    """Return the names that a clip's files may have, without their suffixes; the second where another has the first."""
    return stem, f"{stem}-{id_for_name(clip.clip_id)}"


def _own_name(stem: Path, clip: Clip) -> tuple[Path, Mapping[str, object]]:
    """Return the name of a clip's files, and what its JSON file holds already.

    A name that is taken by another clip gets the clip's whole id, so that no song is overwritten.
    """
    for name in names_for(stem.name, clip):
        found = stem.with_name(name)
        held = read_sidecar(_sidecar_of(found))
        about = held.get("clip")
        if not isinstance(about, Mapping) or about.get("clip_id") == clip.clip_id:
            return found, held
    return stem, {}


def _merged(
    held: Mapping[str, object], fields: Mapping[str, object], saved: SavedClip, aligned: AlignedLyrics | None
) -> dict[str, object]:
    """Return the content of a song's JSON file: what is known now, and what was known before."""
    # A task that was resumed from its id does not report its request; an earlier call has it.
    known = {name: value for name, value in fields.items() if value is not None or name not in held}
    clip = saved.clip
    files = _files_in(held, saved.sidecar.parent) | {name: path.name for name, path in saved.files.items()}
    times = {} if aligned is None else {TIMES: aligned.to_dict()}
    return {**held, **known, "clip": clip.to_dict(), "files": files, "raw": clip.raw, **times}


def _files_in(held: Mapping[str, object], folder: Path) -> dict[str, str]:
    """Return the files that a JSON file names and that are still there."""
    files = held.get("files")
    named = files.items() if isinstance(files, Mapping) else ()
    return {name: file for name, file in named if isinstance(file, str) and (folder / file).is_file()}


def _has_lyrics(clip: Clip) -> bool:
    """Return whether a clip has lyrics besides section tags; an instrumental has at most those."""
    return bool(SECTION.sub("", clip.lyrics or "").strip())


def _disk_error(error: BaseException) -> OSError | None:
    """Return the error of the disk that led to another one; None where none did."""
    found: BaseException | None = error
    while found is not None and not isinstance(found, OSError):
        found = found.__cause__ or found.__context__
    return found


def _disk(path: Path, work: Callable[[], object]) -> None:
    """Do something with a file; raises DownloadError where the disk does not let it."""
    try:
        work()
    except OSError as error:
        raise DownloadError(path.name, str(path), error.strerror or str(error)) from error
