"""Shell for the hosts."""
