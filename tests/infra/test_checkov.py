"""Checkov's report, judged: what it only counts is a mistake, and an exception needs a reason and a need."""

from pathlib import Path
from typing import Any

import pytest

from infra import checkov
from infra.samples import places

TEMPLATE = """resource box 'Own.Things/boxes@2025-01-01' = {
  name: 'a'
  // checkov:skip=CKV_AZURE_1: boxes are open by design
}
"""


def report(
    *, failed: tuple[dict[str, Any], ...] = (), unread: tuple[str, ...] = (), resources: int = 1
) -> dict[str, Any]:
    """A report as checkov writes it."""
    return {
        "results": {"failed_checks": list(failed), "parsing_errors": list(unread)},
        "summary": {"parsing_errors": len(unread), "resource_count": resources},
    }


def failure(check: str, lines: tuple[int, int] = (1, 4)) -> dict[str, Any]:
    """A failed check in that report."""
    return {
        "check_id": check,
        "check_name": "Ensure that boxes are shut",
        "file_path": "/app/box.bicep",
        "file_line_range": list(lines),
        "resource": "box",
    }


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with one template, which makes one exception."""
    (tmp_path / "infra/app").mkdir(parents=True)
    (tmp_path / "infra/app/box.bicep").write_text(TEMPLATE, encoding="utf-8")
    return tmp_path / "infra"


def judged(folder: Path, said: dict[str, Any]) -> list[tuple[str, int, str]]:
    """What is wrong."""
    return places(checkov.judge(said, folder, checkov.skips_in(folder), resources=1), folder)


def test_excepted_failure_is_none(folder: Path) -> None:
    """The comment stands in the resource that fails."""
    assert judged(folder, report(failed=(failure("CKV_AZURE_1"),))) == []


def test_failed_check_is_told_with_the_resource(folder: Path) -> None:
    """An exception is for one check."""
    found = judged(folder, report(failed=(failure("CKV_AZURE_1"), failure("CKV_AZURE_2"))))
    assert found == [("app/box.bicep", 1, "CKV_AZURE_2")]


def test_exception_holds_for_its_resource_only(folder: Path) -> None:
    """The same failure further down is told, and the exception is then of no use."""
    found = judged(folder, report(failed=(failure("CKV_AZURE_1", (7, 9)),)))
    assert found == [("app/box.bicep", 3, "checkov-skip"), ("app/box.bicep", 7, "CKV_AZURE_1")]


def test_exception_without_need_is_told(folder: Path) -> None:
    """What passes needs no excuse."""
    assert judged(folder, report()) == [("app/box.bicep", 3, "checkov-skip")]


def test_exception_without_reason_is_told(folder: Path) -> None:
    """A comment that only names the check says nothing."""
    path = folder / "app/box.bicep"
    path.write_text(TEMPLATE.replace(": boxes are open by design", ""), encoding="utf-8")
    assert judged(folder, report(failed=(failure("CKV_AZURE_1"),))) == [("app/box.bicep", 3, "checkov-skip")]


@pytest.mark.parametrize("name", ["/app/box.bicep", "/tmp/copied/infra/app/box.bicep"])
def test_file_that_checkov_cannot_read_is_told(folder: Path, name: str) -> None:
    """It only counts them, and ends well."""
    found = judged(folder, report(failed=(failure("CKV_AZURE_1"),), unread=(name,)))
    assert found == [("app/box.bicep", 1, "checkov-parsing")]


def test_other_number_of_resources_is_told(folder: Path) -> None:
    """Fewer than before means that something is not read any more."""
    found = judged(folder, report(failed=(failure("CKV_AZURE_1"),), resources=0))
    assert found == [("main.bicep", 1, "checkov-count")]


def test_answer_without_a_summary_is_not_taken_for_a_pass(folder: Path) -> None:
    """Checkov says less where it found no template at all."""
    assert ("main.bicep", 1, "checkov-count") in judged(folder, {"passed": 0, "failed": 0, "resource_count": 0})


def test_command_is_the_one_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """CHECKOV goes before what make set up, and one that is not there is none."""
    named = tmp_path / "checkov"
    monkeypatch.setenv("CHECKOV", str(named))
    assert checkov.command() is None
    named.touch()
    assert checkov.command() == named


@pytest.mark.parametrize("said", ['{"results": {}, "summary": {"resource_count": 3}}', '[{"resource_count": 3}]'])
def test_run_reads_templates_without_their_exceptions(folder: Path, tmp_path: Path, said: str) -> None:
    """A stand-in for checkov keeps what it was given to read."""
    stand_in = tmp_path / "checkov"
    stand_in.write_text(f"#!/bin/sh\ncp \"$2/app/box.bicep\" {tmp_path}/read\necho '{said}'\n", encoding="utf-8")
    stand_in.chmod(0o755)
    found = checkov.run(stand_in, folder)
    read = (tmp_path / "read").read_text(encoding="utf-8")
    assert found.get("summary", found)["resource_count"] == 3
    assert read == TEMPLATE.replace("// checkov:skip=CKV_AZURE_1: boxes are open by design", "//")


def test_run_that_says_nothing_is_an_error(folder: Path, tmp_path: Path) -> None:
    """No report is no pass."""
    stand_in = tmp_path / "checkov"
    stand_in.write_text("#!/bin/sh\necho broken >&2\nexit 2\n", encoding="utf-8")
    stand_in.chmod(0o755)
    with pytest.raises(RuntimeError, match="ended with 2 and no report: broken"):
        checkov.run(stand_in, folder)
