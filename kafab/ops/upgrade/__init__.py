"""An upgrade of a running cluster: its plan, the roll to the new release, the way back, and its end."""
