"""README and docs cannot lie: every command and code block runs, every option, link and file exists."""

from __future__ import annotations

import configparser
import doctest
import glob
import importlib.util
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
import typer.main
import yaml

import telemetry
from analyzer import analyze
from foldwatch.main import COMMANDS, command_module
from telemetry.alerts.alert import Alert, Severity
from telemetry.metrics.catalog import METRICS
from telemetry.otlp.names import IN_BYTES, OTLP_METRICS
from telemetry.thread_line import MARKER, parse_line
from tests.support.markdown import Block, Shell, blocks, code_spans, commands
from tests.support.paths import INCIDENT, RELEASED, ROOT, TESTS
from tests.support.ports import free_port
from tests.support.requirements import need
from trainer.reproduce.report import ScenarioOutcome, record
from trainer.reproduce.scenarios import SCENARIOS, Enforcement, Reproduced
from trainer.run.thread_caps import THREAD_CAPS

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from playwright.sync_api import Browser

pytestmark = pytest.mark.timeout(300)
DOCS = os.path.join(ROOT, "docs")
PAGES = [
    "README.md",
    "CONTRIBUTING.md",
    "SECURITY.md",
    "skills/foldwatch/SKILL.md",
    *sorted(os.path.relpath(path, ROOT) for path in glob.glob(f"{DOCS}/**/*.md", recursive=True)),
]
BY_SPHINX = re.compile(r"\{[\w-]+\}.*")
"""Directives, which the build runs."""
PORTS = ("9464", "9090", "9093", "3000", "4318")
"""Ports that the pages name; a test takes free ones instead."""
IN_A_TEST = {
    "python train.py 20": "python train.py 3",  # what a reader watches for minutes
    "foldwatch serve runs": "foldwatch serve runs --port 0",  # the default port may be taken
}
"""What is run instead of what a page says."""
TOOLS = {"promtool": "prometheus", "prometheus": "prometheus", "lnav": "lnav", "curl": "curl"}
"""Debian's package by the command that a page runs beside foldwatch's."""
GIVEN = {
    "README.md": {
        "train.log": INCIDENT,
        "train.py": os.path.join(TESTS, "scripts", "stand_in_train.py"),
    },
    "docs/how-to/old-log.md": {"train.log": INCIDENT},
    "docs/how-to/lnav.md": {
        "foldwatch.lnav.json": f"{DOCS}/foldwatch.lnav.json",
        "foldwatch.lnav": f"{DOCS}/foldwatch.lnav",
    },
    "docs/how-to/ci.md": {"train.log": INCIDENT, "last-release.log": RELEASED},
    "docs/how-to/pytorch.md": {"torch.py": os.path.join(TESTS, "scripts", "stand_in_torch.py")},
    "docs/how-to/slurm.md": {"train.py": os.path.join(TESTS, "scripts", "stand_in_train.py")},
    "docs/why-eagain.md": {"train.log": INCIDENT},
    "skills/foldwatch/SKILL.md": {"run.log": INCIDENT, "after.log": RELEASED},
}
"""Files that a page takes for granted: the reader's own."""


def text_of(page: str) -> str:
    with open(os.path.join(ROOT, page), encoding="utf-8") as file:
        return file.read()


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("page", PAGES)
def test_every_block_runs_as_it_stands(page: str, tmp_path: Path) -> None:
    """In one shell and one folder, in the page's order, printing what the page shows."""
    for name, source in GIVEN.get(page, {}).items():
        shutil.copy(source, tmp_path / name)
    play(text_of(page), tmp_path)


LIES = {
    "a command that fails": "```console\n$ foldwatch analyze no-such.log\n```",
    "an output that is not printed": "```console\n$ echo yes\nno\n```",
    "an exit code that is another": "```console\n$ foldwatch limits --nosuch\n...\n$ echo $?\n3\n```",
    "code that raises": "```python\nimport telemetry\ntelemetry.no_such\n```",
    "code that does not compile, also where it is not run": (
        "<!-- not run: needs a GPU -->\n```python\nfor\n```"
    ),
    "a file that does not parse": "```{code-block} yaml\n:caption: a.yaml\n\na: [\n```",
    "an indented command that fails": "Text.\n\n    foldwatch analyze no-such.log\n",
    "a console block without a command": "```console\nfoldwatch limits\n```",
    "a block in a language that nothing checks": "```ruby\nputs 1\n```",
}


