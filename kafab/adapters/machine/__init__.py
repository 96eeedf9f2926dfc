"""This machine: processes, Docker, Vagrant, the clock."""
