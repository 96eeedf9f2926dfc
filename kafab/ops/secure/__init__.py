"""The certificates of a cluster on the operator's machine: made, asked for, taken in, judged."""
