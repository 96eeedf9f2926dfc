"""A goal and what was seen -> whether a node may go, and what is still missing. Pure."""
