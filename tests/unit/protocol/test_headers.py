"""What headers say: how long to wait, and where to go."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import RemoteProtocolError
from engine.protocol.headers import resolve, retry_after_s
from engine.protocol.http import Request, Response

DATE = ("date", "Fri, 31 Dec 1999 23:59:59 GMT")
BASE = "https://a.example/x/y?q=1"


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ((("retry-after", "7"),), 7.0),
        ((("retry-after", " 0 "),), 0.0),
        ((("retry-after", "Sat, 01 Jan 2000 00:00:09 GMT"), DATE), 10.0),
        ((("retry-after", "Fri, 31 Dec 1999 23:00:00 GMT"), DATE), 0.0),
        ((("retry-after", "Sat, 01 Jan 2000 00:00:09 GMT"),), None),
        ((("retry-after", "Sat, 01 Jan 2000 00:00:09 GMT"), ("date", "Fri, 31 Dec 1999 23:59:59 -0000")), None),
        ((("retry-after", "-1"),), None),
        ((("retry-after", "1.5"),), None),
        ((("retry-after", "٣"),), None),
        ((("retry-after", "soon"), DATE), None),
        ((("retry-after", "Sat, 01 Jan 99999999999999 00:00:09 GMT"), DATE), None),
        ((("retry-after", "Sat, 01 Jan 2000 00:00:09 +99999999999999"), DATE), None),
        ((("retry-after", "Sat, 01 Jan 2000 00:00:09 GMT"), ("date", f"{'9' * 30} Dec 1999 23:59:59 GMT")), None),
        ((), None),
    ],
)
def test_retry_after_is_seconds_or_a_date(headers: tuple[tuple[str, str], ...], seconds: float | None) -> None:
    """A date counts from the response's own; what nobody can read asks for nothing."""
    assert retry_after_s(Response(429, headers)) == seconds


@pytest.mark.parametrize(
    ("reference", "url"),
    [
        ("https://b.example/z", "https://b.example/z"),
        ("http://b.example:81/", "http://b.example:81/"),
        ("//b.example/z", "https://b.example/z"),
        ("/z?a=b#part", "https://a.example/z?a=b"),
        ("z", "https://a.example/x/z"),
        ("HTTPS://B.example/", "https://B.example/"),
    ],
)
def test_resolve_takes_every_form_of_reference(reference: str, url: str) -> None:
    """Absolute, relative or without scheme; the fragment stays behind."""
    assert resolve(BASE, reference) == url


@pytest.mark.parametrize(
    "reference",
    [
        "",
        "ftp://b.example/",
        "javascript:alert(1)",
        "http://",
        "http:///z",
        "https://a.example@evil.example/",
        "https://@evil.example/",
        "https://a.example\\@evil.example/",
        "https://evil.example /",
        "https://b.example/\r\nX: y",
        "https://b.example:0/",
        "https://b.example:99999/",
        "https://b.example:x/",
        "https://[::1/",
        "https://bücher.example/",
        "https://a!.example/",
        "https://a%00.example/",
        f"https://{'a.' * 130}example/",
        "/" + "z" * 8000,
    ],
)
def test_resolve_refuses_what_leads_nowhere(reference: str) -> None:
    """Other schemes, no host, wrong ports, hidden users and what no URL is made of."""
    with pytest.raises(RemoteProtocolError):
        resolve(BASE, reference)


@given(st.text(max_size=60))
def test_resolve_gives_a_place_or_refuses(text: str) -> None:
    """Whatever a service writes: there is a scheme, a host and a port, or a documented error."""
    for reference in (text, f"//{text}", f"https://{text}"):
        try:
            asked = Request("GET", resolve(BASE, reference))
        except RemoteProtocolError:
            continue
        assert asked.scheme in ("http", "https")
        assert asked.host
        assert 0 < asked.port < 65_536
