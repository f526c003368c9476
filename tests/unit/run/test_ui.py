"""The live page as it is served: whole, and allowed to run nothing but itself."""

import base64
import hashlib
import re
from collections import Counter
from html.parser import HTMLParser
from typing import Any

import pytest

from doubles.means import make_means
from engine.run import ui
from unit.run.asking import get


class Reader(HTMLParser):
    """What a document consists of: its elements with their attributes, and what is inside styles and scripts."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.inside: dict[str, list[str]] = {"style": [], "script": []}
        self._open = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note the element."""
        self.elements.append((tag, dict(attrs)))
        self._open = tag
        if tag in self.inside:
            self.inside[tag].append("")

    def handle_endtag(self, tag: str) -> None:
        """Nothing is open any more."""
        self._open = ""

    def handle_data(self, data: str) -> None:
        """Note what a browser would hash."""
        if self._open in self.inside:
            self.inside[self._open][-1] += data


@pytest.fixture(scope="module")
def read() -> Reader:
    """The page, read."""
    return Reader(ui.page().body.decode())


def policy() -> dict[str, list[str]]:
    """The page's Content-Security-Policy, by directive."""
    directives = (each.split() for each in ui.page().headers["Content-Security-Policy"].split(";"))
    return {name: sources for name, *sources in directives}


def hashed(content: str) -> str:
    """A hash source for a style or script."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()}'"


def test_ui_is_a_page_of_html() -> None:
    """Whoever may call the API gets it, with nothing to remember and nothing sent on."""
    found = get(ui.get_ui, make_means())
    assert (found.status, found.content_type) == (200, "text/html")
    assert found.body.startswith(b"<!doctype html>")
    assert {name: value for name, value in found.headers.items() if name != "Content-Security-Policy"} == {
        "Referrer-Policy": "no-referrer",
        "X-Content-Type-Options": "nosniff",
        "X-Frame-Options": "DENY",
        "Cache-Control": "no-store",
    }


def test_ui_may_do_nothing_but_ask_its_own_server() -> None:
    """Everything is shut, and opened again where the page needs it."""
    found = policy()
    fetched = {name: found[name] for name in found if name not in ("script-src", "style-src")}
    assert fetched == {
        "default-src": ["'none'"],
        "img-src": ["data:"],
        "connect-src": ["'self'"],
        "base-uri": ["'none'"],
        "form-action": ["'none'"],
        "frame-ancestors": ["'none'"],
        "require-trusted-types-for": ["'script'"],
    }
    assert all(
        re.fullmatch(r"'sha256-[A-Za-z0-9+/]{43}='", one) for kind in ("script-src", "style-src") for one in found[kind]
    )


@pytest.mark.parametrize("kind", ["style", "script"])
def test_ui_allows_what_is_in_it_by_hash(read: Reader, kind: str) -> None:
    """Every style and script of the page is allowed, and besides them those of a report only."""
    own = {hashed(content) for content in read.inside[kind]}
    reports = {hashed(ui._read(ui.REPORTS / name)) for name in ui.REPORT}
    assert len(own) == len(read.inside[kind]) > 1
    assert set(policy()[f"{kind}-src"]) == own | reports


def test_ui_has_all_its_parts(read: Reader) -> None:
    """Each script and style that is kept for the page is in it, after the plots that it draws with."""
    kept = {entry.name for entry in ui.OWN.iterdir()}
    assert kept == {"index.html", *ui.STYLES, *ui.SCRIPTS}
    assert read.inside["script"][0].startswith("/*! https://github.com/leeoniya/uPlot")
    assert read.inside["script"][1:] == [ui._read(ui.OWN / name) for name in ui.SCRIPTS]
    assert read.inside["style"][1:] == [ui._read(ui.OWN / name) for name in ui.STYLES]


def test_ui_loads_nothing(read: Reader) -> None:
    """No address in the document leads anywhere, and no style asks for one."""
    addresses = [
        value for _, held in read.elements for name, value in held.items() if name in ("src", "href", "action")
    ]
    assert {value.partition(":")[0] if value else "" for value in addresses if value is not None} <= {
        "",
        "#main",
        "data",
    }
    assert not [style for style in read.inside["style"] if re.search(r"url\(|@import", style)]


def test_ui_has_nothing_that_its_policy_would_stop(read: Reader) -> None:
    """No handlers and styles in attributes, which no hash allows."""
    names = {name for _, held in read.elements for name in held}
    assert not {name for name in names if name.startswith("on") or name == "style"}


def test_ui_puts_in_what_it_is_told_as_text_only() -> None:
    """Nothing in its scripts makes markup or code of a text."""
    makers = r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function|DOMParser|srcdoc"
    assert not [name for name in ui.SCRIPTS if re.search(makers, ui._read(ui.OWN / name))]


def test_ui_ids_are_unique(read: Reader) -> None:
    """Every id names one element, and those that others rely on are there."""
    ids = Counter(held["id"] for _, held in read.elements if "id" in held)
    assert not [name for name, many in ids.items() if many > 1]
    assert ids.keys() >= {
        *("runs", "new-run", "estimate", "start", "run-view", "verdict", "progress"),
        *("cancel", "resume", "open-report", "compare-with", "comparison"),
    }


def test_ui_names_every_id_it_uses(read: Reader) -> None:
    """What the scripts look up by id is in the document, but for the fields, which are made from the schema."""
    ids = {held["id"] for _, held in read.elements if "id" in held}
    used = {name for script in ui.SCRIPTS for name in re.findall(r'byId\("([^"]+)"\)', ui._read(ui.OWN / script))}
    assert {name for name in used if not name.startswith("field")} <= ids


def test_ui_labels_what_can_be_filled_in(read: Reader) -> None:
    """An input has a label of its own, or stands in one."""
    labelled = {held.get("for") for tag, held in read.elements if tag == "label"}
    text = ui.page().body.decode()
    for tag, held in read.elements:
        if tag in ("input", "select", "textarea"):
            assert held["id"] in labelled or re.search(rf'<label[^>]*>(?:(?!</label>).)*id="{held["id"]}"', text), held


def test_assembled_is_what_was_given() -> None:
    """In order, each in an element of its own, and nothing allowed that was not given."""
    found: Any = ui.assemble("a<!-- styles -->b<!-- scripts -->c", ["S"], ["1", "2"], allowed=["3"])
    assert found.body == b"a<style>S</style>b<script>1</script>\n<script>2</script>c"
    sources = found.headers["Content-Security-Policy"]
    assert all(hashed(content) in sources for content in "S123")
    assert hashed("4") not in sources
