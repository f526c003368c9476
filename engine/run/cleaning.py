"""What a clean-up asks for in which order, by itself or at the end of a run: the orchestrator's part of it.

One activity takes the devices' names and says into which parts they fall; an activity per part deletes, a few parts at
a time; the last one lets the names go and writes down what came of it. The devices of a part that failed for good are
counted as left: whatever happens, the clean-up has an end, and it changes nobody's verdict.
"""

from collections.abc import Mapping
from typing import Any, Final

from engine.run.orchestration import Ask, Orchestration

PLAN_ATTEMPTS: Final = 5
PART_ATTEMPTS: Final = 5
END_ATTEMPTS: Final = 12


def clean(run: Orchestration, order: Mapping[str, Any]) -> Ask:
    """How many devices have left nothing, and how many may have. order holds runId; nothing raises but a bug."""
    deleted = left = 0
    why = ""
    planning = run.activity("plan_cleaning", order, attempts=PLAN_ATTEMPTS)
    yield run.first([planning])
    if failed := run.failure(planning):
        why = failed
    else:
        plan = yield planning
        why, left = plan["refused"], plan["left"]
        for at in range(0, len(plan["parts"]), plan["atOnce"]):
            parts = plan["parts"][at : at + plan["atOnce"]]
            calls = [run.activity("clean_part", {**order, **part}, attempts=PART_ATTEMPTS) for part in parts]
            for call, part in zip(calls, parts, strict=True):
                yield run.first([call])
                if failed := run.failure(call):
                    why, left = why or failed, left + part["devices"]
                else:
                    receipt = yield call
                    why = why or receipt["why"]
                    deleted, left = deleted + receipt["deleted"], left + receipt["left"]
    sums = {"deleted": deleted, "left": left, "why": why}
    yield run.first([run.activity("end_cleaning", {**order, **sums}, attempts=END_ATTEMPTS)])
    return {"deleted": deleted, "left": left}
