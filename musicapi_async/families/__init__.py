"""What the service offers: one file per family, its request classes and its list of methods."""
