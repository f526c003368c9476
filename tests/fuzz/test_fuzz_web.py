"""Collects the fuzzers of the emulator's web side with their small budget."""

from fuzz.fuzz_web import test_connections, test_services, test_websockets

__all__ = ["test_connections", "test_services", "test_websockets"]
