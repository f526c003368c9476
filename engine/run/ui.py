"""`GET /api/ui`: the live page, one document that loads nothing but the API's answers.

Styles and scripts are put into the document as they are kept in `page/`, and the answer allows just these, by their
hashes: whatever else got into the page would not run. What the server says is put in as text (see `page/dom.js`).
Source: W3C, "Content Security Policy Level 3" (hash sources); "Trusted Types".
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from importlib.resources.abc import Traversable
from typing import Final

from engine.report.page import hash_source
from engine.run.answers import Answer, Request
from engine.run.means import Means

STYLES: Final = ("page.css",)
SCRIPTS: Final = (
    "dom.js",
    "format.js",
    "ask.js",
    "poll.js",
    "dialog.js",
    "runs.js",
    "schema.js",
    "controls.js",
    "form.js",
    "foresee.js",
    "charts.js",
    "figures.js",
    "comparison.js",
    "run.js",
    "route.js",
)
"""In the order in which they are read: each uses what those before it define."""

PLOT_STYLE: Final = "uplot/uPlot.min.css"
PLOT_SCRIPT: Final = "uplot/uPlot.iife.min.js"
REPORT: Final = ("report.css", "report.js")
"""What a report is drawn with besides the plots: with a key it is fetched by the page, and opened from a blob."""

OWN: Final = resources.files("engine.run") / "page"
REPORTS: Final = resources.files("engine.report") / "assets"

_STYLES_HERE: Final = "<!-- styles -->"
_SCRIPTS_HERE: Final = "<!-- scripts -->"


@dataclass(frozen=True, slots=True)
class Page:
    """The document, and the headers that go with it."""

    body: bytes
    headers: Mapping[str, str]


def get_ui(_request: Request, _means: Means) -> Answer:
    """GET /api/ui: the live page."""
    found = page()
    return Answer(200, found.body, headers=found.headers, content_type="text/html")


@cache
def page() -> Page:
    """The page, put together once."""
    styles = [_read(REPORTS / PLOT_STYLE), *(_read(OWN / name) for name in STYLES)]
    scripts = [_read(REPORTS / PLOT_SCRIPT), *(_read(OWN / name) for name in SCRIPTS)]
    reports = [_read(REPORTS / name) for name in REPORT]
    return assemble(_read(OWN / "index.html"), styles, scripts, allowed=reports)


def assemble(document: str, styles: Sequence[str], scripts: Sequence[str], *, allowed: Sequence[str] = ()) -> Page:
    """A document with these styles and scripts where it says they go, and the policy that lets just them in.

    allowed are others that may stand in a document opened from this one: it is bound by this policy, besides its own.
    Source: HTML, "Policy containers" (a document from a blob has that of its maker).
    """
    inner = {_STYLES_HERE: _elements("style", styles), _SCRIPTS_HERE: _elements("script", scripts)}
    for place, text in inner.items():
        document = document.replace(place, text)
    return Page(document.encode(), _headers([*styles, *allowed], [*scripts, *allowed]))


def _elements(name: str, contents: Iterable[str]) -> str:
    return "\n".join(f"<{name}>{content}</{name}>" for content in contents)


def _headers(styles: Iterable[str], scripts: Iterable[str]) -> dict[str, str]:
    """What a browser is told of the page. The address may hold a key: it goes nowhere, and nobody keeps the answer."""
    policy = {
        "default-src": "'none'",
        "script-src": " ".join(map(hash_source, scripts)),
        "style-src": " ".join(map(hash_source, styles)),
        "img-src": "data:",
        "connect-src": "'self'",
        "base-uri": "'none'",
        "form-action": "'none'",
        "frame-ancestors": "'none'",
        "require-trusted-types-for": "'script'",
    }
    return {
        "Content-Security-Policy": "; ".join(f"{name} {value}" for name, value in policy.items()),
        "Referrer-Policy": "no-referrer",
        "X-Content-Type-Options": "nosniff",
        "X-Frame-Options": "DENY",
        "Cache-Control": "no-store",
    }


def _read(file: Traversable) -> str:
    return file.read_text(encoding="utf-8")
