"""What `lab.py` does: an environment from nothing but Python. Standard library only, since nothing else is there yet."""

from .places import ME, ROOT

__all__ = ["ME", "ROOT"]
