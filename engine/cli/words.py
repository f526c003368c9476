"""Values of an answer as a terminal shows them."""

from engine.report.units import NOTHING, count, three_digits


def plain(value: object) -> str:
    """One line of printable text, whatever came in; nothing in it moves the cursor."""
    text = NOTHING if value is None else str(value)
    return "".join(char if char.isprintable() else " " for char in text)


def figure(value: object) -> str:
    """A count in groups of thousands, any other number with three digits, a dash for none."""
    match value:
        case bool() | None:
            return NOTHING
        case int():
            return count(value)
        case float():
            return three_digits(value)
        case _:
            return plain(value)


def many(value: object, one: str, more: str) -> str:
    """A count with its noun."""
    return f"{figure(value)} {one if value == 1 else more}"
