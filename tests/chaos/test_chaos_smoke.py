"""One seed over few batches; `make chaos` has more of both."""

from pathlib import Path

import pytest
from chaos.chaos_run import Ordeals
from chaos.ground import open_ground


@pytest.mark.timeout(900)
def test_run_that_is_hit_by_everything_comes_to_what_it_would_have(tmp_path: Path) -> None:
    """Workers, host and storage are ended on the way: every device is accounted for once, and nothing is amiss."""
    with open_ground(tmp_path) as ground:
        line = Ordeals(ground, batches=12, calm_batches=2).disturbed(1)
    assert line["problems"] == []
    assert line["ok"]
