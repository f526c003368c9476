"""`http-probe`: one page, again and again; no IoT service takes part, and nothing is kept."""

from engine.device.scenarios.scenario import Scenario
from engine.device.steps.probe import probe
from engine.measure.operation import Operation

HTTP_PROBE = Scenario(main=Operation.HTTP_GET, prepare=(), steps=(probe,), fresh=True, is_ready=lambda _device: True)
