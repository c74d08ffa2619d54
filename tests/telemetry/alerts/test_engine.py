"""The engine: false alarms first, then what must be told, once, and when it ends."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from telemetry.alerts.engine import AlertEngine
from telemetry.alerts.rules import growth_conditions
from telemetry.reading import LimitState, Reading
from telemetry.snapshot import FoldSnapshot, FoldState, GrowthSnapshot, Snapshot
from tests.support.builders import child, exited, reading, snapshot

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from telemetry.alerts.alert import Alert
    from telemetry.alerts.condition import Condition
    from telemetry.reading import Limit

GIB = 2**30
START = 1_000_000.0


def at(time: float, *, limits: dict[str, Limit] | None = None, **values: Any) -> Reading:
    """Give a sample of a process whose PIDs and maps are limited."""
    known: dict[str, Any] = {"stage": None, "start_ticks": 1, "cgroup": "/a", "threads": None}
    known["limits"] = {"pids_cgroup": 1000, "max_map_count": 65530, **(limits or {})}
    return reading(None, time, **(known | values))


def shown(
    latest: Reading, *, state: FoldState = FoldState.RUNNING, ended_at: float | None = None
) -> Snapshot:
    fold = FoldSnapshot(fold=1, state=state, latest=latest, ended_at=ended_at)
    return snapshot(fold, fold_count=2)


def active(engine: AlertEngine) -> list[str]:
    return [alert.name for alert in engine.active]


def follow(snapshots: Iterable[Snapshot], *, step: float = 5.0) -> tuple[AlertEngine, list[Alert]]:
    told: list[Alert] = []
    engine = AlertEngine(told.append)
    for number, one in enumerate(snapshots):
        engine.observe([one], START + number * step)
    return engine, told


def pids(levels: Iterable[float], **more: Any) -> list[Snapshot]:
    return [
        shown(at(START + n * 5, cgroup_pids=round(level), **more)) for n, level in enumerate(levels)
    ]


def minutes(count: float, level: Callable[[float], float]) -> list[float]:
    """Give a level every five seconds, as a function of the minute."""
    return [level(n / 12) for n in range(int(count * 12))]


@pytest.mark.parametrize(
    "level",
    [
        pytest.param(lambda _: 750, id="three quarters, for good"),
        pytest.param(lambda m: min(700, 175 * m), id="a warm-up of four minutes"),
        pytest.param(lambda m: 100 + 240 * max(0, min(2.5, m - 10)), id="a later rise of minutes"),
        pytest.param(lambda m: 100 if m < 10 else 790, id="a step"),
        pytest.param(lambda m: 500 + 120 * (m % 2), id="teeth of two minutes"),
        pytest.param(lambda m: 600 + 100 * math.sin(m * 7), id="waves"),
        pytest.param(lambda m: 600 + m, id="a leak that has hours"),
        pytest.param(
            lambda m: 790 if int(m * 12) % 25 else 999, id="spikes to 99.9 % are critical"
        ),
    ],
)
def test_no_false_alarm(level: Callable[[float], float], request: pytest.FixtureRequest) -> None:
    """Forty minutes of each; a single reading at 99.9 % is told, and only as what it is."""
    _, told = follow(pids(minutes(40, level)))
    if "spikes" in request.node.callspec.id:
        assert [alert.name for alert in told] == ["FoldwatchCeilingCritical"]
    else:
        assert told == []


def test_long_teeth_are_told_of_once() -> None:
    """Ten minutes each: the first looks like a leak, the later ones do not rise where none was."""
    _, told = follow(pids(minutes(60, lambda m: 450 + 30 * (m % 10))))
    assert [alert.ended is None for alert in told] == [True, False]


def test_what_does_not_bind_is_silent() -> None:
    """Root is exempt from RLIMIT_NPROC; TensorFlow takes a whole GPU; no limit; page cache."""
    values = {
        "user_tasks": 999,
        "is_exempt_from_nproc": True,
        "gpu_memory_used_bytes": 99,
        "cgroup_memory_bytes": 16 * GIB,
        "cgroup_memory_reclaimable_bytes": 8 * GIB,
        "cgroup_pids": 5000,
        "maps": None,
    }
    limits: dict[str, Limit] = {
        "nproc": 1000,
        "gpu_memory": 100,
        "cgroup_memory": 16 * GIB,
        "pids_cgroup": LimitState.UNLIMITED,
    }
    _, told = follow([shown(at(START + n * 5, limits=limits, **values)) for n in range(30)])
    assert told == []
    values["cgroup_memory_reclaimable_bytes"] = None
    _, told = follow([shown(at(START + n * 5, limits=limits, **values)) for n in range(30)])
    assert told == [], "what may be page cache is not called full"
    values["cgroup_memory_reclaimable_bytes"] = GIB // 2
    values["is_exempt_from_nproc"] = False
    _, told = follow([shown(at(START + n * 5, limits=limits, **values)) for n in range(30)])
    assert {(alert.labels["ceiling"], alert.severity) for alert in told} == {
        ("nproc", "critical"),
        ("cgroup_memory", "critical"),
    }


def test_page_cache_that_fills_up_is_not_forecast() -> None:
    """A data set is read once through a memory cgroup: from nothing to the brim in 20 minutes."""
    limits: dict[str, Limit] = {"cgroup_memory": 16 * GIB}
    snapshots = [
        shown(
            at(
                START + n * 5,
                limits=limits,
                cgroup_memory_bytes=GIB + used,
                cgroup_memory_reclaimable_bytes=used,
            )
        )
        for n in range(40 * 12)
        for used in [min(15 * GIB - 1, n * GIB // 16)]
    ]
    assert follow(snapshots)[1] == []


def test_each_threshold_is_one_episode_with_its_words() -> None:
    """Near after its wait, critical at once; each ends once, after five minutes without it."""
    levels = [700.0] * 12 + [850.0] * 24 + [960.0, 700.0] * 30 + [700.0] * 70
    engine, told = follow(pids(levels))
    assert [(alert.name, alert.ended is None) for alert in told] == [
        ("FoldwatchCeilingNear", True),
        ("FoldwatchCeilingCritical", True),
        ("FoldwatchCeilingNear", False),
        ("FoldwatchCeilingCritical", False),
    ]
    near = told[0]
    assert near.began == START + 12 * 5 + 15
    assert near.summary == "pids_cgroup is 85% full (850 of 1,000)"
    assert "thread pools" in near.description
    assert near.labels == {
        "run": "r",
        "host": "h",
        "rank": "",
        "fold": "",
        "ceiling": "pids_cgroup",
    }
    assert told[2].ended == START + (12 + 23) * 5 + 300
    assert told[3].ended == START + (12 + 24 + 58) * 5 + 300
    assert active(engine) == []


def test_what_is_critical_from_the_start_is_not_called_near_afterwards() -> None:
    """A fast leak: the warning would come behind what is graver, and say less."""
    _, told = follow(pids([700.0, 900.0, *[970.0] * 60]))
    assert [alert.name for alert in told] == ["FoldwatchCeilingCritical"]


def test_a_leak_is_forecast_from_half_of_the_limit_on() -> None:
    """Full after 20 minutes: told after 10 or 11, with the time that is left."""
    _, told = follow(pids(minutes(13, lambda m: 50 * m)))
    (alert,) = told
    assert alert.name == "FoldwatchCeilingWithinHour"
    assert 10 * 60 <= alert.began - START <= 11.5 * 60
    assert alert.summary.endswith("and will be hit in 9 min at this rate")


def test_growth_that_ends_before_the_folds_do_is_silent_and_the_other_is_told() -> None:
    """Compared with the folds that are left, the running one included."""
    growth = GrowthSnapshot(
        resource="maps", verdict="growing", reason="", per_fold=700.0, folds_to_limit=3.5
    )
    calm = replace(shown(at(START, maps=50)), growth=(growth,))
    assert follow([calm] * 20)[1] == []
    urgent = replace(calm, growth=(replace(growth, folds_to_limit=1.4),))
    engine, told = follow([urgent])  # at once: folds may be short
    (alert,) = told
    assert alert.name == "FoldwatchCeilingWithinFolds"
    assert alert.summary.startswith("maps ")
    assert "1.4 folds" in alert.summary
    over = replace(
        urgent, folds=(replace(urgent.folds[0], state=FoldState.FINISHED, ended_at=START),)
    )
    engine.observe([over], START + 200)
    assert active(engine) == []
    assert told[-1].ended == START + 200


def test_a_counter_that_rises_is_told_and_a_high_one_is_not() -> None:
    """Nor one of another cgroup or process, whose count says nothing."""
    calm = at(START, cgroup_pids=9, pids_limit_hits=70, oom_kills=2)
    moved = replace(calm, cgroup="/b", pids_limit_hits=80)
    other = replace(calm, pid=2, pids_limit_hits=90, oom_kills=5)
    assert follow([shown(r) for r in (calm, calm, moved, other)])[1] == []
    hit = replace(calm, pids_limit_hits=71)
    killed = replace(hit, oom_kills=3)
    engine, told = follow([shown(r) for r in (calm, hit, hit, killed, killed)])
    assert [alert.name for alert in told] == ["FoldwatchPidsLimitHit", "FoldwatchOomKill"]
    assert {alert.severity for alert in engine.active} == {"critical"}
    engine.observe([shown(killed)], START + 10 + 600)
    assert active(engine) == []


def test_the_hit_that_ends_a_process_is_told() -> None:
    """Its counter rises after the last reading: the event of its end has it."""
    part = FoldSnapshot(fold=1, state=FoldState.RUNNING).with_record(
        at(START, cgroup_pids=9, pids_limit_hits=0)
    )
    facts = {"exit_code": 134, "cgroup": "/a", "pids_limit_hits": 1}
    end = exited(START + 5, **facts)
    ended = replace(part.with_record(end), state=FoldState.FAILED, ended_at=START + 5)
    elsewhere = part.with_record(replace(end, facts=facts | {"cgroup": "/b"}))
    assert elsewhere == part
    before, after = (Snapshot(run="r", host="h", folds=(fold,)) for fold in (part, ended))
    _, told = follow([before, after])
    assert [alert.name for alert in told] == ["FoldwatchPidsLimitHit"]


def test_readings_that_stop_are_stale_only_while_the_fold_runs() -> None:
    """Two minutes, and one more; a fold that has ended has no more readings."""
    last = at(START, cgroup_pids=9)
    assert [a.name for a in follow([shown(last)] * 50)[1]] == ["FoldwatchSamplesStale"]
    assert follow([shown(last)] * 35)[1] == []
    ended = shown(last, state=FoldState.FINISHED, ended_at=START)
    assert follow([shown(last), *[ended] * 100])[1] == []


def test_a_fold_that_finishes_ends_what_it_had() -> None:
    """At once: its process is gone, and it was seen to go."""
    full = shown(at(START, cgroup_pids=990))
    engine, told = follow([full] * 10)
    assert active(engine) == ["FoldwatchCeilingCritical"]
    for state, exit_code in ((FoldState.FINISHED, None), (None, 0)):
        engine, told = follow([full] * 10)
        fold = replace(
            full.folds[0], state=state, exit_code=exit_code, latest=None, ended_at=START + 50
        )
        engine.observe([replace(full, folds=(fold,))], START + 50)
        assert active(engine) == []
        assert [alert.ended for alert in told[1:]] == [START + 50]


def unwatched(told: list[Alert]) -> bool:
    """Whether one alert began, and is now only out of sight."""
    return [(alert.ended, alert.is_watched) for alert in told] == [(None, True), (None, False)]


@pytest.mark.parametrize(
    "values",
    [
        pytest.param({"state": FoldState.STALE}, id="silent for an hour"),
        pytest.param({"state": FoldState.FAILED, "outcome": "interrupted"}, id="interrupted"),
    ],
)
def test_a_fold_that_is_interrupted_or_falls_silent_has_not_resolved_anything(
    values: dict[str, Any],
) -> None:
    """It may have been near to its end; and who is silent for an hour may still be there."""
    full = shown(at(START, cgroup_pids=990))
    engine, told = follow([full] * 10)
    over = replace(full.folds[0], ended_at=START + 50, **values)
    engine.observe([replace(full, folds=(over,))], START + 50)
    assert active(engine) == []
    assert unwatched(told)


def test_what_is_out_of_sight_has_not_ended() -> None:
    """The daemon stops, the run's directory is gone, its journal cannot be read."""
    full = shown(at(START, cgroup_pids=990))
    for later in (None, [], [replace(full, folds=(), unreadable="why")]):
        engine, told = follow([full] * 10)
        if later is None:
            engine.close(START + 60)
        else:
            engine.observe(later, START + 60)
        assert active(engine) == []
        assert unwatched(told)


