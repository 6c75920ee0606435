"""From a request to a response or an error."""
