"""Servers for tests: real ones, each on a free port of this machine, and one that misbehaves on purpose."""
