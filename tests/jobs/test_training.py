"""Are models trained on the past, judged on the future, promoted only when no worse, and rolled back on demand?"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

import numpy as np
import pytest
from job_kit import DAY_MS, FIRST_MS, add_to_log, courses

from models.recommendation.item_weights import ItemWeights
from projections import job_runs, model_artifacts
from projections.recommender import daily_models
from projections.stores.postgres import Connection, connect
from streams.jobs.catalogue import JOBS
from streams.jobs.runner import carry_out
from streams.jobs.settings import JobSettings

KINDS = {"ease", "ridge", "svd", "ials"}


@pytest.fixture
def database(job_settings: JobSettings) -> Iterator[Connection]:
    """A connection to the test's database."""
    with connect(job_settings.database_url, autocommit=True) as connection:
        yield connection


def train(settings: JobSettings, connection: Connection, run_key: str, job: str = "train-models") -> None:
    """Carries out one training."""
    job_runs.register(connection, job, "training", [run_key])
    assert carry_out(JOBS[job], run_key, settings) == "done"


def by_state(connection: Connection, state: str) -> dict[str, model_artifacts.Artifact]:
    """The artifacts of a state by kind; there must be one of each kind at most."""
    found = [each for each in model_artifacts.artifacts(connection) if each.state == state]
    assert len({each.kind for each in found}) == len(found)
    return {each.kind: each for each in found}


def useless(connection: Connection, kind: str, trained_until: datetime) -> int:
    """Makes a model that recommends nothing that anybody takes the live one; returns its version."""
    model = ItemWeights(np.array([1, 2]), np.array([[1], [0]], np.int32), np.array([[1.0], [1.0]], np.float32))
    version = model_artifacts.store(
        connection, kind, model, trained_until=trained_until, events=1, metrics={"ndcg": 0.0, "recall": 0.0, "f1": 0.0}
    )
    with connection.transaction():
        model_artifacts.make_live(connection, version)
    return version


def test_the_first_models_are_judged_and_go_live(job_settings: JobSettings, database: Connection) -> None:
    """Each kind is trained on events before its cut only, has all metrics on the hold-out, and foretells the course."""
    learner, item, at_ms = courses(60, 20, seed=1)
    add_to_log(database, learner, item, at_ms, applied_seq=1)
    train(job_settings, database, "2026-05-01")
    live = by_state(database, "live")
    assert set(live) == KINDS
    for artifact in live.values():
        until_ms = artifact.trained_until.timestamp() * 1_000
        assert artifact.events == (at_ms < until_ms).sum()
        assert 0.85 < artifact.events / len(at_ms) < 0.95
        assert artifact.metrics["learners"] > 20
        assert {"precision", "recall", "f1", "ndcg"} <= set(artifact.metrics)
        assert artifact.metrics["ndcg"] > 0.35  # about .2 by chance
    # Of the kinds that may speak in one source, the one that foretold best on the same hold-out does.
    ((source, kind, ndcg),) = database.execute("SELECT source, kind, ndcg FROM model_choice").fetchall()
    assert source == "ease"
    assert set(ndcg) == {"ease", "svd", "ials"}
    assert ndcg[kind] == max(ndcg.values())
    assert ndcg["ease"] == pytest.approx(live["ease"].metrics["ndcg"])
    assert ndcg["ials"] > 0.25
    speaking = daily_models.live_versions(database)
    assert speaking == {"ease": live[kind].version, "ridge": live["ridge"].version}
    loaded = daily_models.load(database, {"ease": live["ials"].version})
    assert loaded["ease"][1].ids.shape[1] <= daily_models.ROWS["ease"]


def test_a_candidate_that_is_worse_is_not_promoted(job_settings: JobSettings, database: Connection) -> None:
    """Today's data are noise: yesterday's good models stay live, the new ones are kept as candidates."""
    add_to_log(database, *courses(60, 20, seed=1), applied_seq=1)
    train(job_settings, database, "2026-05-01")
    good = by_state(database, "live")
    database.execute("DELETE FROM interaction_log")
    draw = np.random.default_rng(3)
    # New learners go the same way in the future, but what a model may learn from is noise.
    n = 4_000
    noise = (draw.integers(1_000, 1_300, n), draw.integers(100, 140, n), FIRST_MS + draw.integers(0, 18 * DAY_MS, n))
    add_to_log(database, *noise, applied_seq=2)
    learner, item, at_ms = courses(60, 6, seed=4, first_ms=FIRST_MS + 22 * DAY_MS)
    add_to_log(database, learner + 1_000, item, at_ms, applied_seq=3)
    for kind, artifact in good.items():  # they know nothing of the future
        until = datetime.fromtimestamp((FIRST_MS + 24 * DAY_MS) / 1_000, UTC)
        database.execute("UPDATE model_artifact SET trained_until = %s WHERE kind = %s", (until, kind))
        assert artifact.state == "live"
    train(job_settings, database, "2026-05-02")
    assert {kind: each.version for kind, each in by_state(database, "live").items()} == {
        kind: each.version for kind, each in good.items()
    }
    for kind, candidate in by_state(database, "candidate").items():
        assert candidate.metrics["ndcg"] < candidate.metrics["live_ndcg"]
        assert candidate.metrics["live_version"] == good[kind].version


