"""Consumer groups, their offsets, and what a reset of them would do: values and judgements, no I/O."""
