"""Reading of responses: from bytes to JSON, ids, results and typed errors. No I/O."""
