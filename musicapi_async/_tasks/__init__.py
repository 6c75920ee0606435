"""Tasks of the service: their states, waiting for them, and the one clock that looks."""
