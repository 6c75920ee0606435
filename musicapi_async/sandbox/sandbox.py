"""The sandbox of the async package: a fake server, and async clients of it."""

from collections.abc import Mapping
from typing import Any

from musicapi_async import MusicAPI
from musicapi_async._client_settings import given_settings, taking
from musicapi_async.sandbox.server import SandboxServer

__all__ = ["Sandbox"]


class Sandbox(SandboxServer):
    """A fake server on this machine: ``async with Sandbox() as sandbox`` serves it at ``sandbox.base_url``.

    It runs in the event loop of ``async with``, or with a plain ``with`` in a thread of its own: for scripts, and for
    tests in which event loops come and go. ``musicapi_sync.sandbox.Sandbox`` is the same with blocking clients.

    - ``seconds``: approximate time that a song takes; with 0 songs are finished at once. ``seed``: seed of all random
      values.
    - ``credits``: initial balance of an account. ``keys``: the valid keys; without them any key is valid.
    - ``endings``: share of the tasks, from 0 to 1, that end otherwise than with songs, such as ``{"failed": 0.1}``.
    - ``faults``, ``event_faults``: share of the requests to the API, and of the events, that have a fault, from 0 to 1,
      for each fault.
    - ``host``, ``port``: the address to listen on; by default loopback and a free port.

    A request with a ``webhook_url`` of this machine gets events, signed with its ``webhook_secret`` or, without one,
    with a secret that only the sandbox knows. An event that is not acknowledged with a 2xx is sent up to eight times,
    at intervals that begin with a twentieth of ``seconds`` and double. Nothing is sent to other machines.

    ```python
    from musicapi_async import sonic
    from musicapi_async.sandbox import Sandbox

    async with Sandbox(seconds=60) as sandbox, sandbox.client() as client:
        task = await client.sonic.describe(description="lofi rain")
        sandbox.advance(120)
        songs = await task.wait()

        assert [task.price for task in sandbox.tasks] == [20]
        assert sandbox.charged == 20
        assert sandbox.requests(sonic.Describe)[0].description == "lofi rain"
        assert len(sandbox.requests("POST /sonic/create")) == 1
    ```

    Raises InvalidRequestError for a wrong argument.
    """

    @taking(given_settings)
    def client(self, settings: Mapping[str, Any]) -> MusicAPI:
        """Return a new client of the sandbox: ``async with sandbox.client() as client``.

        It takes the settings of ``MusicAPI``. Unless they are given, ``api_key`` is a valid one, the same for each
        client, and ``poll_interval`` suits the sandbox's ``seconds``: a song of 3 seconds is returned after about 3.

        Raises InvalidRequestError when a setting is wrong.
        """
        return MusicAPI(**{**self._client_settings, **settings})
