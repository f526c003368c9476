"""Which form of a document is asked for."""

import pytest

from engine.errors import SpecError
from engine.run.answers import Request
from engine.run.forms import Form, choose

FORMS = {"html": Form("report.html", "text/html"), "md": Form("report.md", "text/markdown")}


def chosen(accept: str | None = None, **query: str) -> str:
    """The document for a request with this header, if any."""
    headers = {} if accept is None else {"accept": accept}
    return choose(Request(query=query, headers=headers), FORMS).document


@pytest.mark.parametrize(
    ("accept", "document"),
    [
        (None, "report.html"),
        ("", "report.html"),
        ("*/*", "report.html"),
        ("text/*", "report.html"),
        ("text/markdown", "report.md"),
        ("TEXT/MARKDOWN", "report.md"),
        ("text/html, text/markdown", "report.html"),
        ("text/markdown, text/html", "report.html"),
        ("text/html;q=0.5, text/markdown", "report.md"),
        ("text/html;level=1;q=0.2, text/markdown ; q=0.3", "report.md"),
        ("text/markdown;q=0, */*", "report.html"),
        ("text/html;q=0, */*;q=0.1", "report.md"),
        ("text/html;q=0, text/*;q=0.1", "report.md"),
        ("application/pdf", "report.html"),
        ("text/markdown;q=much", "report.html"),
        ("text/html;q=nan, text/markdown;q=0.1", "report.md"),
        (",;,;q=", "report.html"),
    ],
)
def test_form_is_what_the_header_likes_best(accept: str | None, document: str) -> None:
    """The narrowest range has the say, the usual form where none is liked more."""
    assert chosen(accept) == document


def test_form_is_what_the_query_names() -> None:
    """Whatever the header says."""
    assert chosen("text/html", format="md") == "report.md"
    assert chosen("text/markdown", format="html") == "report.html"


@pytest.mark.parametrize("name", ["", "pdf", "HTML"])
def test_form_that_is_none_is_refused(name: str) -> None:
    """With those that there are."""
    with pytest.raises(SpecError) as refused:
        chosen(format=name)
    assert refused.value.problems[0].allowed == "html | md"
