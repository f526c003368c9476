import pytest

from engine.report.units import NOTHING, cell, change, count, duration, instant, ms, percent, table, three_digits


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (None, NOTHING), (0.0, "0"), (0.001234, "0.00123"), (0.05, "0.0500"), (1.0, "1.00"), (9.999, "10.0"),
        (12.345, "12.3"), (99.96, "100"), (123.4, "123"), (999.9, "1,000"), (1234.5, "1,230"), (1234567.0, "1,230,000"),
        (-12.345, "-12.3"),
    ],
)  # fmt: skip
def test_three_digits_are_significant(number: float | None, text: str) -> None:
    """Three digits say as much as the histogram knows."""
    assert three_digits(number) == text


def test_quantities_carry_their_unit() -> None:
    """Seconds become milliseconds, a share a percentage, and nothing a dash."""
    assert (ms(0.0123456), ms(None), percent(0.0123), percent(None), count(1234567)) == (
        "12.3", NOTHING, "1.23 %", NOTHING, "1,234,567",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0s"),
        (4.25, "4.2s"),
        (5.0, "5s"),
        (60, "1m"),
        (303, "5m3s"),
        (3600, "1h"),
        (5400.4, "1h30m"),
        (90000, "25h"),
    ],
)
def test_duration_is_written_as_in_a_spec(seconds: float, text: str) -> None:
    """Hours, minutes and seconds, without what is none."""
    assert duration(seconds) == text


def test_instant_is_utc() -> None:
    """A moment is the same everywhere."""
    assert (instant(1_767_225_600.5), instant(None)) == ("2026-01-01T00:00:00.500Z", None)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain text-1.2", "plain text-1.2"),
        ("a|b", r"a\|b"),
        ("a\r\nb\tc\x00d\u2028e", "a b c d e"),
        ("<b>*x*</b> `y` [z](u) _w_ ~v~ &amp; #1", r"\<b\>\*x\*\</b\> \`y\` \[z\](u) \_w\_ \~v\~ \&amp; \#1"),
        ("back\\slash|", r"back\\slash\|"),
    ],
)
def test_cell_shows_a_text_as_it_is(text: str, shown: str) -> None:
    """Nothing from outside ends a cell, opens a tag or starts a line."""
    assert cell(text) == shown


def test_table_aligns_numbers_right() -> None:
    """A column in which every cell is a number, a percentage or nothing is one of numbers."""
    lines = table(("a", "b", "c", "d"), [("x", "1,234.5", "-1.0 %", "1 more"), ("2", NOTHING, NOTHING, NOTHING)])
    assert lines[1] == "| --- | ---: | ---: | --- |"
    assert (lines[0], lines[3]) == ("| a | b | c | d |", f"| 2 | {NOTHING} | {NOTHING} | {NOTHING} |")


@pytest.mark.parametrize(
    ("share", "text"), [(0.12, "+12.0 %"), (-0.5, "-50.0 %"), (0.0, "0 %"), (None, NOTHING), (12.5, "+1,250 %")]
)
def test_change_has_a_sign(share: float | None, text: str) -> None:
    """More is plus, less is minus, the same is neither."""
    assert change(share) == text


def test_table_aligns_changes_as_numbers() -> None:
    """A sign does not make a number a word."""
    assert table(("change",), [("+12.0 %",), ("-3.00 %",)])[1] == "| ---: |"
