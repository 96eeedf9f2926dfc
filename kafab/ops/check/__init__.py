"""preflight, status, verify, and both elections."""
