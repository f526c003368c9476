"""The 26 cases.

Source: azure-iot-sdk-csharp, branch feature/iot-csr-preview, iothub/device/src/csr-scenarions.md, recorded in a live
run of 2026-01-30. Every number, what is sent and what is expected are confirmed from that list; there is no 013. It
numbers both forms of 025 alike: that `a` replaces by id and `b` replaces any is its order and our letter.

Ours, because the list does not say: what the bytes are where it shows none (10 KB of zeros for the CSR that is too
long, which id is unknown, what is no PKCS#10), that 018 to 020 wait until the certificate should be there before they
ask for it, that 026 waits for its silence before it subscribes and after, and that 019 connects without a clean session
the first time too: there would be no session to come back to. Statuses are the topic's. The codes recorded there are
400004, 400006 (002), 400037 (012), 409004 and 412001, and newer sources have others: no case depends on one.
"""

from collections.abc import Mapping

from engine.device.conformance.case import (
    Answer,
    Body,
    Case,
    Replace,
    Return,
    Rivals,
    Send,
    Silence,
    Subscribe,
    Unsubscribe,
)

_ALL = (
    Case("001", "no body", (Send(Body.EMPTY), Answer(400))),
    Case("002", "JSON that ends too soon", (Send(Body.TRUNCATED), Answer(400))),
    Case("003", "an array instead of an object", (Send(Body.ARRAY), Answer(400))),
    Case("004", "an empty csr", (Send(Body.EMPTY_CSR), Answer(400))),
    Case("005", "a csr over 8 KB", (Send(Body.LONG_CSR), Answer(400))),
    Case("006", "a csr that is not base64", (Send(Body.NO_BASE64), Answer(400))),
    Case("007", "another device's id", (Send(Body.OTHER_ID), Answer(400))),
    Case("008", "an empty id", (Send(Body.EMPTY_ID), Answer(400))),
    Case("009", "an unknown field", (Send(Body.UNKNOWN_FIELD), Answer(400))),
    Case("010", "replace too short for an id", (Send(replace=Replace.ILL_FORMED), Answer(400))),
    Case("011", "replace with an id that no request has", (Send(replace=Replace.UNKNOWN), Answer(412))),
    Case("012", "a csr that is no PKCS#10", (Send(Body.NO_CSR), Answer(202), Answer(400))),
    Case("014", "no request id in the topic", (Send(has_id=False), Silence()), may_drop=True),
    Case("015", "one request", (Send(), Answer(202), Answer(200))),
    Case("016", "never subscribed", (Send(), Silence()), is_subscribed=False, may_drop=True),
    Case("017", "unsubscribed after the 202", (Send(), Answer(202), Unsubscribe(), Silence())),
    Case(
        "018",
        "subscribed again after that",
        (Send(), Answer(202), Unsubscribe(), Silence(), Subscribe(), Answer(200)),
    ),
    Case(
        "019",
        "back in the same session",
        (Send(), Answer(202), Return(clean_session=False), Answer(200)),
        clean_session=False,
    ),
    Case(
        "020",
        "back in a clean session and subscribed",
        (Send(), Answer(202), Return(clean_session=True), Subscribe(), Answer(200)),
    ),
    Case(
        "021",
        "back in a clean session and not subscribed",
        (Send(), Answer(202), Return(clean_session=True), Silence()),
    ),
    Case(
        "022",
        "one request after the other",
        (Send(), Answer(202), Answer(200), Send(), Answer(202), Answer(200)),
    ),
    Case("023", "two requests at once", (Send(), Send(), Rivals())),
    Case("024", "another request after the 202", (Send(), Answer(202), Send(), Answer(409))),
    Case(
        "025a",
        "replaced by its id after the 202",
        (Send(), Answer(202), Send(replace=Replace.BEFORE), Answer(202), Answer(200)),
    ),
    Case(
        "025b",
        "replaced by * after the 202",
        (Send(), Answer(202), Send(replace=Replace.ANY), Answer(202), Answer(200)),
    ),
    Case(
        "026",
        "subscribed after the request",
        (Send(), Silence(), Subscribe(), Silence()),
        is_subscribed=False,
        may_drop=True,
    ),
)

CASES: Mapping[str, Case] = {case.number: case for case in _ALL}
"""By number, in order."""
