"""The workers of a drill, each in a process of its own."""
