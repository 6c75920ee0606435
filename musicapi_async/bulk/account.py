"""The service and the account of a journal's songs: a run with others is refused. The key itself is not stored."""

import hashlib
import secrets
from typing import Final
from urllib.parse import urlsplit

from musicapi_async._secrets import Secret
from musicapi_async._settings import Settings
from musicapi_async.bulk.journal import SERVICE, Journal
from musicapi_async.errors import JournalError

__all__ = ["check_account"]

ACCOUNT: Final = "account"
"""Name of the value that holds the fingerprints of the account's keys, and their salt."""
PURPOSE: Final = b"musicapi account"
OTHER_KEY: Final = (
    "its songs were made with another API key: if that key was of the same account and has been changed, pass "
    "--same-account (same_account=True) once; for another account use another journal"
)


async def check_account(journal: Journal, settings: Settings, *, same_account: bool) -> None:
    """Raise JournalError when a journal belongs to another service, such as a sandbox, or to another account.

    The first run on a journal sets both. With ``same_account`` another key becomes one of the journal's.
    """
    service = urlsplit(settings.base_url).netloc.rpartition("@")[2]
    recorded = await journal.remember_once(SERVICE, service)
    if recorded != service:
        raise JournalError(journal.name, f"its songs are from {recorded}, not from {service}: use another journal")
    salt = secrets.token_hex(hashlib.blake2b.SALT_SIZE)
    kept = await journal.remember_once(ACCOUNT, {"salt": salt, "fingerprints": [_fingerprint(settings.api_key, salt)]})
    fingerprint = _fingerprint(settings.api_key, kept["salt"])
    if fingerprint in kept["fingerprints"]:
        return
    if not same_account:
        raise JournalError(journal.name, OTHER_KEY)
    await journal.remember(ACCOUNT, {**kept, "fingerprints": [*kept["fingerprints"], fingerprint]})


def _fingerprint(key: Secret, salt: str) -> str:
    """Return a value by which a key is recognized, and from which it cannot be found.

    A key is long and random: trying all of them is not possible, and the hash need not be slow. The salt, one for each
    journal, keeps journals of one account from being recognized as such.
    """
    data = key.reveal().encode()
    return hashlib.blake2b(data, digest_size=16, salt=bytes.fromhex(salt), person=PURPOSE).hexdigest()
