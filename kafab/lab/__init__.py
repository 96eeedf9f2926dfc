"""Throwaway clusters: hosts that kafab itself makes and ends."""
