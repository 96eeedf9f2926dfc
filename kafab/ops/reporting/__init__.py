"""What a command has seen and done as a report: gathered, and written to a file."""
