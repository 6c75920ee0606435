"""A fake server with the service's behavior: accounts, credits, tasks and real audio, on loopback.

``async with Sandbox() as sandbox: MusicAPI("any-key", base_url=sandbox.base_url)``
"""

from musicapi_async.sandbox.app import Sandbox
from musicapi_async.sandbox.faults import Fault
from musicapi_async.sandbox.state import Account, Ending

__all__ = ["Account", "Ending", "Fault", "Sandbox"]
