"""The package of `make build`, as shipped: its own files, and an environment of its own requirements alone."""

import filecmp
import json
import sys
import sysconfig
import urllib.request
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from doubles.shipped import PLATFORM, Shipped, carried_out, open_shipped, unpack
from doubles.stage import counts_of, emulator_counted
from engine.__main__ import FAILED
from engine.cli.lock import LOCK, REQUIREMENTS, parse_lock
from engine.cli.package import FOLDER, NAME
from tests.e2e.commanding import ROOT, SMALL, clean_environ

ROOTS = {"LICENSE", "engine", "function_app.py", "host.json", "requirements.txt", ".funcignore"}
STATIONS = {
    *("adapters", "batch", "device", "measure", "plan", "protocol", "report", "run"),
    *("__init__.py", "errors.py", "ports.py", "settings.py", "wiring.py"),
}


@pytest.fixture(scope="module")
def dist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What `make build` makes."""
    folder = tmp_path_factory.mktemp("dist")
    carried_out([sys.executable, "-m", "engine", "package", "--out", str(folder)], ROOT)
    return folder


@pytest.fixture(scope="module")
def shipped(dist: Path, tmp_path_factory: pytest.TempPathFactory) -> Shipped:
    """The package with its environment."""
    return unpack(dist, tmp_path_factory.mktemp("shipped"))


@dataclass(frozen=True, slots=True)
class Course:
    """What the shipped app answered, and the file of every module that its process had imported when it ended."""

    foreseen: dict[str, Any]
    summary: dict[str, Any]
    report: str
    page: str
    described: dict[str, Any]
    imported: dict[str, Path]


@pytest.fixture(scope="module")
def course(shipped: Shipped, tmp_path_factory: pytest.TempPathFactory) -> Course:
    """The package under the local host, asked for a bit of everything by HTTP, and stopped."""
    body = {**SMALL, "devices": {"count": 6, "prefix": "shipped-"}}
    with open_shipped(shipped, tmp_path_factory.mktemp("services"), clean_environ()) as stage:
        foreseen = stage.api.estimate(json.dumps(body).encode())
        summary = stage.run(body)
        report = stage.api.document(summary["runId"], "report.html").decode()
        page = fetched(f"{stage.station.url}/api/ui")
        described = json.loads(fetched(f"{stage.station.url}/api/openapi.json"))
    imported = {name: Path(file) for name, file in json.loads(shipped.imported.read_bytes()).items()}
    return Course(foreseen, summary, report, page, described=described, imported=imported)


def fetched(url: str) -> str:
    """What lies there."""
    with urllib.request.urlopen(url, timeout=30) as answer:
        return str(answer.read(), "utf-8")


def test_build_gives_the_same_bytes_twice(dist: Path, tmp_path: Path) -> None:
    """Package, image context and both lists of what is in them."""
    carried_out([sys.executable, "-m", "engine", "package", "--out", str(tmp_path)], ROOT)
    files = sorted(path.relative_to(dist) for path in dist.rglob("*") if path.is_file())
    assert files == sorted(path.relative_to(tmp_path) for path in tmp_path.rglob("*") if path.is_file())
    assert filecmp.cmpfiles(dist, tmp_path, map(str, files), shallow=False)[1:] == ([], [])
    assert {"function.zip", "function/host.json", "image/Dockerfile", "function.cdx.json", "image.cdx.json"} <= {
        str(path) for path in files
    }


def test_package_holds_the_app_and_nothing_else(dist: Path) -> None:
    """Neither tests nor infrastructure nor what only this machine uses; requirements by digest."""
    with zipfile.ZipFile(dist / NAME) as package:
        names = [Path(name) for name in package.namelist()]
        requirements = package.read(REQUIREMENTS).decode()
    assert {name.parts[0] for name in names} == ROOTS
    assert {name.parts[1] for name in names if name.parts[0] == "engine"} == STATIONS
    assert requirements == (dist / FOLDER / REQUIREMENTS).read_text() == (ROOT / "requirements.lock").read_text()


def test_environment_holds_the_lock_and_nothing_else(shipped: Shipped) -> None:
    """pip took the package's own requirements as they are, each by its digest, and needed no other."""
    locked = {package.name: package.version for package in parse_lock((shipped.app / REQUIREMENTS).read_text())}
    assert shipped.installed() == locked
    assert not locked.keys() & set(PLATFORM)


def test_app_loads_from_what_is_shipped_alone(shipped: Shipped) -> None:
    """All its functions are there before anything of the platform is."""
    said = shipped.carry_out(
        "import json, function_app, engine\n"
        "found = [one.get_function_name() for one in function_app.app.get_functions()]\n"
        "print(json.dumps([found, list(engine.__path__), function_app.__file__]))"
    )
    functions, path, file = json.loads(said)
    assert {"post_run", "plan_run", "run_batch", "close_run"} <= set(functions), functions
    assert (path, file) == ([str(shipped.app / "engine")], str(shipped.app / "function_app.py"))


def test_worker_of_the_image_starts_from_what_is_locked_alone(dist: Path, shipped: Shipped) -> None:
    """The image has the same lock; its entry point gets as far as asking for a run."""
    assert (dist / "image" / LOCK).read_bytes() == (shipped.app / REQUIREMENTS).read_bytes()
    said = shipped.carry_out(
        "import engine.run.worker, engine.wiring\n"
        "from engine.__main__ import main\n"
        "print(engine.__path__[0], main(['worker']))",
        home=dist / "image",
    )
    assert said.split() == [str(dist / "image" / "engine"), str(FAILED)]


def test_shipped_app_foresees_a_run_and_carries_it_out(course: Course) -> None:
    """By HTTP: the dry run, the run with all its renewals, and its numbers, which are the emulator's as well."""
    assert course.foreseen["estimate"]["batches"] == 3
    assert (course.summary["verdict"], course.summary["reasons"]) == ("passed", [])
    assert course.summary["conservation"] == {"holds": True, "mismatches": []}
    assert counts_of(course.summary, "cert.issued")["ok"] > 0
    assert emulator_counted(course.summary, "dps.register 200") > 0


def test_shipped_app_has_its_pages(course: Course) -> None:
    """The report, the live page and the description of the API need files that the package brings."""
    assert course.report.lower().startswith("<!doctype html>")
    assert "uPlot" in course.report
    assert course.page.lower().startswith("<!doctype html>")
    assert "/runs/{id}/report" in str(course.described["paths"].keys())


def test_shipped_app_imports_from_nowhere_else(course: Course, shipped: Shipped) -> None:
    """From the package, from what its requirements installed, and from Python; the local host alone is lent."""
    library = Path(sysconfig.get_path("stdlib"))
    ours = {name: file for name, file in course.imported.items() if name.split(".")[0] in ("engine", "function_app")}
    assert len(ours) > 100
    for name, file in ours.items():
        home = shipped.lent if name.startswith("engine.localhost") else shipped.app
        assert file.is_relative_to(home), name
    homes = (shipped.app, shipped.python.parents[1], library)
    foreign = {
        name: file for name, file in course.imported.items() if not any(file.is_relative_to(home) for home in homes)
    }
    assert all(file.is_relative_to(shipped.lent) for file in foreign.values()), foreign
    assert {name.split(".")[0] for name in foreign} <= {"engine", *(path.stem for path in shipped.lent.iterdir())}
