"""The address of a database, whose text has no password. No I/O."""

import re
from typing import Final
from urllib.parse import unquote, urlsplit

import attrs

from musicapi_async._secrets import Secret, without_password
from musicapi_async.errors import JournalError

__all__ = ["Address"]

PORT: Final = re.compile(r":([^\]]+)$")
UNREADABLE: Final = (
    "its address cannot be read: a port is a number, and signs of a password such as # / ? @ are percent-encoded "
    "(%23 %2F %3F %40)"
)


@attrs.frozen
class Address:
    """The address of a database; its text has no password."""

    secret: Secret = attrs.field(repr=False)
    name: str
    """The address without password and options."""

    @staticmethod
    def of(text: str) -> "Address":
        """Return an address from ``postgresql://user:password@host:port/database``.

        Raises JournalError for one whose password would be read as something else, which an error may show.
        """
        parts = urlsplit(without_password(text))
        user, _, host = parts.netloc.rpartition("@")
        name = f"{user.partition(':')[0]}@{host}" if user else host
        address = Address(Secret(text), f"postgresql://{name}{parts.path}")
        netloc = urlsplit(text).netloc
        ports = (PORT.search(one) for one in netloc.rpartition("@")[2].split(","))
        if any(port and not (port[1].isascii() and port[1].isdigit()) for port in ports) or (
            "@" in text and "@" not in netloc
        ):
            raise JournalError(address.name, UNREADABLE)
        return address

    def reason_of(self, error: BaseException) -> str:
        """Return the text of an error, without what ``without_password`` hides."""
        # A time limit has no text of its own.
        named = "it did not respond in time" if isinstance(error, TimeoutError) else type(error).__name__
        return self.without_password(str(error) or named)

    def without_password(self, text: str) -> str:
        """Return the text of an error without the password, and without the address as it was given."""
        parts = urlsplit(self.secret.reveal())
        found = re.search(r"(?:^|&)password=([^&]*)", parts.query)
        for one in (parts.password, found.group(1) if found else None):
            for form in (one, unquote(one)) if one else ():
                text = text.replace(form, "...")
        return text.replace(self.secret.reveal(), self.name)
