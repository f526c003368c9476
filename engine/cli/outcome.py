"""What is told of a run that has ended: its files are kept, and its verdict is the exit code."""

import json
from pathlib import Path

from rich.console import Console

from engine.cli import summary, telemetry
from engine.cli.follow import Ended, write_out
from engine.cli.screen import print_json
from engine.measure.verdict import EXIT_CODES, Verdict


def tell(ended: Ended, folder: Path | None, *, console: Console, as_json: bool) -> int:
    """Keep the run's files in the folder, if there is one, and say what came out; the exit code."""
    body = ended.documents.get("summary.json")
    if folder is not None and body is not None:
        write_out(folder, ended.documents)
    found = json.loads(body) if body is not None else dict(ended.view)
    if body is None:
        console.print(summary.without_results(found), soft_wrap=True)
    else:
        console.print(summary.rendered(found))
    if folder is not None and telemetry.NAME in ended.documents:
        console.print(telemetry.rendered(ended.documents[telemetry.NAME], folder / telemetry.NAME))
    if folder is not None and body is not None:
        console.print(f"\nfiles: {', '.join(str(folder / name) for name in ended.documents)}", soft_wrap=True)
    if as_json:
        print_json(found)
    return EXIT_CODES[Verdict(found["verdict"])]