def test_a_limit_of_which_a_reading_says_nothing_is_not_below_its_threshold() -> None:
    """A source that fails for an hour; then it is read again, and is below."""
    full, blind = at(START, cgroup_pids=990), at(START, cgroup_pids=None)
    engine, told = follow([*[shown(full)] * 10, *[shown(blind)] * 700])
    assert len(told) == 1 or [alert.name for alert in told[1:]] == ["FoldwatchSamplesStale"]
    assert "FoldwatchCeilingCritical" in active(engine)
    engine.observe([shown(at(START + 4000, cgroup_pids=9))], START + 4000)
    assert ("FoldwatchCeilingCritical", START + 4000) in [(one.name, one.ended) for one in told]


def crowd(count: int, *, time: float = START, **values: Any) -> list[Snapshot]:
    """Give so many ranks of one run, each at its limit."""
    full = shown(at(time, cgroup_pids=990))
    fold = replace(full.folds[0], **values)
    return [replace(full, rank=str(n), folds=(fold,)) for n in range(count)]


def test_a_flood_becomes_a_few_alerts_and_a_number() -> None:
    """794 ranks of one run at their limit: 20, and the other 774 as one; other runs as ever."""
    calm = replace(shown(at(START, cgroup_pids=990)), run="other")
    told: list[Alert] = []
    engine = AlertEngine(told.append)
    engine.observe([*crowd(794), calm], START)
    assert len(told) == len(engine.active) == 22
    (group,) = (alert for alert in told if "grouped" in alert.labels)
    assert group.summary.startswith("and 774 more of this kind")
    assert group.severity == "critical"
    assert {alert.labels["run"] for alert in told} == {"r", "other"}
    done = crowd(794, state=FoldState.FINISHED, latest=None, ended_at=START + 5)
    engine.observe([*done, calm], START + 5)
    assert len(told) == 22 + 21
    assert all(alert.ended == START + 5 for alert in told[22:])
    assert len(engine.active) == 1


