"""Groups of consumers: read, reset, restored, deleted."""
