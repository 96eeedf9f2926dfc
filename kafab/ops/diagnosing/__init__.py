"""Gathering what an expert would ask for, into one archive."""
