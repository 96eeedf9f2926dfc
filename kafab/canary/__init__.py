"""What a canary knows: what it wrote, what was acknowledged, what could be read back, and the figures of that."""
