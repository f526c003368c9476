import pytest

from engine.errors import Outcome
from engine.measure.operation import Operation, Phase
from engine.measure.sample import Sample, Series
from engine.measure.tally import Tally
from engine.report.beside import Beside, compare_counts


def _tally(*ended: tuple[Operation, Outcome] | tuple[Operation, Outcome, str]) -> Tally:
    tally = Tally()
    for operation, outcome, *hub in ended:
        series = Series(operation, Phase.STEADY, *hub)
        tally.due(series)
        tally.start(series)
        tally.settle(Sample(series, 0.0, 0.0, 1.0, outcome))
    return tally


def _compare(total: Tally, emulator: dict[str, object]) -> dict[str, tuple[int | None, int]]:
    return {row.what: (row.ours, row.theirs) for row in compare_counts(total, emulator)}


def test_compare_counts_sets_both_ends_side_by_side() -> None:
    """Requests, answers and messages are counted by devices and service alike."""
    total = _tally(
        (Operation.CERT_REQUEST, Outcome.OK),
        (Operation.CERT_REQUEST, Outcome.DISCONNECTED),
        (Operation.CERT_ACCEPTED, Outcome.OK),
        (Operation.CERT_ISSUED, Outcome.LATE),
        (Operation.DPS_REGISTER, Outcome.OK),
        (Operation.TELEMETRY_PUBLISH, Outcome.TIMEOUT),
    )
    certificates = {"requests": 2, "202": 1, "200": 1}
    emulator = {"cert": certificates, "dps.register": {"requests": 1, "200": 1}, "telemetry": 1}
    assert _compare(total, emulator) == {
        "cert requests": (2, 2),
        "cert 202": (1, 1),
        "cert 200": (1, 1),
        "dps.register requests": (1, 1),
        "dps.register 200": (1, 1),
        "telemetry": (1, 1),
    }


@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        ("401", Outcome.UNAUTHORIZED), ("403", Outcome.UNAUTHORIZED), ("404", Outcome.NOT_FOUND),
        ("409", Outcome.CONFLICT), ("412", Outcome.PRECONDITION), ("429", Outcome.THROTTLED),
        ("400", Outcome.BAD_REQUEST), ("500", Outcome.SERVER), ("503", Outcome.SERVER),
    ],
)  # fmt: skip
def test_compare_counts_knows_a_refusal_by_its_outcome(status: str, outcome: Outcome) -> None:
    """A status is compared with the outcome it gives, for certificates and registrations."""
    total = _tally(
        (Operation.CERT_REQUEST, Outcome.OK), (Operation.CERT_ISSUED, outcome), (Operation.DPS_REGISTER, outcome)
    )
    compared = _compare(total, {"cert": {"requests": 1, status: 1}, "dps.register": {"requests": 1, status: 1}})
    asked = {"cert requests": (1, 1), "dps.register requests": (1, 1)}
    assert compared == {**asked, f"cert {outcome}": (1, 1), f"dps.register {outcome}": (1, 1)}


def test_compare_counts_takes_no_certificate_from_dps_for_one_of_the_hubs() -> None:
    """A renewal by registering again asks the hub for nothing, so the hub answered as many as it says: none."""
    total = _tally((Operation.DPS_REGISTER, Outcome.OK), (Operation.CERT_ISSUED, Outcome.OK))
    compared = _compare(total, {"cert": {"200": 0}, "dps.register": {"requests": 1, "200": 1}})
    assert compared == {"cert 200": (0, 0), "dps.register requests": (1, 1), "dps.register 200": (1, 1)}


def test_compare_counts_leaves_the_certificates_of_cases_alone() -> None:
    """A case asks for certificates and counts itself only; what the hub says of them has no counterpart."""
    total = _tally((Operation.CONFORMANCE_CASE, Outcome.OK))
    assert _compare(total, {"cert": {"requests": 2, "200": 1}}) == {"cert requests": (None, 2), "cert 200": (None, 1)}


def test_compare_counts_tells_hubs_apart() -> None:
    """Connections of every hub are compared with those that it admitted; one that was not admitted is none."""
    total = _tally(
        (Operation.HUB_CONNECT, Outcome.OK, "hub-1"),
        (Operation.HUB_CONNECT, Outcome.OK, "hub-2"),
        (Operation.HUB_CONNECT, Outcome.UNAUTHORIZED, "hub-2"),
    )
    compared = _compare(total, {"hub.connects": {"hub-1": 1, "hub-2": 1}})
    assert compared == {"hub.connects hub-1": (1, 1), "hub.connects hub-2": (1, 1)}


