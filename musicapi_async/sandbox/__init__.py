"""A fake server with the service's behavior: accounts, credits, tasks, real audio and events, on loopback.

``async with Sandbox() as sandbox: MusicAPI("any-key", base_url=sandbox.base_url)``

Faults are switched on by a test:

- of the response to a request, by ``sandbox.add_fault("POST /sonic/create", Fault(...))``;
- of the events sent to a request's ``webhook_url``, for the next task by ``sandbox.add_event_fault("song.completed",
  EventFault(lost=True))``, at random by ``Sandbox(event_faults={EventFault(lost=True): 0.1, ...})``.
  ``sandbox.deliveries`` has what was sent, and the response to it.
"""

from musicapi_async.sandbox.app import Sandbox
from musicapi_async.sandbox.delivery import Delivery
from musicapi_async.sandbox.faults import EventFault, Fault
from musicapi_async.sandbox.state import Account, Ending

__all__ = ["Account", "Delivery", "Ending", "EventFault", "Fault", "Sandbox"]
