"""Collects the fuzzers of the wire with their small budget."""

from fuzz.fuzz_wire import (
    test_answers,
    test_bodies_of_answers,
    test_certificate_requests,
    test_certificates,
    test_codec,
    test_logins,
    test_packets,
    test_requests,
    test_settings,
)

__all__ = [
    "test_answers",
    "test_bodies_of_answers",
    "test_certificate_requests",
    "test_certificates",
    "test_codec",
    "test_logins",
    "test_packets",
    "test_requests",
    "test_settings",
]
