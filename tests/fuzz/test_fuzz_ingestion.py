"""Collects the fuzzers of the ingestion endpoint with their small budget."""

from fuzz.fuzz_ingestion import test_bodies, test_orders

__all__ = ["test_bodies", "test_orders"]
