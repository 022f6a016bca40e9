"""Are exposures noted once, and does the report say what was planted?"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import msgspec
import numpy as np
import pytest
from prometheus_client import REGISTRY
from typer.testing import CliRunner

from api.experiments import served
from models.columns import CONSENT_DEFAULT, CONSENT_EXPERIMENT
from models.experiments.report import report
from personalize.commands import experiment as command
from personalize.errors import ProblemError
from projections import experiment_reports, experiments
from projections.locks import EXPERIMENTS_LOCK
from projections.recommender.reranking import Candidate, Context, Described, reordered
from projections.stores.postgres import Connection, connect
from schemas.experiments import Experiment, decode
from schemas.impressions import ImpressionServed
from streams.jobs.experiment_reports import show

DEFINITION = {
    "key": "plain",
    "hypothesis": "What is popular distracts.",
    "state": "running",
    "metric": "completions",
    "horizonDays": 7,
    "minimumLearners": 50,
    "cuped": True,
    "guardrails": [{"metric": "active_days", "mostDrop": 0.2}],
    "variations": [
        {"name": "control", "weight": 0.5},
        {"name": "no-trends", "weight": 0.5, "familyWeights": {"trending": 0}, "list": "collaborative"},
    ],
}
FIRST = dt.datetime(2026, 5, 4, 9, tzinfo=dt.UTC)
LEARNERS = 600


def definition(**changes: object) -> Experiment:
    """The definition, changed."""
    return decode(msgspec.json.encode({**DEFINITION, **changes}))


@pytest.fixture(scope="module")
def connection(module_database_url: str) -> Iterator[Connection]:
    """A database in which everybody agrees to experiments, but the last learner."""
    with connect(module_database_url, autocommit=True) as opened:
        opened.execute(
            "INSERT INTO learners (user_id, consent) SELECT 'e-' || n, CASE WHEN n < %s THEN %s ELSE %s END"
            " FROM generate_series(0, %s) AS n",
            (LEARNERS, CONSENT_DEFAULT | CONSENT_EXPERIMENT, CONSENT_DEFAULT, LEARNERS),
        )
        yield opened


def serving(user: str, arms: dict[str, str], at: dt.datetime) -> ImpressionServed:
    """One record of the topic."""
    return ImpressionServed(list_id="l", user_id=user, served_at=int(at.timestamp() * 1000), items=(), experiments=arms)


def test_exposures_are_first_uses_whatever_the_order(connection: Connection) -> None:
    """The earliest counts; somebody served by two variations is marked; no consent, no row."""
    later = FIRST + dt.timedelta(days=1)
    records = [
        serving("e-1", {"one": "a"}, later),
        serving("e-1", {"one": "a"}, FIRST),
        serving("e-2", {"one": "b"}, later),
        serving("e-2", {"one": "a"}, FIRST),
        serving(f"e-{LEARNERS}", {"one": "a"}, FIRST),
        serving("nobody", {"one": "a"}, FIRST),
        serving("e-3", {}, FIRST),
    ]
    found = []
    for order in (records, records[::-1]):
        connection.execute("TRUNCATE experiment_exposure")
        for seq, record in enumerate(order, start=1):
            experiments.expose(connection, [record], seq)
        found.append(
            connection.execute(
                "SELECT l.user_id, variation, first_at, mixed FROM experiment_exposure"
                " JOIN learners l USING (learner_key) ORDER BY 1"
            ).fetchall()
        )
    assert found[0] == found[1] == [("e-1", "a", FIRST, False), ("e-2", "a", FIRST, True)]


def fill(connection: Connection, lift: float, lost: float = 0.0) -> None:
    """Exposes everybody as the hash says; the treated complete more, and some of them are lost."""
    connection.execute("TRUNCATE experiment_exposure, learner_day")
    rng = np.random.default_rng(5)
    exposures, days = [], []
    for n in range(LEARNERS):
        name = served([definition()], f"e-{n}").arms["plain"]
        treated = name == "no-trends"
        if treated and rng.random() < lost:
            continue
        exposures.append(serving(f"e-{n}", {"plain": name}, FIRST))
        habit = rng.gamma(4.0)
        days.append((f"e-{n}", FIRST.date() - dt.timedelta(days=3), int(10 * habit)))
        days.append((f"e-{n}", FIRST.date() + dt.timedelta(days=2), int(10 * habit * (1 + lift * treated))))
    experiments.expose(connection, exposures, 1)
    with connection.cursor() as cursor:
        cursor.executemany(
            "INSERT INTO learner_day (learner_key, day, events, clicks, completions, completion_rates,"
            " completion_rate_sum, time_spent_seconds, score_sum)"
            " SELECT learner_key, %s, 50, 0, %s, 0, 0, 60, 5 FROM learners WHERE user_id = %s",
            [(day, completions, user) for user, day, completions in days],
        )


def test_a_planted_lift_is_found_and_cuped_helps(connection: Connection) -> None:
    """Half as much again; the habit before explains most of the rest."""
    fill(connection, 0.5)
    experiments.put(connection, definition())
    kept = experiments.find(connection, "plain")
    assert kept == definition()
    with_past = report(kept, experiments.outcomes(connection, kept))
    assert with_past.verdict == "ready"
    assert with_past.says == "no-trends is better than control."
    treated = with_past.variations[1]
    assert treated.lift_low < 0.5 < treated.lift_high
    assert with_past.guardrails[0].state == "held"
    without = report(definition(cuped=False), experiments.outcomes(connection, kept)).variations[1]
    assert with_past.variations[1].difference_high - with_past.variations[1].difference_low < 0.8 * (
        without.difference_high - without.difference_low
    )


def test_nothing_is_shown_when_the_ratio_is_wrong_or_learners_are_few(connection: Connection) -> None:
    """A third of the treated is lost: an alarm instead of a result."""
    fill(connection, 0.5, lost=0.35)
    found = report(definition(), experiments.outcomes(connection, definition()))
    assert found.verdict == "ratio mismatch"
    assert found.variations[1].mean is None
    few = report(definition(minimumLearners=1_000), experiments.outcomes(connection, definition(state="stopped")))
    assert few.verdict in {"collecting", "ratio mismatch"}
    assert few.variations[1].lift is None


def test_reports_are_kept_by_the_hour_while_an_experiment_is_under_way(
    connection: Connection, module_database_url: str
) -> None:
    """One row an hour, the newest; none of a draft, none while another process writes; dashboards see the same."""
    fill(connection, 0.5)
    for changes in ({}, {"key": "a-draft", "state": "draft"}):
        experiments.put(connection, definition(**changes))
    for minute in (0, 20, 70):
        found = experiment_reports.refresh(connection, FIRST + dt.timedelta(minutes=minute))
        assert found is not None
        assert [one.key for one in found] == ["plain"]
    hours = connection.execute("SELECT hour, computed_at FROM experiment_report ORDER BY hour").fetchall()
    assert hours == [
        (FIRST, FIRST + dt.timedelta(minutes=20)),
        (FIRST + dt.timedelta(hours=1), FIRST + dt.timedelta(minutes=70)),
    ]
    treated = found[0].variations[1]
    shown = connection.execute(
        "SELECT learners, lift, lift_low, lift_high FROM reporting.experiment_effects WHERE newest AND place = 1"
    ).fetchall()
    assert shown == [(treated.learners, treated.lift, treated.lift_low, treated.lift_high)]
    assert connection.execute("SELECT state FROM reporting.experiment_guardrails").fetchall() == [("held",)]
    with connect(module_database_url) as other:
        other.execute(experiment_reports.TRY_LOCK, {"lock": EXPERIMENTS_LOCK})
        assert experiment_reports.refresh(connection, FIRST) is None


def test_the_gauges_say_what_the_reports_say(connection: Connection) -> None:
    """And nothing when another process reports."""
    found = report(definition(), experiments.outcomes(connection, definition()))
    show([found])
    assert REGISTRY.get_sample_value("personalize_experiments", {"verdict": "ready"}) == 1
    assert REGISTRY.get_sample_value("personalize_experiments", {"verdict": "ratio mismatch"}) == 0
    assert REGISTRY.get_sample_value("personalize_experiment_guardrails", {"state": "held"}) == 1
    show(None)
    assert REGISTRY.get_sample_value("personalize_experiments", {"verdict": "ready"}) is None


def test_the_commands_put_start_report_and_stop(
    connection: Connection, module_database_url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """What people type: a file becomes an experiment, its report is a table or JSON, a wrong file names its field."""
    monkeypatch.setattr(command, "_database", lambda: closing(connect(module_database_url, autocommit=True)))
    file = tmp_path / "plain.json"
    file.write_bytes(msgspec.json.encode({**DEFINITION, "state": "draft"}))
    fill(connection, 0.5)

    def typed(*words: str) -> str:
        done = CliRunner().invoke(command.app, [*words])
        assert done.exit_code == 0, done.output
        return done.stdout

    assert typed("put", str(file)) == "plain: draft\n"
    assert typed("start", "plain") == "plain: running\n"
    assert "control 50%, no-trends 50%" in typed("list")
    told = typed("report", "plain")
    assert "no-trends is better than control." in told
    assert "guardrail active_days, no-trends: held" in told
    assert "ratio check: p = " in told
    found = msgspec.json.decode(typed("report", "plain", "--json"))
    assert found["variations"][1]["liftLow"] > 0
    assert typed("stop", "plain") == "plain: stopped\n"
    assert experiments.find(connection, "plain") == definition(state="stopped")
    file.write_text('{"key": "plain"}')
    for words, says in ((["put", str(file)], "hypothesis"), (["report", "nothing"], "no experiment 'nothing'")):
        with pytest.raises(ProblemError, match=says):
            CliRunner().invoke(command.app, words, catch_exceptions=False)


def test_a_variation_changes_what_is_served() -> None:
    """Factors reorder the stored candidates, and terms still sum to the score that orders them."""
    assignment = served([definition()], "e-1"), served([definition(state="running", coverage=0.0)], "e-1")
    assert assignment[0].arms["plain"] in {"control", "no-trends"}
    assert assignment[1].arms == {}
    treated = next(each for n in range(50) if (each := served([definition()], f"t-{n}")).kind)
    assert treated.kind == "collaborative"
    assert treated.factors == (1.0, 1.0, 0.0, 1.0)
    popular = Candidate(Described("a", "video", None), (0.1, 0.1, 0.9, 0.0), 0, 0.5, frozenset())
    fitting = Candidate(Described("b", "video", None), (0.5, 0.2, 0.0, 0.0), 0, 0.5, frozenset())
    usual = reordered("hybrid", [popular, fitting])
    moved = reordered("hybrid", [popular, fitting], Context(factors=treated.factors))
    assert [one.content.content_id for one in usual] == ["a", "b"]
    assert [one.content.content_id for one in moved] == ["b", "a"]
    assert moved[1].terms == (0.1, 0.1, 0.0, 0.0)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"variations": [{"name": "a", "weight": 0.5}, {"name": "b", "weight": 0.6}]}, "sum to 1"),
        ({"variations": [{"name": "a", "weight": 0.5}, {"name": "a", "weight": 0.5}]}, "once"),
        ({"metric": "happiness"}, "metric"),
        ({"code": "lambda: 1"}, "code"),
        ({"namespace": {"name": "n", "begin": 0.5, "end": 0.5}}, "below"),
    ],
)
def test_a_wrong_definition_is_refused(changes: dict[str, object], said: str) -> None:
    """With the field and the fix."""
    with pytest.raises(ValueError, match=said):
        definition(**changes)
