"""Fakes of the ports, typed against them and shipped with kafab: test an operation without a host, a broker or a wait."""
