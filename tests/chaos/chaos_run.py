"""Runs whose processes are killed, ended and frozen at random: a JSON line per seed on stdout, then a table.

python tests/chaos/chaos_run.py [--seeds N | --seed N] [--batches N] [--calm N] [--resume] [--dir FOLDER]

Each seed is one run of worker processes, eight at a time, that is hit while it goes on (see `disturbance`), and is
compared with what a run of the same spec came to that nobody touched (see `witness`). What goes on is told on stderr.
Exit code 1 when something did not hold; the folder then keeps every log.
"""

import argparse
import json
import secrets
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

sys.path.insert(0, str(Path(__file__).parents[2]))
sys.path.insert(0, str(Path(__file__).parents[1]))

from chaos import witness
from chaos.disturbance import cancel_at, plan
from chaos.ground import LEASE_S, Ground, open_ground
from chaos.ordeal import Evidence, Ordeal

from engine.cli.errors import CommandFailed
from engine.cli.interrupts import Interrupts
from engine.run.claims import SKEW_S

BATCH_SIZE: Final = 3
WORKERS: Final = 8
MORE: Final = 4
"""Workers that are hit beyond one of each kind."""

PATIENCE_S: Final = 900.0
"""How long a run may take at most; nothing is judged by the time that it took."""

SCENARIOS: Final[Sequence[Mapping[str, Any]]] = (
    {"scenario": "provision"},
    {
        "scenario": "cert-lifecycle",
        "connection": {"hold": "200ms"},
        "telemetry": {"messages": 2, "interval": "200ms"},
    },
)
"""Seeds take turns."""


def spec_of(prefix: str, scenario: Mapping[str, Any], batches: int) -> dict[str, Any]:
    """Batches of three devices and a last one of two, every device once, in eight worker processes."""
    return {
        **scenario,
        "devices": {"count": devices_in(batches), "prefix": prefix, "source": "create"},
        "load": {"executor": "once", "rampUp": f"{batches * 300}ms", "gracefulStop": "30s"},
        "execution": {"runner": "job", "batchSize": BATCH_SIZE, "maxParallelBatches": WORKERS},
        "retries": {"batch": 20},
        "results": {"interval": "5s"},
        "thresholds": [{"metric": "iteration", "expr": "fail_rate<0.0001"}],
    }


def devices_in(batches: int) -> int:
    """All but the last have as many as they may."""
    return batches * BATCH_SIZE - 1


class Ordeals:
    """Runs on one ground, of so many batches; of each scenario one of calm_batches goes undisturbed first."""

    def __init__(self, ground: Ground, batches: int, calm_batches: int) -> None:
        self._ground, self._batches, self._calm_batches = ground, batches, calm_batches
        self._tag = secrets.token_hex(2)
        self._undisturbed: dict[str, tuple[dict[str, Any], float]] = {}

    def undisturbed(self, scenario: Mapping[str, Any]) -> tuple[dict[str, Any], float]:
        """The totals of a run of the scenario that nobody touches, and how many seconds it took."""
        name = str(scenario["scenario"])
        if name not in self._undisturbed:
            evidence = self._begin(f"calm-{name}-", scenario, self._calm_batches).go_through(())
            totals = witness.totals(evidence.summary)
            if wrong := witness.problems(evidence, totals):
                raise CommandFailed(f"the undisturbed run of {name} is no measure: {'; '.join(wrong[:5])}")
            of, to = devices_in(self._calm_batches), devices_in(self._batches)
            self._undisturbed[name] = witness.scaled(totals, of=of, to=to), evidence.seconds
        return self._undisturbed[name]

    def disturbed(self, seed: int, *, more: int = 0, resumes: bool = False) -> dict[str, Any]:
        """What came of one seed, with so many disturbances beyond one of each kind; cancelled on the way and resumed,
        if asked for."""
        scenario = SCENARIOS[seed % len(SCENARIOS)]
        totals, calm_s = self.undisturbed(scenario)
        disturbances = plan(seed, lease_s=LEASE_S, takeover_s=LEASE_S + SKEW_S, more=more)
        evidence = self._begin(f"seed-{seed}-", scenario, self._batches).go_through(
            disturbances, cancel_at=cancel_at(seed) if resumes else None
        )
        return line_of(seed, evidence, witness.problems(evidence, totals), calm_s)

    def _begin(self, prefix: str, scenario: Mapping[str, Any], batches: int) -> Ordeal:
        spec = spec_of(f"{self._tag}-{prefix}", scenario, batches)
        return Ordeal(self._ground, spec, patience_s=PATIENCE_S)


