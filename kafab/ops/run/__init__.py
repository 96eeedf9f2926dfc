"""start, stop, restart: processes, their guards before and their gates behind."""
