"""What Prometheus is given of a cluster: where to ask, what to warn of, and how that is proven. No I/O."""
