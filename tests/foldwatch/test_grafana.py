"""The files around the dashboards: pinned, consistent with each other, and in the package."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from telemetry.alerts.rules import OF_PROMETHEUS, RULES
from tests.support.dashboards import NAMES, board, files
from tests.support.paths import GRAFANA, ROOT

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.support.programs import CommandOutcome


def content(path: str) -> Any:
    with open(os.path.join(GRAFANA, path), encoding="utf-8") as file:
        return yaml.safe_load(file)


def test_every_service_is_pinned_healthy_and_on_this_machine_only() -> None:
    """A version and a digest for each image, a health check, and no port that the network can reach."""
    with open(os.path.join(GRAFANA, "Dockerfile"), encoding="utf-8") as file:
        bases = re.findall(r"^FROM (\S+)", file.read(), re.MULTILINE)
    services = content("docker-compose.yml")["services"]
    images = [service["image"] for service in services.values() if "image" in service]
    assert len(images) == len(services) - 1
    for image in (*images, *bases):
        assert re.search(r":v?\d+\.\d+\.\d+\S*@sha256:[0-9a-f]{64}$", image)
    assert len(set(bases)) == 1
    for name, service in services.items():
        assert service["healthcheck"]["test"], name
        assert all(port.startswith("127.0.0.1:") for port in service["ports"]), name


def test_every_service_is_confined() -> None:
    """No capability, nothing to write to but its volume, and bounds of memory, processor and processes."""
    for service in content("docker-compose.yml")["services"].values():
        assert service["read_only"] is True
        assert service["cap_drop"] == ["ALL"]
        assert service["security_opt"] == ["no-new-privileges:true"]
        assert all(service[bound] for bound in ("mem_limit", "cpus", "pids_limit"))


def test_the_image_installs_what_was_tested() -> None:
    """Each of its packages is locked, with its hashes, to the version that the tests run with."""
    of_the_image, of_the_tests = (
        _locked(path) for path in (f"{GRAFANA}/requirements.lock", f"{ROOT}/requirements.lock")
    )
    assert {"starlette", "pandas", "hatchling"} < set(of_the_image)
    assert of_the_image.items() <= of_the_tests.items()


def test_the_image_is_built_of_what_the_lock_names_and_the_checkout_holds() -> None:
    """By the hashes, from nowhere else, and without what a developer has beside it."""
    with open(os.path.join(GRAFANA, "Dockerfile"), encoding="utf-8") as file:
        locked, own = re.findall(r"pip install .*", file.read())
    assert "--require-hashes -r /requirements.lock" in locked
    assert "--no-index" in own
    with open(os.path.join(ROOT, ".dockerignore"), encoding="utf-8") as file:
        assert {".git", ".venv"} <= set(file.read().splitlines())


def test_every_action_of_a_workflow_is_pinned_to_a_commit() -> None:
    """Whoever can move a tag could run anything in its place."""
    folder = os.path.join(ROOT, ".github", "workflows")
    used = []
    for name in os.listdir(folder):
        with open(os.path.join(folder, name), encoding="utf-8") as file:
            used += re.findall(r"uses: *(\S+)", file.read())
    assert used
    assert [action for action in used if not re.search(r"@[0-9a-f]{40}$", action)] == []


def _locked(path: str) -> dict[str, frozenset[str]]:
    """Return, by package, its versions and hashes."""
    locked: dict[str, frozenset[str]] = {}
    with open(path, encoding="utf-8") as file:
        for entry in re.split(r"\n(?=\S)", file.read()):
            name, version = entry.split(" ")[0].strip().split("==")
            found = {version, *re.findall(r"sha256:\w+", entry)}
            locked[name] = locked.get(name, frozenset()) | found
    return locked


def test_what_compose_mounts_and_names_is_there() -> None:
    """Paths beside the file, and the host names in the configurations."""
    services = content("docker-compose.yml")["services"]
    mounted = {v.split(":")[0] for s in services.values() for v in s["volumes"] if v[0] == "."}
    assert all(os.path.exists(os.path.join(GRAFANA, path)) for path in mounted)
    prometheus = content("prometheus.yml")
    (target,) = prometheus["scrape_configs"][0]["static_configs"][0]["targets"]
    (manager,) = prometheus["alerting"]["alertmanagers"][0]["static_configs"][0]["targets"]
    sources = content("provisioning/datasources/foldwatch.yml")["datasources"]
    hosts = {target, manager, *(source["url"].removeprefix("http://") for source in sources)}
    assert {host.split(":")[0] for host in hosts} < set(services)
    (provider,) = content("provisioning/dashboards/foldwatch.yml")["providers"]
    assert f"./dashboards:{provider['options']['path']}:ro" in services["grafana"]["volumes"]


def test_grafana_s_own_alert_asks_a_data_source_that_is_provisioned() -> None:
    """And tells a contact point that is; it is paused, for Alertmanager pages already."""
    sources = content("provisioning/datasources/foldwatch.yml")["datasources"]
    alerting = content("provisioning/alerting/foldwatch.yml")
    (rule,) = alerting["groups"][0]["rules"]
    asked = {query["datasourceUid"] for query in rule["data"]}
    assert asked <= {"__expr__", *(source["uid"] for source in sources)}
    (point,) = alerting["contactPoints"]
    assert rule["notification_settings"]["receiver"] == point["name"]
    assert rule["isPaused"] is True
    assert "$" not in rule["annotations"]["summary"] + rule["data"][0]["model"]["expr"]


def test_dashboards_link_to_each_other() -> None:
    """By uid."""
    uids = {board(name)["uid"] for name in NAMES}
    linked = {link["url"].removeprefix("/d/") for name in NAMES for link in board(name)["links"]}
    assert linked == uids


def test_the_page_lists_every_alert() -> None:
    """With its severity."""
    with open(os.path.join(GRAFANA, "README.md"), encoding="utf-8") as file:
        listed = dict(re.findall(r"^\| (Foldwatch\w+) \| (\w+) \|", file.read(), re.MULTILINE))
    assert listed == {name: rule.severity for name, rule in {**RULES, **OF_PROMETHEUS}.items()}


def test_the_command_writes_every_file_once(
    foldwatch: Callable[..., CommandOutcome], tmp_path: Path
) -> None:
    """Into a new folder; a folder in use is left as it is."""
    place = tmp_path / "there" / "grafana"
    outcome = foldwatch("grafana", "--output", str(place))
    assert (outcome.code, outcome.err) == (0, "")
    assert files(str(place)) == files(GRAFANA)
    assert len(outcome.out.splitlines()) == len(files(GRAFANA))
    (place / "alertmanager.yml").write_text("mine")
    outcome = foldwatch("grafana", "--output", str(place))
    assert outcome.code == 2
    assert outcome.err.endswith("exists and is not empty; name a new folder\n")
    assert (place / "alertmanager.yml").read_text() == "mine"
    assert os.listdir(tmp_path / "there") == ["grafana"]


@pytest.mark.parametrize("is_there", [False, True])
def test_the_folder_that_a_link_leads_to_is_filled(
    foldwatch: Callable[..., CommandOutcome], tmp_path: Path, *, is_there: bool
) -> None:
    """Made as needed; the link stays."""
    if is_there:
        (tmp_path / "there").mkdir()
    (tmp_path / "link").symlink_to("there")
    outcome = foldwatch("grafana", "--output", str(tmp_path / "link"))
    assert (outcome.code, outcome.err) == (0, "")
    assert files(str(tmp_path / "there")) == files(GRAFANA)
    assert (tmp_path / "link").is_symlink()


def test_a_full_disk_is_one_line(
    foldwatch: Callable[..., CommandOutcome], small_disk: Path
) -> None:
    """And none of the files is left on it."""
    outcome = foldwatch("grafana", "--output", str(small_disk / "grafana"))
    assert outcome.code == 2
    assert outcome.err.count("\n") == 1
    assert "No space left on device" in outcome.err
    assert os.listdir(small_disk) == []
