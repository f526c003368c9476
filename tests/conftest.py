"""Fixtures shared by every suite."""

from doubles.azurite import azurite
from doubles.emulator import emulator

__all__ = ["azurite", "emulator"]
