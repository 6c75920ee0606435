"""``python -m musicapi_async`` is the ``musicapi`` command."""

import sys

from musicapi_async.cli import main

sys.exit(main())
