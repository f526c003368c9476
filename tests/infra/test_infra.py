"""The templates as they are: nothing that can be checked without Azure is wrong with them."""

from infra import check
from infra.project import read
from infra.rules import queries


def test_templates_have_no_mistakes() -> None:
    """Files, names, contracts, types, roles, settings, tags and secrets."""
    assert [str(found) for found in check.offline(read())] == []


def test_queries_that_templates_load_are_read_by_the_parser() -> None:
    """The pack's, the alert's."""
    assert [str(found) for found in queries.check(read())] == []
