"""Addresses of object stores, such as ``s3://bucket/songs``; their credentials are hidden. No I/O."""

import os
import re
from collections.abc import Mapping
from pathlib import PurePath
from typing import Final
from urllib.parse import quote, unquote

import attrs

from musicapi_async._extras import require
from musicapi_async._secrets import Secret
from musicapi_async.errors import InvalidRequestError

__all__ = ["S3", "Address", "address_of"]

S3: Final = frozenset({"s3", "s3a"})
LOCAL: Final = frozenset({"file", "local"})
FORM: Final = re.compile(r"([A-Za-z][A-Za-z0-9+.:-]+)://(.*)", re.DOTALL)
"""A scheme has at least two letters: one letter is a drive."""
LOST_SLASH: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:")
"""The first part of an address that was made a path, which has no double slash."""
WANTED: Final = "a folder, or an address such as s3://bucket/songs"
HIDDEN: Final = "..."


@attrs.frozen(kw_only=True)
class Address:
    """An address of an object store. Its repr, and ``shown``, are without credentials."""

    shown: str
    """The address without its credentials and without a slash at its end."""
    protocol: str
    """Its scheme in lower case, such as ``s3``."""
    url: Secret
    """The address as fsspec takes it."""
    credentials: Mapping[str, Secret] = attrs.field(factory=dict)
    """The options ``key`` and ``secret`` of an address in S3 that contains them; empty where it has none."""
    secrets: tuple[Secret, ...] = ()
    """The texts to hide in messages of other libraries."""

    def redact(self, text: str) -> str:
        """Return a message of another library without the address's credentials."""
        for secret in self.secrets:
            text = text.replace(secret.reveal(), HIDDEN)
        return text


def address_of(out: str | os.PathLike[str]) -> Address | None:
    """Return the address that ``out`` is; None when it is a folder.

    Raises InvalidRequestError for an address that cannot be used, MissingExtraError when the package that reaches it is
    not installed. Neither contains credentials.
    """
    if isinstance(out, PurePath) and out.parts and LOST_SLASH.fullmatch(out.parts[0]):
        raise _unusable("is an address that was made a path, which loses a slash; pass it as text")
    match = FORM.fullmatch(out) if isinstance(out, str) else None
    if match is None:
        return None
    protocol, rest = match[1].lower(), match[2].rstrip("/")
    if protocol in LOCAL:
        raise _unusable("is the address of a folder on this machine; pass its path")
    if "::" in rest or "::" in protocol or any(letter in rest for letter in "?#\0"):
        raise _unusable("contains one of ?, #, :: and the null character, which no address of an output may have")
    host, slash, path = rest.partition("/")
    user, at, host = host.rpartition("@")
    if not host or (":" in host and "@" in path and not at):
        raise _unusable("has no bucket, or a slash in its credentials that is not written as %2F")
    _require(protocol)
    shown = f"{protocol}://{host}{slash}{path}"
    if not at:
        return Address(shown=shown, protocol=protocol, url=Secret(shown))
    name, _, password = user.partition(":")
    texts = sorted({user, password, unquote(password), quote(unquote(password), safe="")} - {""}, key=len)
    secrets = tuple(map(Secret, reversed(texts)))
    if protocol not in S3:
        return Address(shown=shown, protocol=protocol, url=Secret(f"{protocol}://{rest}"), secrets=secrets)
    if not (name and password):
        raise _unusable("has one of a key and its secret; it must have both, or none")
    given = {"key": Secret(unquote(name)), "secret": Secret(unquote(password))}
    return Address(shown=shown, protocol=protocol, url=Secret(shown), credentials=given, secrets=secrets)


def _require(protocol: str) -> None:
    """Check that the extra ``storage`` is installed, without importing it."""
    needed_for = f"an output at {protocol}://"
    require("fsspec", needed_for, "storage")
    if protocol in S3:
        require("s3fs", needed_for, "storage")


def _unusable(problem: str) -> InvalidRequestError:
    # The address itself may contain credentials.
    return InvalidRequestError(f"out {problem}", "out", None, WANTED)
