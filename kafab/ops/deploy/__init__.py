"""plan, deploy, destroy: what puts files on hosts and takes them away."""
