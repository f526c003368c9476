"""What is planned for a seed."""

from chaos.disturbance import CANCEL_FIRST, CANCEL_LAST, FIRST, LAST, Kind, cancel_at, plan


def test_plan_is_the_same_for_the_same_seed_only() -> None:
    """A seed can be told to somebody else."""
    assert plan(7, lease_s=5, takeover_s=10, more=3) == plan(7, lease_s=5, takeover_s=10, more=3)
    assert plan(7, lease_s=5, takeover_s=10) != plan(8, lease_s=5, takeover_s=10)


def test_plan_has_each_kind_once_and_then_workers() -> None:
    """In the order of their places in the run."""
    for seed in range(50):
        disturbances = plan(seed, lease_s=5, takeover_s=10, more=2)
        kinds = [one.kind for one in disturbances]
        assert set(kinds[:6]) == set(Kind)
        assert all(kind.startswith("worker-") for kind in kinds[6:])
        assert len(kinds) == 8
        places = [one.at for one in disturbances]
        assert places == sorted(places)
        assert places[0] >= FIRST
        assert places[-1] <= LAST
        assert CANCEL_FIRST <= cancel_at(seed) <= CANCEL_LAST


def test_frozen_workers_lose_their_lease_and_not_always_their_batch() -> None:
    """Some are frozen for longer than anybody needs to take over, some are not."""
    frozen = [
        one.for_s
        for seed in range(50)
        for one in plan(seed, lease_s=5, takeover_s=10)
        if one.kind is Kind.WORKER_FROZEN
    ]
    assert min(frozen) > 5
    assert min(frozen) < 10 < max(frozen) <= 15
