"""What the headers of a response say of what to do next: how long to wait, and where to go."""

import re
from email.utils import parsedate_to_datetime
from urllib.parse import urljoin, urlsplit

from engine.errors import RemoteProtocolError
from engine.protocol.http import PORTS, Response

_URL = re.compile(r"[A-Za-z0-9\-._~:/?#\[\]@!$&'()*+,;=%]{1,8000}")
"""Source: RFC 3986, section 2 (characters); RFC 9110, section 4.1 (URIs of 8000 octets)."""

_HOST = re.compile(r"[a-z0-9._:-]{1,253}")
"""A name that a certificate may be for, or an address. Source: RFC 1035, section 2.3 (names, and no longer)."""

_SECONDS = re.compile(r"[0-9]{1,9}")


def retry_after_s(response: Response) -> float | None:
    """Seconds that the service asks for, None where it asks for nothing or nobody can tell for what.

    A date counts from the response's own. Source: RFC 9110, section 10.2.3.
    """
    value = response.header("retry-after").strip()
    if _SECONDS.fullmatch(value):
        return float(value)
    try:
        later = parsedate_to_datetime(value) - parsedate_to_datetime(response.header("date"))
    except (TypeError, ValueError, OverflowError):  # a day, a year or a zone with too many digits overflows
        return None
    return max(0.0, later.total_seconds())


def resolve(base: str, reference: str) -> str:
    """The absolute URL, http or https, that a header of a response from base leads to; without its fragment.

    Raises RemoteProtocolError on anything else, and on a URL with a user's name, which is there to deceive.
    Source: RFC 9110, sections 10.2.2 (Location) and 4.2.4 (user information).
    """
    if not _URL.fullmatch(reference):
        raise RemoteProtocolError("a header does not hold a URL")
    try:
        parts = urlsplit(urljoin(base, reference))
        is_sound = parts.scheme in PORTS and parts.port != 0
    except ValueError as error:
        raise RemoteProtocolError("a header does not hold a URL") from error
    if not is_sound or not _HOST.fullmatch(parts.hostname or "") or "@" in parts.netloc:
        raise RemoteProtocolError("a header leads to no place that HTTP knows")
    return parts._replace(fragment="").geturl()
