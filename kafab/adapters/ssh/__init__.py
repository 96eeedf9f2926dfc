"""The Fleet port over SSH."""
