"""``python -m musicapi_async.cli`` is the ``musicapi`` command."""

import sys

from musicapi_async.cli import main

sys.exit(main())