def test_a_clock_that_is_set_back_silences_no_flood() -> None:
    """What was told in the future is a minute ago."""
    told: list[Alert] = []
    engine = AlertEngine(told.append)
    for hours, count in ((0, 30), (-1, 60)):
        told.clear()
        engine.observe(crowd(count, time=START + 3600 * hours), START + 3600 * hours)
        assert told


@pytest.mark.parametrize("step", [-7200.0, 7200.0])
def test_a_clock_that_is_set_changes_no_duration(step: float) -> None:
    """What would be told without it is told, and in the same order and at the same intervals."""
    levels = [*[0.5] * 200, *(0.5 + n / 1000 for n in range(300)), *[0.5] * 100]

    def told(step: float, *, knows_steady: bool) -> list[tuple[str, bool, float]]:
        found: list[tuple[str, bool, float]] = []
        engine = AlertEngine(lambda one: found.append((one.name, one.ended is None, elapsed)))
        for number, level in enumerate(levels):
            elapsed = number * 5.0
            now = START + elapsed + (step if number >= 202 else 0)
            hits = int(number >= 201)
            latest = at(now, cgroup_pids=round(1000 * level), pids_limit_hits=hits)
            steady = elapsed if knows_steady else None
            engine.observe([shown(latest)], now, steady=steady)
        return found

    expected = told(0, knows_steady=False)
    assert [name for name, *_ in expected] == [
        *("FoldwatchPidsLimitHit", "FoldwatchPidsLimitHit"),
        *("FoldwatchCeilingWithinHour", "FoldwatchCeilingWithinHour"),
    ]
    assert told(step, knows_steady=True) == expected
    if step < 0:  # all but the duration of the step itself
        assert [one[:2] for one in told(step, knows_steady=False)] == [one[:2] for one in expected]