@pytest.mark.parametrize("lie", LIES)
def test_a_page_that_lies_is_caught(lie: str, tmp_path: Path) -> None:
    """Each way in which a page can be wrong fails, and says where."""
    with pytest.raises(AssertionError, match=r"line [1-4]: "):
        play(LIES[lie], tmp_path)


def play(markdown: str, folder: Path) -> None:
    """Check every block of a page; raises AssertionError with the line of the first wrong one."""
    ports = {port: str(free_port()) for port in PORTS}
    (folder / "home/.config").mkdir(parents=True)
    with closing(Shell(str(folder), HOME=str(folder / "home"))) as shell:
        for number, block in enumerate(blocks(markdown)):
            try:
                check(block, in_a_test(block.text, ports), shell, folder, number)
            except Exception as error:
                raise AssertionError(f"line {block.line}: {error}") from error


def in_a_test(text: str, ports: dict[str, str]) -> str:
    """Return what is run instead of ``text``: other ports, and what is quicker."""
    text = re.sub(rf"\b({'|'.join(ports)})\b", lambda match: ports[match[0]], text)
    for said, done in IN_A_TEST.items():
        text = text.replace(said, done)
    return text


def check(block: Block, text: str, shell: Shell, folder: Path, number: int) -> None:
    """Run, write or parse one block by its language; an unknown language fails."""
    if block.caption is not None:
        (folder / block.caption).parent.mkdir(parents=True, exist_ok=True)
        (folder / block.caption).write_text(text, encoding="utf-8")
    if BY_SPHINX.fullmatch(block.language) or block.language == "text":
        return
    if block.language == "python":
        compile(text, f"line {block.line}", "exec")
        if block.caption is None and block.not_run is None:
            (folder / f"block-{number}.py").write_text(text, encoding="utf-8")
            run(shell, f"python block-{number}.py")
    elif block.language == "console":
        run_console(block, text, shell)
    elif block.language == "indented":
        run_indented(text, shell)
    else:
        PARSERS[block.language](text)


def run_console(block: Block, text: str, shell: Shell) -> None:
    """Run each command; one that fails is followed by ``echo $?``, which shows that it is meant to."""
    pairs = list(commands(text))
    assert pairs, "a console block without a command"
    for (command, shown), (following, _) in zip(pairs, [*pairs[1:], ("", "")], strict=True):
        if block.not_run is not None:
            assert shlex.split(command)
        else:
            run(shell, command, shown, may_fail=following.startswith("echo $?"))


def run(shell: Shell, command: str, shown: str = "", *, may_fail: bool = False) -> None:
    """Run one command and compare; ``...`` in what is shown stands for anything."""
    for tool, package in TOOLS.items():
        if re.search(rf"\b{tool}\b", command):
            need(shutil.which(tool), f"{tool} (Debian's package {package})")
    code, printed = shell.run(command)
    assert may_fail or code == 0, f"{command}ended with {code}:\n{printed}"
    options = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
    matches = doctest.OutputChecker().check_output(shown, printed, options)
    assert not shown or matches, f"{command}shows:\n{shown}\nprinted:\n{printed}"


def run_indented(text: str, shell: Shell) -> None:
    """README's: commands of foldwatch run, those of make exist, ``[THREADS]`` lines parse."""
    for line in text.splitlines():
        if line.startswith("foldwatch "):
            run(shell, line)
        elif line.startswith("make "):
            target = line.split()[1]
            assert re.search(rf"^{target}:", text_of("Makefile"), re.MULTILINE), line
        elif line.startswith(MARKER):
            parse_line(line)


def parse_ini(text: str) -> None:
    """A unit file, or another with sections."""
    parser = configparser.ConfigParser(strict=False, interpolation=None)
    parser.read_string(text)
    assert parser.sections()


