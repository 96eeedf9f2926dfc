"""Inventories written and checked."""
