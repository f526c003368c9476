"""An estimate on the terminal."""

from io import StringIO

from rich.console import Console

from engine.cli import prospect
from engine.report.units import NOTHING

THROTTLED = {
    "limit": "dps.registrations",
    "value": 1000,
    "unit": "1/min",
    "need": 5000,
    "source": "DPS limits",
    "adjustable": True,
    "effect": "about 80 % throttled",
}
UNKNOWN = {**THROTTLED, "limit": "cert.issue", "value": None, "effect": "unknown"}
FITS = {**THROTTLED, "limit": "aca.cores", "value": 100, "need": 10, "unit": "vCPU", "effect": "fits"}
FOUND = {
    "spec": {"scenario": "provision", "target": "env", "devices": {"count": 10000}},
    "estimate": {
        "binding": THROTTLED,
        "limits": [FITS, UNKNOWN],
        "warnings": ["dps.registrations: about 80 % throttled", "runner: a job does better"],
        "batches": 20,
        "waves": 1,
        "runner": "job",
        "cores": 10,
        "outboundAddresses": 1,
        "inFlight": 2500,
        "duration": "5m",
        "operations": {"dps.register": 10000},
        "cost": {"computeUsd": 0.1, "targetSide": "not included: 10,000 DPS registrations"},
    },
}


def drawn(found):
    """The lines of it on a terminal of 150 columns."""
    console = Console(width=150, record=True, file=StringIO())
    console.print(prospect.rendered(found))
    return [" ".join(line.split()) for line in console.export_text().splitlines()]


def test_limit_that_binds_comes_first():
    """After what would run, before everything else."""
    assert drawn(FOUND)[:3] == [
        "provision on env: 10,000 devices in 20 batches, 1 wave, about 5m; nothing was started",
        "binding limit: dps.registrations: 5,000 of 1,000 1/min (500 %): about 80 % throttled",
        "warning: runner: a job does better",
    ]


def test_limits_have_their_share_and_their_source():
    """A limit that nobody knows has no share."""
    lines = drawn(FOUND)
    assert "dps.registrations 1,000 5,000 500 % 1/min about 80 % throttled DPS limits" in lines
    assert "aca.cores 100 10 10.0 % vCPU fits DPS limits" in lines
    assert f"cert.issue {NOTHING} 5,000 {NOTHING} 1/min unknown DPS limits" in lines


def test_time_place_and_cost_are_told():
    """And how often each operation is expected."""
    lines = drawn(FOUND)
    for line in ("runner job", "cores 10", "devices at once 2,500", "compute 0.100 USD", "dps.register 10,000"):
        assert line in lines


def test_emulator_has_no_limits():
    """There is no table of none."""
    binding = {**THROTTLED, "limit": "emulator", "value": None, "need": None, "effect": "emulator: none"}
    lines = drawn({**FOUND, "estimate": {**FOUND["estimate"], "binding": binding, "limits": []}})
    assert "binding limit: emulator: none" in lines
    assert not any(line.startswith("limit ") for line in lines)