def parse_bash(text: str) -> None:
    """A script: bash reads it and runs nothing."""
    subprocess.run(["bash", "-n"], input=text, text=True, check=True)


def parse_dockerfile(text: str) -> None:
    """Every line, continued ones joined, begins with an instruction."""
    for line in filter(None, text.replace("\\\n", " ").splitlines()):
        assert line.split()[0] in {"FROM", "RUN", "COPY", "ENV", "CMD", "ENTRYPOINT", "WORKDIR"}


PARSERS: dict[str, Callable[[str], object]] = {
    "yaml": lambda text: list(yaml.safe_load_all(text)),
    "json": json.loads,
    "toml": tomllib.loads,
    "ini": parse_ini,
    "bash": parse_bash,
    "dockerfile": parse_dockerfile,
}


@pytest.mark.parametrize("page", PAGES)
def test_every_command_and_option_named_exists(page: str) -> None:
    """Also in the text, in tables, and in blocks that are not run."""
    for code in code_spans(text_of(page)):
        for name, rest in re.findall(r"\bfoldwatch[ \",]+([a-z][\w-]*)\b(?!:)(.*)", code):
            assert name in COMMANDS, code
            own = re.split(r" --[ \",]|&&|;| \| ", rest + " ")[0]
            for option in re.findall(r"(?<![\w-])--[a-z][\w-]*", own):
                assert option in options_of(name), f"{code}: no {option}"


def options_of(name: str) -> set[str]:
    """Return every spelling of every option of a command."""
    group = typer.main.get_group(command_module(name).app)
    parts = group.commands[name].params
    words = {word for part in parts for word in (*part.opts, *part.secondary_opts)}
    return {"--help"} | {word for word in words if word.startswith("-")}


@pytest.mark.parametrize("page", PAGES)
def test_every_link_to_a_file_leads_to_it(page: str) -> None:
    """In the folder of the page; anchors are the build's to check."""
    for target in re.findall(r"\]\(([^)\s#]+)[^)]*\)", text_of(page)):
        if not re.match(r"[a-z]+:", target):
            folder = os.path.dirname(os.path.join(ROOT, page))
            assert os.path.exists(os.path.join(folder, target)), target


