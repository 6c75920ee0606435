"""A fake server with the service's behavior: accounts, credits, tasks, real audio and events, on loopback.

``async with Sandbox() as sandbox, sandbox.client() as client`` is all that an async program needs; ``with Sandbox() as
sandbox`` serves it from a thread of its own. In tests, pytest has it as the fixture ``musicapi_sandbox``.

What a program did is in ``sandbox.tasks``, ``sandbox.charged`` and ``sandbox.requests(...)``. Faults are switched on by
a test:

- of the next tasks, by ``sandbox.end_next("failed")``;
- of the response to a request, by ``sandbox.add_fault("POST /sonic/create", Fault(...))``;
- of the events sent to a request's ``webhook_url``, for the next task by ``sandbox.add_event_fault("song.completed",
  EventFault(lost=True))``. ``sandbox.deliveries`` has what was sent, and the response to it;
- at random, by ``Sandbox(endings={"failed": 0.1}, faults={Fault(status=503): 0.1}, event_faults={...})``.
"""

from musicapi_async.sandbox.delivery import Delivery
from musicapi_async.sandbox.faults import EventFault, Fault
from musicapi_async.sandbox.received import ReceivedRequest
from musicapi_async.sandbox.sandbox import Sandbox
from musicapi_async.sandbox.state import Account, Ending, SandboxTask

__all__ = ["Account", "Delivery", "Ending", "EventFault", "Fault", "ReceivedRequest", "Sandbox", "SandboxTask"]
