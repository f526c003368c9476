"""`adr-patch`: a device that the registry holds gets another version, again and again."""

from engine.device.scenarios.scenario import Scenario
from engine.device.steps.adr import delete, enlist, is_enlisted, patch
from engine.measure.operation import Operation

ADR_PATCH = Scenario(
    main=Operation.ADR_PATCH,
    prepare=(enlist,),
    steps=(patch,),
    fresh=True,
    cleanup=(delete,),
    is_ready=is_enlisted,
)
