"""JSON and attrs classes: parsing, and the package's one cattrs converter."""
