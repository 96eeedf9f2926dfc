"""Producers and consumers of both Python clients, made of one description."""
