"""A rolling restart, from the journal to the check after the last node."""
