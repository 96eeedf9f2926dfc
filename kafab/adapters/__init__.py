"""Implementations of the ports on real libraries; only `kafab.wiring` imports them."""
