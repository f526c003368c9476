"""What a check has against a file, and where."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True, order=True)
class Finding:
    """One mistake. line and column count from 1; code is the Bicep compiler's where it has the same one."""

    path: Path
    line: int
    column: int
    code: str
    message: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}:{self.column} {self.code}: {self.message}"

    def below(self, folder: Path) -> "Finding":
        """The same, its path as it is seen from a folder, where it lies in there."""
        inside = self.path.is_relative_to(folder)
        path = self.path.relative_to(folder) if inside else self.path
        return Finding(path, self.line, self.column, self.code, self.message)


def of_line(path: Path, line: int, code: str, message: str) -> Finding:
    """A finding about a line as a whole."""
    return Finding(path, line, 1, code, message)


def line_of(text: str, part: str) -> int:
    """The line on which a part of a text begins, 1 where it is not in there."""
    return text[: max(text.find(part), 0)].count("\n") + 1


def sorted_below(findings: Iterable[Finding], folder: Path) -> list[Finding]:
    """Each finding once, by file and line."""
    return sorted({finding.below(folder) for finding in findings})