@pytest.mark.parametrize("ahead", [-600.0, 600.0])
def test_silence_is_counted_from_when_something_was_heard(ahead: float) -> None:
    """The clock of the host that writes is ten minutes ahead of the daemon's, or behind."""
    engine = AlertEngine()
    for second in range(200):
        engine.observe([shown(at(START + second + ahead))], START + second)
    assert active(engine) == []
    for second in range(200, 400):
        engine.observe([shown(at(START + 199 + ahead))], START + second)
    assert active(engine) == ["FoldwatchSamplesStale"]


def test_a_group_that_grows_is_told_once_a_minute_and_ends_with_its_last_member() -> None:
    """It is resolved only if each of them was seen to end."""
    told: list[Alert] = []
    engine = AlertEngine(told.append)
    for second in range(60):
        engine.observe(crowd(20 + second), START + second)
    groups = [alert for alert in told if "grouped" in alert.labels]
    assert len(groups) == 1
    engine.observe(crowd(80), START + 61)
    assert len([alert for alert in told if "grouped" in alert.labels]) == 2
    engine.close(START + 62)
    assert engine.active == ()
    assert all(alert.ended is None for alert in told)
    assert not told[-1].is_watched
    assert told[-1].until == START + 62 + 86400


def test_runs_do_not_share_an_episode() -> None:
    """Two runs of one name on two hosts, and two ranks."""
    told: list[Alert] = []
    engine = AlertEngine(told.append)
    full = shown(at(START, cgroup_pids=990))
    engine.observe([full, replace(full, host="g"), replace(full, rank="1")], START)
    assert len({tuple(alert.labels.values()) for alert in told}) == 3


