"""Warnings as signals."""

import logging
from collections.abc import Iterator

import pytest

from doubles.telemetry import KeptTelemetry
from engine.adapters.telemetry.logs import FLUSH_S, lines_told
from engine.errors import SettingsError
from engine.measure.signal import Line

RUN = {"runId": "run-a", "scenario": ""}


@pytest.fixture
def kept() -> Iterator[KeptTelemetry]:
    """What is told while the log is."""
    found = KeptTelemetry()
    with lines_told(lambda: found, RUN):
        yield found


def texts(kept: KeptTelemetry) -> list[str]:
    """What was told."""
    return [line.text for line in kept.told if isinstance(line, Line)]


def test_warnings_of_the_product_are_told(kept: KeptTelemetry) -> None:
    """With their level, their logger and the run; what is less, or another's, is not."""
    logging.getLogger("certfleet.batch").warning("batch %d is slow", 3)
    logging.getLogger("certfleet").error("broken")
    logging.getLogger("certfleet.batch").info("a detail")
    logging.getLogger("azure.core").error("another's")
    first, second = kept.told
    assert isinstance(first, Line)
    assert (first.level, first.text) == (logging.WARNING, "batch 3 is slow")
    assert first.properties == {"runId": "run-a", "scenario": "", "logger": "certfleet.batch"}
    assert isinstance(second, Line)
    assert (second.level, second.text) == (logging.ERROR, "broken")


def test_traceback_is_part_of_the_line(kept: KeptTelemetry) -> None:
    """It is why somebody will look."""
    try:
        raise ZeroDivisionError
    except ZeroDivisionError:
        logging.getLogger("certfleet").exception("it broke")
    assert texts(kept)[0].startswith("it broke\nTraceback")
    assert "ZeroDivisionError" in texts(kept)[0]


def test_telemetry_does_not_tell_of_itself(kept: KeptTelemetry) -> None:
    """An endpoint that takes nothing would be told so for ever."""
    logging.getLogger("certfleet.telemetry").error("nothing was taken")
    assert kept.told == []


def test_line_logged_while_a_line_is_told_is_left_out() -> None:
    """Whatever a way out has to say: it does not go round in circles."""

    class Chatty(KeptTelemetry):
        def tell(self, signals: object) -> None:
            """Log, then keep."""
            logging.getLogger("certfleet").warning("telling")
            super().tell(signals)  # type: ignore[arg-type]

    found = Chatty()
    with lines_told(lambda: found, RUN):
        logging.getLogger("certfleet").warning("once")
        logging.getLogger("certfleet").warning("twice")
    assert texts(found) == ["once", "twice"]


def test_way_out_is_made_with_the_first_line() -> None:
    """Once, and closed at the end of the block with a deadline; without a line there is none."""
    made: list[KeptTelemetry] = []

    def make() -> KeptTelemetry:
        made.append(KeptTelemetry())
        return made[-1]

    with lines_told(make, RUN):
        pass
    assert made == []
    with lines_told(make, RUN):
        logging.getLogger("certfleet").warning("one")
        logging.getLogger("certfleet").warning("two")
    logging.getLogger("certfleet").warning("three")
    assert [(texts(one), one.closed) for one in made] == [(["one", "two"], [FLUSH_S])]


def test_end_of_the_block_by_an_interrupt_is_an_end_too() -> None:
    """What waits is sent."""
    found = KeptTelemetry()

    def interrupted() -> None:
        with lines_told(lambda: found, RUN):
            logging.getLogger("certfleet").warning("one")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert found.closed == [FLUSH_S]


@pytest.mark.parametrize("problem", [None, SettingsError({"STATE_KEY": "missing"})])
def test_log_without_a_way_out_goes_on(problem: SettingsError | None) -> None:
    """It is asked for once."""
    asked: list[int] = []

    def make() -> None:
        asked.append(1)
        if problem is not None:
            raise problem

    with lines_told(make, RUN):
        logging.getLogger("certfleet").warning("one")
        logging.getLogger("certfleet").warning("two")
    assert asked == [1]


def test_record_that_does_not_fit_its_text_breaks_nobody(kept: KeptTelemetry, monkeypatch: pytest.MonkeyPatch) -> None:
    """As with any other handler."""
    monkeypatch.setattr(logging, "raiseExceptions", False)
    logging.getLogger("certfleet").warning("%d", "what")
    logging.getLogger("certfleet").warning("fine")
    assert texts(kept) == ["fine"]