def line_of(seed: int, evidence: Evidence, problems: Sequence[str], calm_s: float) -> dict[str, Any]:
    """One seed's line: taken are batches that had more than one holder, issued all certificates of its devices."""
    batches = evidence.summary["batches"]
    return {
        "seed": seed,
        "ok": not problems,
        "run": evidence.summary["runId"],
        "scenario": evidence.summary["scenario"],
        "devices": evidence.summary["devices"],
        "batches": len(batches),
        "attempts": evidence.summary["attempts"],
        "seconds": round(evidence.seconds, 1),
        "calmSeconds": round(calm_s, 1),
        "blows": dict(sorted(Counter(blow.disturbance.kind for blow in evidence.blows).items())),
        "taken": sum(token > 1 for token in evidence.tokens.values()),
        "mostHolders": max(evidence.tokens.values()),
        "issued": sum(one["count"] for one in evidence.issued.values()),
        "takeovers": evidence.takeovers,
        "allowedTakeovers": witness.allowed_takeovers(evidence),
        "dealt": [
            [blow.at_s, round(blow.progress, 3), blow.disturbance.kind, round(blow.disturbance.for_s, 1), blow.pid]
            + [[held.batch, held.token] for held in blow.held]
            for blow in evidence.blows
        ],
        "problems": list(problems[:20]),
    }


COLUMNS: Final = {
    "seed": "seed",
    "scenario": "scenario",
    "devices": "devices",
    "batches": "batches",
    "taken": "taken over",
    "mostHolders": "most holders",
    "issued": "issued",
    "takeovers": "take-overs",
    "allowedTakeovers": "explained",
    "seconds": "s",
    "calmSeconds": "calm s",
    "ok": "holds",
}


def table(lines: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """The lines for people."""
    rows = [list(COLUMNS.values()), *([str(line[name]) for name in COLUMNS] for line in lines)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(COLUMNS))]
    for row in rows:
        yield "  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True))


def main(arguments: Sequence[str]) -> int:
    """Carry out the seeds; the exit code."""
    parser = argparse.ArgumentParser(description="Runs whose processes are killed, ended and frozen at random.")
    parser.add_argument("--seeds", type=int, default=20, help="how many, from 1 on (%(default)s)")
    parser.add_argument("--seed", type=int, help="only this one")
    parser.add_argument("--batches", type=int, default=100, help="of a run (%(default)s)")
    parser.add_argument("--calm", type=int, metavar="BATCHES", help="of an undisturbed run (as many)")
    parser.add_argument("--resume", action="store_true", help="cancel each run on the way, and resume it")
    parser.add_argument("--dir", type=Path, help="where everything is kept (a folder that is deleted if all is well)")
    options = parser.parse_args(arguments)
    seeds = range(1, options.seeds + 1) if options.seed is None else [options.seed]
    with Interrupts(), kept_if_needed(options.dir) as (folder, keep), open_ground(folder) as ground:
        ordeals, lines = Ordeals(ground, options.batches, options.calm or options.batches), []
        for seed in seeds:
            print(f"seed {seed} ...", file=sys.stderr, flush=True)
            lines.append(ordeals.disturbed(seed, more=MORE, resumes=options.resume))
            print(json.dumps(lines[-1]), flush=True)
            if not lines[-1]["ok"]:
                keep.append(seed)
    print("\n".join(table(lines)))
    return 0 if all(line["ok"] for line in lines) else 1


@contextmanager
def kept_if_needed(folder: Path | None) -> Iterator[tuple[Path, list[int]]]:
    """The folder, or one of its own that is gone afterwards unless something was put on the list, or went wrong."""
    keep: list[int] = []
    if folder is not None:
        yield folder, keep
        return
    made = tempfile.TemporaryDirectory(prefix="chaos-", delete=False)
    try:
        yield Path(made.name), keep
    except BaseException:
        print(f"logs are in {made.name}", file=sys.stderr)
        raise
    if keep:
        print(f"logs are in {made.name}", file=sys.stderr)
    else:
        made.cleanup()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
