"""What servers check before they start: which limit each check names, and where it is only a warning."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from analyzer import analyze

if TYPE_CHECKING:
    from pathlib import Path

    from analyzer import Analysis

CHECKS = {
    "open_files": "max file descriptors [4096] for elasticsearch process is too low, increase to at least [65535]",
    "locked_memory": "memory locking requested for opensearch process but memory is not locked",
    "nproc": "max number of threads [1024] for user [elastic] is too low, increase to at least [4096]",
    "address_space": "max size virtual memory [17179869184] for user [elastic] is too low, increase to [unlimited]",
    "max_map_count": "max virtual memory areas vm.max_map_count [65530] is too low, increase to at least [262144]",
}
FAILED = "ERROR: [{}] bootstrap checks failed. You must address the points described in the following lines before starting Elasticsearch.\n"
DOWN = "[2026-01-14T09:15:34,201][INFO ][o.e.n.Node ] [es-0] closed\n"


def of_log(tmp_path: Path, text: str) -> Analysis:
    path = tmp_path / "a.log"
    path.write_text(text)
    return analyze(path)


@pytest.mark.parametrize("begin", ["[1]: ", "bootstrap check failure [1] of [1]: "])
@pytest.mark.parametrize("cause", CHECKS)
def test_a_failed_check_names_its_limit(tmp_path: Path, cause: str, begin: str) -> None:
    """In the words of Elasticsearch 5 to 8, and of OpenSearch."""
    text = FAILED.format(1) + begin + CHECKS[cause] + "\n" + DOWN
    analysis = of_log(tmp_path, text)
    assert analysis.outcome == "crashed"
    (found,) = analysis.findings
    assert found.process.crash is not None
    assert found.process.crash.line == 2
    assert [(one.cause, str(one.confidence)) for one in found.causes] == [(cause, "likely")]


def test_several_failed_checks_each_stand_for_themselves(tmp_path: Path) -> None:
    """None excludes the limit of another."""
    lines = [f"[{n}]: {words}\n" for n, words in enumerate(CHECKS.values(), start=1)]
    (found,) = of_log(tmp_path, FAILED.format(5) + "".join(lines) + DOWN).findings
    assert {one.cause: str(one.confidence) for one in found.causes} == dict.fromkeys(
        CHECKS, "likely"
    )


def test_a_setting_that_a_check_refuses_is_no_limit(tmp_path: Path) -> None:
    """As that of the discovery."""
    text = (
        FAILED.format(1)
        + "bootstrap check failure [1] of [1]: the default discovery settings are unsuitable\n"
    )
    (found,) = of_log(tmp_path, text).findings
    assert [one.cause for one in found.causes] == ["not_a_limit"]


@pytest.mark.parametrize("cause", CHECKS)
def test_a_check_is_a_warning_where_no_cluster_is_formed(tmp_path: Path, cause: str) -> None:
    """The node starts all the same."""
    text = f"[2026-01-14T09:15:34,201][WARN ][o.e.b.BootstrapChecks ] [es-0] {CHECKS[cause]}\n"
    text += "[2026-01-14T09:15:35,201][INFO ][o.e.n.Node ] [es-0] started\n"
    assert of_log(tmp_path, text).outcome == "running"


def test_the_limit_that_was_too_low_is_told(tmp_path: Path) -> None:
    """Elasticsearch prints it where it locks its memory, which by itself ends nothing."""
    warned = "[WARN ][o.e.b.JNANatives] Unable to lock JVM Memory: error=12, reason=Cannot allocate memory\n"
    warned += (
        "[WARN ][o.e.b.JNANatives] Increase RLIMIT_MEMLOCK, soft limit: 65536, hard limit: 65536\n"
    )
    assert of_log(tmp_path, warned).outcome == "running"
    (found,) = of_log(tmp_path, warned + f"[1]: {CHECKS['locked_memory']}\n").findings
    assert any("65536" in words for words in found.causes[0].evidence)


@pytest.mark.parametrize(
    ("line", "outcome"),
    [
        ("Error initializing core: Failed to lock memory: cannot allocate memory", "crashed"),
        (
            "failed to load: map create: operation not permitted (MEMLOCK may be too low, consider rlimit.RemoveMemlock)",
            "crashed",
        ),
        ("warning: failed to mlock 4096-byte buffer: Cannot allocate memory", "running"),
        ("Try increasing RLIMIT_MEMLOCK ('ulimit -l' as root).", "running"),
    ],
)
def test_who_must_lock_its_memory_ends_and_who_may_goes_on(
    tmp_path: Path, line: str, outcome: str
) -> None:
    """Vault and eBPF, and llama.cpp."""
    assert of_log(tmp_path, f"starting\n{line}\n").outcome == outcome
