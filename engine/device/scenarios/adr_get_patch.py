"""`adr-get-patch`: a device that the registry holds is read or changed, one of them each time."""

from engine.device.scenarios.scenario import Scenario
from engine.device.steps.adr import delete, enlist, get_or_patch, is_enlisted
from engine.measure.operation import Operation

ADR_GET_PATCH = Scenario(
    main=Operation.ITERATION,
    prepare=(enlist,),
    steps=(get_or_patch,),
    fresh=True,
    cleanup=(delete,),
    is_ready=is_enlisted,
)
