"""Tasks of the service: submissions, waiting, runs, and the poller behind them."""
