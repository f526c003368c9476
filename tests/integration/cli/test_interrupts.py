"""Ctrl-C."""

import os
import signal

import pytest

from engine.cli.interrupts import Interrupts, undisturbed


def interrupt(number=signal.SIGINT):
    """What Ctrl-C does."""
    os.kill(os.getpid(), number)


def test_interrupt_is_at_once_where_nobody_is_patient():
    """Before a run has begun there is nothing to drain."""
    with Interrupts(), pytest.raises(KeyboardInterrupt):
        interrupt()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_first_interrupt_asks_and_the_second_insists(number):
    """The first is for whoever looks, the second for everybody; SIGTERM is the same."""
    with Interrupts() as interrupts, interrupts.patiently():
        interrupt(number)
        assert interrupts.asked == 1
        with pytest.raises(KeyboardInterrupt):
            interrupt(number)


def test_interrupt_after_a_patient_stretch_is_at_once():
    """Whoever asked once has said so."""
    with Interrupts() as interrupts:
        with interrupts.patiently():
            interrupt()
        with pytest.raises(KeyboardInterrupt):
            interrupt()


def test_handlers_are_given_back():
    """What was there before is there again."""
    before = signal.getsignal(signal.SIGTERM)
    with Interrupts():
        assert signal.getsignal(signal.SIGTERM) is not before
    assert signal.getsignal(signal.SIGTERM) is before


def test_undisturbed_lets_interrupts_wait():
    """What is short is finished first."""
    finished = []

    def short():
        with undisturbed():
            interrupt()
            finished.append(True)

    with Interrupts(), pytest.raises(KeyboardInterrupt):
        short()
    assert finished
