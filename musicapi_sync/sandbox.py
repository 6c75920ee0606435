"""The sandbox for blocking programs: ``musicapi_async.sandbox`` with blocking clients."""

from collections.abc import Mapping
from typing import Any

from musicapi_async._client_settings import given_settings, taking
from musicapi_async.sandbox import Account, Delivery, Ending, EventFault, Fault, ReceivedRequest, SandboxTask
from musicapi_async.sandbox.server import SandboxServer
from musicapi_sync._client import MusicAPI

__all__ = ["Account", "Delivery", "Ending", "EventFault", "Fault", "ReceivedRequest", "Sandbox", "SandboxTask"]


class Sandbox(SandboxServer):
    """A fake server on this machine: ``with Sandbox() as sandbox`` serves it at ``sandbox.base_url``.

    It runs in a thread of its own. The arguments are those of ``musicapi_async.sandbox.Sandbox``.

    ```python
    from musicapi_sync.sandbox import Sandbox

    with Sandbox(seconds=0) as sandbox, sandbox.client() as client:
        songs = client.sonic.describe(description="lofi rain").wait()
        print(songs[0].title, sandbox.charged)
    ```

    Raises InvalidRequestError for a wrong argument.
    """

    @taking(given_settings)
    def client(self, settings: Mapping[str, Any]) -> MusicAPI:
        """Return a new blocking client of the sandbox: ``with sandbox.client() as client``.

        It takes the settings of ``MusicAPI``. Unless they are given, ``api_key`` is a valid one, the same for each
        client, and ``poll_interval`` suits the sandbox's ``seconds``: a song of 3 seconds is returned after about 3.

        Raises InvalidRequestError when a setting is wrong.
        """
        return MusicAPI(**{**self._client_settings, **settings})
