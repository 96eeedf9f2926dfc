"""Desired and observed state -> the steps between them, as frozen values."""
