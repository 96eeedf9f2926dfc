"""exec, push, pull, logs: hosts by hand."""