@pytest.fixture(name="site", scope="module")
def site_fixture(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the documentation as ``make docs`` does."""
    need(importlib.util.find_spec("sphinx"), "Sphinx, of the extra docs")
    site = tmp_path_factory.mktemp("site")
    command = ["sphinx", "--quiet", "--fail-on-warning", "--keep-going", "-d"]
    done = subprocess.run(
        [sys.executable, "-m", *command, str(site / "doctrees"), DOCS, str(site / "html")],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return site / "html"


def test_the_reference_is_made_from_the_code(site: Path) -> None:
    """Every metric, every option and every exit code is on its page, by way of the build."""
    pages = {path.stem: path.read_text() for path in (site / "reference").glob("*.html")}
    for name in METRICS:
        assert f">{name}<" in pages["metrics"]
    for name in COMMANDS:
        for option in options_of(name):
            assert option in pages["command-line"]
    assert "130" in pages["exit-codes"]
    for name in telemetry.__all__:
        assert f'id="telemetry.{name}"' in pages["telemetry"]
    assert "analyzer.analyze" in pages["analyzer"]
    pushed = (site / "how-to/opentelemetry.html").read_text()
    for metric in (*OTLP_METRICS.values(), *IN_BYTES.values()):
        assert f">{metric.name}<" in pushed
    guide = (site / "how-to/reproduce.html").read_text()
    for name, scenario in SCENARIOS.items():
        assert f">{name}</span>" in guide
        assert scenario.leaks in guide


def test_the_reference_fits_a_narrow_page(site: Path, browser: Browser) -> None:
    """500 pixels wide nothing is off the screen, no table's last column either."""
    wide = "[...document.querySelectorAll('.table-wrapper')].filter(w => w.scrollWidth > w.clientWidth)"
    page = browser.new_page(viewport={"width": 500, "height": 900})
    for path in sorted((site / "reference").glob("*.html")):
        page.goto(path.as_uri())
        assert page.evaluate(f"{wide}.length") == 0, path.stem
        assert page.evaluate("document.documentElement.scrollWidth") <= 500, path.stem
    page.close()


def first_column(page: str, heading: str) -> set[str]:
    """Return the code in the first column of the tables of a page, from ``heading`` on."""
    rows = re.findall(r"^\| (`.*?) \|", text_of(page).partition(heading)[2], re.MULTILINE)
    return {code for row in rows for code in re.findall(r"`([^`]+)`", row)}


def test_every_key_of_reproduce_json_is_told(tmp_path: Path) -> None:
    """And no other: what is an object there is told by its keys."""
    analysis = analyze([INCIDENT])
    alert = Alert(
        name="A", severity=Severity.CRITICAL, labels={}, summary="", description="", began=1.0
    )
    found = Reproduced(
        scenario="maps",
        enforcement=Enforcement(limit="max_map_count", description=""),
        one_process=analysis,
        isolated=analysis,
        alerts=(alert,),
        exit_code=134,
        finished=(1,),
        seconds=1.0,
    )
    outcome = replace(ScenarioOutcome.of(found, str(tmp_path)), alert=alert)
    keys = {
        f"{key}.{inner}" if isinstance(value, dict) and key != "machine" else key
        for key, value in record(found, outcome).items()
        for inner in (value if isinstance(value, dict) else [""])
    }
    assert first_column("docs/reference/run-directory.md", "## `reproduce.json`") == keys


def test_every_environment_variable_is_told() -> None:
    """All that stand in the code and in the compose file, and no other of foldwatch's."""
    paths = [f"{ROOT}/grafana/docker-compose.yml"]
    for package in ("telemetry", "analyzer", "trainer", "foldwatch"):
        paths += glob.glob(f"{ROOT}/{package}/**/*.py", recursive=True)
    named: set[str] = set()
    for path in paths:
        with open(path, encoding="utf-8") as file:
            named |= set(
                re.findall(r"(?<![\w_])(?:FOLDWATCH|GRAFANA)_[A-Z_]*[A-Z]\b(?!\*)", file.read())
            )
    told = first_column("docs/reference/environment.md", "## Read\n")
    assert {name for name in told if name.startswith(("FOLDWATCH_", "GRAFANA_"))} == named
    text = text_of("docs/reference/environment.md")
    assert all(f"`{name}`" in text for name in THREAD_CAPS)


@pytest.mark.slow
def test_completion_is_installed_and_completes(tmp_path: Path) -> None:
    """In a real bash, with a home of its own; --show-completion prints what is installed."""
    with closing(Shell(str(tmp_path), HOME=str(tmp_path))) as shell:
        code, said = shell.run("foldwatch --install-completion")
        assert (code, "bash completion installed" in said) == (0, True)
        assert (tmp_path / ".bashrc").read_text().strip().endswith("foldwatch.sh'")
        script = (tmp_path / ".bash_completions/foldwatch.sh").read_text()
        assert shell.run("foldwatch --show-completion")[1].strip() == script.strip()
        line = "COMP_WORDS=(foldwatch reproduce m); COMP_CWORD=2; _foldwatch_completion foldwatch"
        code, said = shell.run(f'. ~/.bashrc; {line}; echo "${{COMPREPLY[*]}}"')
    assert said.split() == ["maps", "memory"]


@pytest.mark.slow
def test_the_callback_has_types_for_others(tmp_path: Path) -> None:
    """As an attribute of `telemetry`; Keras, which has none, costs its own attributes only."""
    (tmp_path / "own.py").write_text(
        "import telemetry\n"
        "reveal_type(telemetry.keras.Checkpoints(every=1))\n"
        'telemetry.keras.Checkpoints(every="x")\n'
    )
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--follow-imports=silent", "own.py"],
        cwd=tmp_path,
        env=os.environ | {"MYPYPATH": ROOT},
        capture_output=True,
        text=True,
        check=False,
    )
    assert 'Revealed type is "telemetry.keras.Checkpoints"' in done.stdout
    assert 'own.py:3: error: Argument "every"' in done.stdout
