"""From a request to a reply or an error."""
