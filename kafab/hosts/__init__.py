"""Hosts: the shell that runs on them (``sh/``), how scripts are composed of it, and the names of files there."""
