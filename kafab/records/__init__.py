"""Records that are written and read for an operator: what is asked for, and what came of it."""