def test_compare_counts_compares_pages() -> None:
    """A page that came is one that was served."""
    assert _compare(_tally((Operation.HTTP_GET, Outcome.OK)), {"http.get": 1}) == {"http.get": (1, 1)}


def test_compare_counts_compares_calls_of_the_registry() -> None:
    """Whatever number an answer has, it is the call's `ok`; a refused question counts as itself and ends its change."""
    total = _tally(
        (Operation.ADR_GET, Outcome.OK),
        (Operation.ADR_GET, Outcome.NOT_FOUND),
        (Operation.ADR_CREATE, Outcome.OK),
        (Operation.ADR_CREATE, Outcome.PRECONDITION),
        (Operation.ADR_PATCH, Outcome.THROTTLED),
        (Operation.ADR_DELETE, Outcome.OK),
        (Operation.ADR_DELETE, Outcome.OK),
        (Operation.ADR_DELETE, Outcome.THROTTLED),
        (Operation.ADR_POLL, Outcome.OK),
        (Operation.ADR_POLL, Outcome.THROTTLED),
    )
    accepted = {"create.201": 1, "delete.202": 1, "delete.204": 1, "get.200": 1, "poll.200": 1, "patch.202": 1}
    refused = {"create.412": 1, "get.404": 1, "delete.429": 1, "poll.429": 1, "other.405": 1}
    assert _compare(total, {"adr": {**accepted, **refused}}) == {
        "adr create ok": (1, 1),
        "adr delete ok": (2, 2),
        "adr get ok": (1, 1),
        "adr poll ok": (1, 1),
        "adr patch ok": (0, 1),
        "adr change precondition": (1, 1),
        "adr get not-found": (1, 1),
        "adr change throttled": (1, 1),
        "adr poll throttled": (1, 1),
        "adr other bad-request": (None, 1),
    }


def test_compare_counts_tells_what_only_devices_counted() -> None:
    """A kind that the service counts, and never counted, is a difference, not silence."""
    total = _tally((Operation.HUB_CONNECT, Outcome.OK, "hub-1"), (Operation.HTTP_GET, Outcome.OK))
    (row,) = compare_counts(total, {"hub.connects": {}})
    assert (row.what, row.ours, row.theirs, row.note.partition(":")[0]) == (
        "hub.connects hub-1", 1, 0, "1 more at the devices"
    )  # fmt: skip


def test_compare_counts_takes_statuses_of_one_outcome_together() -> None:
    """Two 500 and a 503 are three of the outcome `server`."""
    assert _compare(Tally(), {"cert": {"500": 2, "503": 1}}) == {"cert server": (0, 3)}


def test_compare_counts_lets_the_rest_stand_alone() -> None:
    """What only the service counts has no counterpart; what is no number is left out."""
    emulator = {"dials": 5, "ready": True, "version": "1", "cert": {"held": 2, "x": "y"}, "connacks": {"0": 4}}
    assert _compare(Tally(), emulator) == {"dials": (None, 5), "cert held": (None, 2), "connacks 0": (None, 4)}


@pytest.mark.parametrize(
    ("theirs", "note"),
    [
        (1, "equal"),
        (3, "2 more at the service: repeated requests, or answers that no device took"),
        (0, "1 more at the devices: never seen by the service, or answered in another way"),
    ],
)
def test_compare_counts_says_every_difference(theirs: int, note: str) -> None:
    """A difference is a note, with its size and what it may be."""
    (row,) = compare_counts(_tally((Operation.TELEMETRY_PUBLISH, Outcome.OK)), {"telemetry": theirs})
    assert row == Beside("telemetry", 1, theirs, note)
    assert row.figures() == {"what": "telemetry", "devices": 1, "emulator": theirs, "note": note}


def test_compare_counts_notes_nothing_where_there_is_nothing_to_compare() -> None:
    """A count that stands alone needs no remark."""
    assert compare_counts(Tally(), {"dials": 1}) == [Beside("dials", None, 1, "")]
