"""The address of a database, whose text has no password. No I/O."""

import re
from urllib.parse import unquote, urlsplit

import attrs

from musicapi_async._secrets import Secret

__all__ = ["Address"]


@attrs.frozen
class Address:
    """The address of a database; its text has no password."""

    secret: Secret = attrs.field(repr=False)
    name: str
    """The address without password and options."""

    @staticmethod
    def of(text: str) -> "Address":
        """Return an address from ``postgresql://user:password@host:port/database``."""
        parts = urlsplit(text)
        user, _, host = parts.netloc.rpartition("@")
        name = f"{user.partition(':')[0]}@{host}" if user else host
        return Address(Secret(text), f"postgresql://{name}{parts.path}")

    def reason(self, error: BaseException) -> str:
        """Return why the database cannot be used, without the password."""
        return self.without_password(str(error) or type(error).__name__)

    def without_password(self, text: str) -> str:
        """Return the text of an error without the password, and without the address as it was given."""
        parts = urlsplit(self.secret.reveal())
        found = re.search(r"(?:^|&)password=([^&]*)", parts.query)
        for one in (parts.password, found.group(1) if found else None):
            for form in (one, unquote(one)) if one else ():
                text = text.replace(form, "...")
        return text.replace(self.secret.reveal(), self.name)
