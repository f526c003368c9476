"""Errors as the OpenAPI document shows them."""

from engine.run.openapi.refusals import refusals


def test_codes_of_one_status_are_one_answer() -> None:
    """Its description and its schema name them all, and no other."""
    found = refusals("overlap", "in-use", "over-budget")
    assert list(found) == ["401", "403", "409", "422", "503", "500"]
    schema = found["409"]["content"]["application/json"]["schema"]
    assert schema["allOf"][1]["properties"]["code"]["enum"] == ["overlap", "in-use"]
    assert found["409"]["description"].startswith("`overlap`: ")
    assert "`in-use`: " in found["409"]["description"]


def test_refusals_that_may_pass_say_when_to_ask_again() -> None:
    """429 and 503 have Retry-After, the others have not."""
    found = refusals("too-many-runs", "launch", "not-found")
    assert [status for status, one in found.items() if "Retry-After" in one.get("headers", {})] == ["429", "503"]
