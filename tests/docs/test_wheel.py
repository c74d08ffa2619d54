"""The wheel, in environments that hold what it asks for and nothing else.

An environment is a folder of links to the distributions that its extra needs, as far as their metadata
say: what an extra forgets to ask for is missing there.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import venv
import zipfile
from hashlib import sha256
from importlib import metadata
from typing import TYPE_CHECKING

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.support.dashboards import files
from tests.support.paths import GRAFANA, INCIDENT, ROOT

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


@pytest.fixture(scope="module", name="wheel")
def built_wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the wheel from a copy of the sources, and unpack it as pip would."""
    place = tmp_path_factory.mktemp("wheel")
    copy_sources(place / "source")
    build = ["wheel", "--quiet", "--no-deps", "--no-index", "--no-build-isolation"]
    build += ["--disable-pip-version-check", "--wheel-dir", str(place), str(place / "source")]
    subprocess.run([sys.executable, "-m", "pip", *build], check=True, capture_output=True)
    (wheel,) = place.glob("foldwatch-*.whl")
    with zipfile.ZipFile(wheel) as content:
        content.extractall(place / "unpacked")
    return place / "unpacked"


def copy_sources(place: Path) -> None:
    """Copy what a checkout holds, but for what tests and builds leave in it."""
    ignored = shutil.ignore_patterns("__pycache__", "tests", ".*", "dist", "*-run")
    shutil.copytree(ROOT, place, ignore=ignored)


def needed(name: str, extras: frozenset[str] = frozenset()) -> set[str]:
    """Return every distribution that ``name[extras]`` asks for here, at whatever remove."""
    found: set[str] = set()
    waiting = [(name, extras)]
    seen = set(waiting)
    while waiting:
        name, extras = waiting.pop()
        for text in metadata.requires(name) or ():
            wanted = Requirement(text)
            marks = [{"extra": extra} for extra in (extras or {""})]
            if wanted.marker and not any(map(wanted.marker.evaluate, marks)):
                continue
            one = (canonicalize_name(wanted.name), frozenset(wanted.extras))
            found.add(one[0])
            if one not in seen:
                seen.add(one)
                waiting.append(one)
    return found - {"foldwatch"}


def environment(place: Path, wheel: Path, *extras: str) -> Path:
    """Make an environment of ``foldwatch[extras]``; return its interpreter."""
    venv.create(place, symlinks=True)
    site = place / "lib" / f"python3.{sys.version_info.minor}" / "site-packages"
    for entry in wheel.iterdir():
        (site / entry.name).symlink_to(entry)
    for name in needed("foldwatch", frozenset(extras)):
        distribution = metadata.distribution(name)
        for top in {file.parts[0] for file in distribution.files or ()} - {"..", "__pycache__"}:
            if not (site / top).exists():
                (site / top).symlink_to(str(distribution.locate_file(top)))
    return place / "bin" / "python"


def run(python: Path, *arguments: str, code: str = "") -> subprocess.CompletedProcess[str]:
    """Run the command line, or ``code``, beside the environment."""
    return subprocess.run(
        [str(python), *(["-c", code] if code else ["-m", "foldwatch", *arguments])],
        cwd=python.parents[2],
        env={"PATH": os.environ["PATH"], "HOME": str(python.parents[2])},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )


def test_wheel_and_sdist_are_reproducible(tmp_path: Path) -> None:
    """Sources of another time, built under another umask, give the same bytes."""
    built: list[dict[str, str]] = []
    for mask in (0o022, 0o077):
        source = tmp_path / f"source-{mask}"
        copy_sources(source)
        for path in source.rglob("*"):
            os.utime(path, (10**9 + mask, 10**9 + mask))
        command = [sys.executable, "-m", "hatchling", "build", "--directory", "dist"]
        subprocess.run(command, cwd=source, umask=mask, check=True, capture_output=True)
        made = (source / "dist").iterdir()
        built.append({path.name: sha256(path.read_bytes()).hexdigest() for path in made})
    assert built[0] == built[1]
    assert {name.split(".")[-1] for name in built[0]} == {"whl", "gz"}


def test_without_extras(wheel: Path, tmp_path: Path) -> None:
    """Recording, limits, analysis as text and JSON, export; what needs an extra names it in one line."""
    python = environment(tmp_path / "base", wheel)
    code = (
        "import telemetry; telemetry.start(run_dir='a', port=0); telemetry.checkpoint('Fold 1/1 a')"
    )
    assert "[THREADS] Fold 1/1 a" in run(python, code=code).stdout
    assert run(python, "limits").returncode == 0
    assert "maps +730" in run(python, "analyze", INCIDENT).stdout
    assert run(python, "run", "--", "true").returncode == 0
    assert run(python, "grafana", "--output", "g").returncode == 0
    assert files(str(tmp_path / "g")) == files(GRAFANA)
    for needing, extra in (
        (["analyze", INCIDENT, "--plot", "a.png"], "analyze"),
        (["analyze", INCIDENT, "--html", "a.html"], "analyze"),
        (["analyze", INCIDENT, "--pattern", "(?P<rss>x)"], "analyze"),
        (["train"], "train"),
        (["serve"], "serve"),
    ):
        done = run(python, *needing)
        assert done.returncode == 2, done
        assert f"foldwatch[{extra}]" in done.stderr.splitlines()[-1]


def test_the_plugin_of_pytest_is_in_it(wheel: Path) -> None:
    """Under the name by which pytest finds it."""
    (information,) = wheel.glob("*.dist-info/entry_points.txt")
    assert "[pytest11]\nfoldwatch = pytest_foldwatch\n" in information.read_text()
    assert (wheel / "pytest_foldwatch.py").is_file()


def test_with_analyze(wheel: Path, tmp_path: Path) -> None:
    """Pictures, the page, patterns and frames."""
    python = environment(tmp_path / "analyze", wheel, "analyze")
    files = ["--plot", "a.png", "--html", "a.html", "--pattern", "(?P<rss>x)", "--exit-zero"]
    done = run(python, "analyze", INCIDENT, *files)
    assert done.returncode == 0, done
    code = f"import analyzer; print(len(analyzer.analyze([{INCIDENT!r}]).checkpoints()))"
    assert run(python, code=code).stdout == "45\n"


def test_with_serve(wheel: Path, tmp_path: Path) -> None:
    """The page and its charts."""
    python = environment(tmp_path / "serve", wheel, "serve")
    code = (
        "import urllib.request; from telemetry.web.server import serve_in_thread;"
        "port = serve_in_thread(tuple, port=0); read = urllib.request.urlopen;"
        "print(read(f'http://127.0.0.1:{port}/').status)"
    )
    assert run(python, code=code).stdout == "200\n"


def test_with_gpu(wheel: Path, tmp_path: Path) -> None:
    """NVML's own module is found."""
    python = environment(tmp_path / "gpu", wheel, "gpu")
    assert run(python, code="import pynvml, telemetry.kernel.nvml").returncode == 0


@pytest.mark.tensorflow
def test_with_train(wheel: Path, tmp_path: Path) -> None:
    """The reference pipeline loads, in real TensorFlow, and so does what judges it."""
    python = environment(tmp_path / "train", wheel, "train")
    done = run(
        python,
        code="import trainer.reference.stages, trainer.worker.cleanup, analyzer.reports.figures",
    )
    assert done.returncode == 0, done
