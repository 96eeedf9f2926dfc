"""Records written and read as a program of one's own would."""