def test_a_defect_in_what_one_run_is_told_of_costs_that_run(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The other's alert is told all the same."""

    def defective(one: Snapshot) -> Iterator[Condition]:
        if one.run == "bad":
            raise KeyError("a defect")
        return growth_conditions(one)

    monkeypatch.setattr("telemetry.alerts.engine.growth_conditions", defective)
    told: list[Alert] = []
    full = shown(at(START, cgroup_pids=990))
    AlertEngine(told.append).observe([replace(full, run="bad"), full], START)
    assert [alert.labels["run"] for alert in told] == ["r"]
    assert "alerts of run 'bad' cannot be told" in caplog.text


def test_numbers_from_a_broken_journal_harm_nothing() -> None:
    """Limits of 0, negative counts and a time at infinity are compared, not believed."""
    broken = at(
        -math.inf,
        limits={"pids_cgroup": 0, "cgroup_memory": 0},
        cgroup_pids=-5,
        cgroup_memory_bytes=0,
        cgroup_memory_reclaimable_bytes=2**64,
        open_fds=2**64,
        maps=-(2**64),
    )
    _, told = follow([shown(broken)] * 100)
    assert {alert.name for alert in told} == {"FoldwatchSamplesStale"}
    _, told = follow([shown(replace(broken, time=START + n * 5)) for n in range(100)])
    assert {alert.name for alert in told} == {"FoldwatchCeilingCritical"}


def test_a_reading_of_more_than_two_minutes_ago_raises_no_limit() -> None:
    """The daemon is started nine minutes after; what it has seen before then goes on, as far as is known."""
    full = [shown(at(START - 540, cgroup_pids=990))] * 100
    _, told = follow(full)
    assert {alert.name for alert in told} == {"FoldwatchSamplesStale"}
    _, told = follow([shown(at(START, cgroup_pids=990))] * 100)
    assert [alert.name for alert in told] == ["FoldwatchCeilingCritical", "FoldwatchSamplesStale"]


def test_the_memory_of_the_host_is_told_as_the_host_s() -> None:
    """Others fill it too, so no growth of the run is blamed; one that is half full is not told."""

    def filled(ratio: float) -> list[Snapshot]:
        one = at(
            START, limits={"host_memory": 64 * GIB}, host_memory_used_bytes=int(ratio * 64 * GIB)
        )
        return [shown(replace(one, time=START + n * 5)) for n in range(10)]

    engine, told = follow(filled(0.97))
    assert active(engine) == ["FoldwatchCeilingCritical"]
    assert told[0].labels["ceiling"] == "host_memory"
    assert "All processes of the host share it" in told[0].description
    assert active(follow(filled(0.5))[0]) == []


def of_children(*levels: int, own: int = 100, pid: int = 812) -> list[Snapshot]:
    """A worker's maps every five seconds, beside one that does nothing."""
    return [
        shown(
            at(
                START + n * 5,
                maps=own,
                children=(child(pid, maps=level), child(5, role="forked worker", maps=90)),
            )
        )
        for n, level in enumerate(levels)
    ]


def test_a_child_near_its_own_limit_is_told_by_its_name() -> None:
    """The limit is each process's own: the run's process has next to none, and the worker is nearly full."""
    engine, told = follow(of_children(*[900] * 3, 62_900, 62_900))
    assert active(engine) == ["FoldwatchCeilingCritical"]
    (alert,) = told
    assert alert.summary.startswith(
        "max_map_count is 96% full (62,900 of 65,530) of DataLoader worker pid 812"
    )
    assert alert.labels["ceiling"] == "max_map_count"


def test_the_process_itself_is_told_where_it_is_nearer() -> None:
    """Of two that are near the nearer one is told."""
    _, (alert,) = follow(of_children(*[62_600] * 5, own=64_000))
    assert "worker" not in alert.summary


def test_no_forecast_is_made_of_two_processes_levels() -> None:
    """One worker at 60 % after another one at 40 % is no rise."""
    levels = [[26_000] * 120, [40_000] * 120]
    snapshots = [
        shown(at(START + n * 5, maps=100, children=(child(number, maps=level),)))
        for number, some in enumerate(levels, start=1)
        for n, level in enumerate(some, start=120 * (number - 1))
    ]
    engine, told = follow(snapshots)
    assert (active(engine), told) == ([], [])


def test_a_child_is_told_where_nothing_is_known_of_the_process() -> None:
    """Its own maps cannot be read, and those of its worker can."""
    latest = at(START, maps=None, children=(child(maps=65_000),))
    engine, _ = follow([shown(latest)] * 3)
    assert active(engine) == ["FoldwatchCeilingCritical"]


def test_a_child_that_meets_its_limit_within_the_folds_left_is_told() -> None:
    """Beside its parent, which has the same resource and does not."""
    growth = tuple(
        GrowthSnapshot(
            resource="maps", verdict="growing", reason="", folds_to_limit=folds, child=whose
        )
        for folds, whose in ((1.5, "train.py pid 9"), (90.0, ""))
    )
    running = FoldSnapshot(fold=1, state=FoldState.RUNNING)
    (found,) = growth_conditions(snapshot(running, growth=growth))
    assert dict(found.labels)["child"] == "train.py pid 9"
    assert found.summary.startswith("maps of train.py pid 9 will meet its limit in 1.5 folds")
