"""The certificates of a cluster: what a node's must say, making one, reading one, and judging one. No I/O."""