def test_a_better_candidate_replaces_the_live_model(job_settings: JobSettings, database: Connection) -> None:
    """A live model without any use is retired by the first candidate that is better on the same hold-out."""
    bad = useless(database, "ease", datetime.fromtimestamp(FIRST_MS / 1_000, UTC))
    add_to_log(database, *courses(60, 20, seed=1), applied_seq=1)
    train(job_settings, database, "2026-05-01")
    assert by_state(database, "retired")["ease"].version == bad
    live = by_state(database, "live")["ease"]
    assert live.metrics["ndcg"] > live.metrics["live_ndcg"] == 0.0


def test_a_model_that_too_few_can_judge_is_not_promoted(job_settings: JobSettings, database: Connection) -> None:
    """With ten learners there is a candidate and no live model; without any events there is nothing."""
    train(job_settings, database, "2026-05-01")
    assert model_artifacts.artifacts(database) == []
    add_to_log(database, *courses(10, 20, seed=1), applied_seq=1)
    train(job_settings, database, "2026-05-02")
    assert set(by_state(database, "candidate")) == KINDS
    assert by_state(database, "live") == {}


def test_learners_without_consent_are_not_learnt_from(job_settings: JobSettings, database: Connection) -> None:
    """Events folded without the personalisation bit are not among the training events."""
    add_to_log(database, *courses(5, 4, seed=1), applied_seq=1)
    add_to_log(database, [99, 99], [100, 101], [FIRST_MS, FIRST_MS + 1], applied_seq=2, consent=2)
    events = model_artifacts.training_events(database)
    assert len(events.learner) == 20
    assert 99 not in events.learner
    newest = model_artifacts.training_events(database, most=3)
    assert newest.item.tolist() == events.item[-3:].tolist()


def test_rollback_brings_an_older_model_back(job_settings: JobSettings, database: Connection) -> None:
    """After promotion the older version can be made live again; its weights are what they were, one is live a kind."""
    bad = useless(database, "ease", datetime.fromtimestamp(FIRST_MS / 1_000, UTC))
    add_to_log(database, *courses(60, 20, seed=1), applied_seq=1)
    train(job_settings, database, "2026-05-01")
    newer = model_artifacts.live_version(database, "ease")
    assert newer != bad
    with database.transaction():
        model_artifacts.make_live(database, bad)
    assert model_artifacts.live_version(database, "ease") == bad
    assert model_artifacts.load(database, bad).items.tolist() == [1, 2]
    assert by_state(database, "retired")["ease"].version == newer
    with pytest.raises(LookupError, match="no model 999"):
        model_artifacts.make_live(database, 999)


def test_similar_items_are_those_that_the_same_learners_took(job_settings: JobSettings, database: Connection) -> None:
    """The cosine artifact names a course's neighbours first."""
    add_to_log(database, *courses(60, 20, seed=1), applied_seq=1)
    job_runs.register(database, "similar-items", "recommendation", ["2026-05-01"])
    assert carry_out(JOBS["similar-items"], "2026-05-01", job_settings) == "done"
    version = model_artifacts.live_version(database, "cosine")
    model = model_artifacts.load(database, version)
    nearest = model.items[model.ids[:, 0]]
    distance = np.abs(nearest - model.items) % 40
    assert (np.minimum(distance, 40 - distance) <= 3).mean() > 0.8


def test_old_models_are_pruned_but_not_the_live_one(job_settings: JobSettings, database: Connection) -> None:
    """Five candidates of a kind are kept besides the live model, however old that is."""
    until = datetime.fromtimestamp(FIRST_MS / 1_000, UTC)
    live = useless(database, "ease", until)
    model = model_artifacts.load(database, live)
    metrics = {"ndcg": 0.0}
    later = [
        model_artifacts.store(database, "ease", model, trained_until=until, events=1, metrics=metrics) for _ in range(8)
    ]
    assert model_artifacts.prune(database) == 3
    assert {each.version for each in model_artifacts.artifacts(database)} == {live, *later[3:]}


def test_artifacts_hold_no_pickle(job_settings: JobSettings, database: Connection) -> None:
    """A body is a zip of .npy arrays of numbers, and one with objects in it is refused."""
    import io
    import zipfile

    useless(database, "ease", datetime.fromtimestamp(FIRST_MS / 1_000, UTC))
    (body,) = database.execute("SELECT body FROM model_artifact").fetchone()
    with zipfile.ZipFile(io.BytesIO(body)) as archive:
        assert {name.removesuffix(".npy") for name in archive.namelist()} == set(ItemWeights._fields)
        for name in archive.namelist():
            head = archive.read(name)[:128]
            assert head.startswith(b"\x93NUMPY")
            assert b"'|O'" not in head
    file = io.BytesIO()
    np.savez(file, items=np.array([object()]), ids=np.zeros((1, 1)), weights=np.zeros((1, 1)))
    with pytest.raises(ValueError, match="pickle"):
        model_artifacts.decode(file.getvalue())
