"""What this machine has, and the command that mends what it lacks."""

from .report import Check, Report, doctor

__all__ = ["Check", "Report", "doctor"]
