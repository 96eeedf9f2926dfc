"""Drills: what clients really do on this cluster, measured on topics of their own."""
