"""Topics by name."""
