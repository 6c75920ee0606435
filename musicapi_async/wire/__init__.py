"""JSON and attrs classes: parsing, and the cattrs converters of results and of requests."""
