"""Fixtures shared by every suite."""

from doubles.azurite import azurite

__all__ = ["azurite"]
