"""Worker, recommender and a real database: kills, following, lists, claims, erasure, control and cold starts."""

from __future__ import annotations

import datetime as dt
import random
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from recommender_kit import Bench, differences

from models.recommendation import sources
from models.recommendation.item_weights import largest
from models.recommendation.recommender import Recommender
from models.recommendation.tables import Capacity, Tables
from projections import model_artifacts
from projections.poll import TopicPartition
from projections.recommender import progress, reasons, weights
from projections.recommender.engine import Fenced
from projections.recommender.pieces import piece_of
from projections.recommender.state import State


def fill(bench: Bench, events: int = 400, learners: int = 30, seed: int = 3) -> None:
    """A catalogue of 40 articles, and learners who walk through it."""
    draw = random.Random(seed)
    for item in range(40):
        topic = "algebra" if item % 2 else "chess"
        bench.log.content(f"a-{item}", f"Article {item} on {topic}", topics=[topic], position=item)
    place = {f"u-{n}": draw.randrange(20) for n in range(learners)}
    for minute in range(events):
        user = draw.choice(sorted(place))
        bench.log.view(user, f"a-{place[user] % 40}", minute)
        place[user] += draw.choice((1, 1, 1, 2, 5))


def replayed(bench: Bench) -> State:
    """The state after folding, once and without a stop, the ranges that were stored, in their order."""
    engine = bench.engine()
    engine.state = State()
    engine.state.item_slots(engine.content.shelf.view.item_key)
    engine.take_likeness(engine.likeness_job(engine.content.shelf.view))
    connection = engine.connection()
    steps: dict[int, list[Any]] = {}
    for step, topic, part, first, end, _ in progress.ranges(connection):
        records = bench.log.records[TopicPartition(topic, part)]
        (decoded,) = bench.log.slices({TopicPartition(topic, part): first}, end - first)
        assert decoded.end == end <= len(records)
        steps.setdefault(step, []).append(piece_of(decoded))
    for _, pieces in sorted(steps.items()):
        engine.state.fold(engine._batch(connection, pieces))
    return engine.state


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_kills_leave_the_state_of_an_uninterrupted_fold(bench: Bench, seed: int) -> None:
    """Whatever is lost between snapshots, the stored state is that of folding the stored ranges once, bit for bit."""
    draw = random.Random(seed)
    fill(bench)
    bench.work()
    engine = bench.engine()
    for _ in range(60):
        bench.feed(engine, most=draw.randrange(1, 9))
        if draw.random() < 0.3:
            bench.save(engine)
        if draw.random() < 0.2:
            engine = bench.engine()  # the one before is dropped with everything since its last snapshot
    bench.feed(engine)
    bench.save(engine)
    assert bench.ask("SELECT sum(end_offset - first_offset)::int FROM recommender_range") == [(400,)]
    again = bench.engine()
    assert differences(again.state, engine.state) == []
    assert differences(replayed(bench), engine.state) == []


def test_evaluations_are_added_exactly_once(bench: Bench) -> None:
    """Evaluations that were lost with a kill are made again and counted once."""
    fill(bench)
    bench.work()
    engine = bench.engine()
    bench.feed(engine, most=5)
    bench.save(engine)
    bench.feed(engine, most=20)
    engine = bench.engine()
    while bench.feed(engine, most=11):
        bench.save(engine)
    (events,) = bench.ask("SELECT sum(events)::int FROM recommender_evaluation WHERE source = 'hybrid'")[0]
    assert events == int(engine.state.evaluation.mean[5])
    assert events > 100


def test_two_recommenders_cannot_both_store(bench: Bench) -> None:
    """Who lost the partitions to another process is refused at the next snapshot."""
    fill(bench, 50)
    bench.work()
    first = bench.engine()
    bench.feed(first)
    bench.engine()
    with pytest.raises(Fenced):
        bench.save(first)


def test_it_follows_the_worker(bench: Bench) -> None:
    """Records that the worker has not committed wait; then they are folded, and the list says so."""
    fill(bench, 100)
    bench.work()
    engine = bench.engine()
    bench.feed(engine)
    bench.log.view("u-1", "a-39", 2_000)
    assert bench.feed(engine) == 0
    assert engine.waiting.events == 1
    bench.work()
    assert bench.feed(engine) == 1
    needed = """
        SELECT min(r.applied_seq), max(e.applied_seq) FROM learners l JOIN recommendations r USING (learner_key)
        JOIN engagement e USING (learner_key) WHERE l.user_id = 'u-1' AND r.writer = 'recommender'"""
    claimed, applied = bench.ask(needed)[0]
    assert claimed == applied
    assert "a-39" not in bench.items("u-1")


def test_a_list_claims_no_more_than_it_reflects(bench: Bench) -> None:
    """While the worker is ahead a list claims an older transaction, and the newest one once the tables caught up."""
    fill(bench, 60)
    bench.work()
    engine = bench.engine()
    bench.feed(engine)
    bench.log.view("u-1", "a-38", 3_000)
    bench.log.view("u-1", "a-39", 3_001)
    bench.work()
    bench.feed(engine, most=1)
    claim = """
        SELECT r.applied_seq = e.applied_seq FROM learners l JOIN recommendations r USING (learner_key)
        JOIN engagement e USING (learner_key) WHERE l.user_id = 'u-1'"""
    assert bench.ask(claim) == [(False,)]
    bench.feed(engine)
    assert bench.ask(claim) == [(True,)]


def test_terms_sum_to_the_score_and_nothing_had_is_shown(bench: Bench) -> None:
    """For every stored item, the four terms sum to its score; no item that the learner had is in the list."""
    fill(bench)
    bench.work()
    engine = bench.engine()
    bench.feed(engine)
    rows = bench.ask("SELECT scores, terms FROM recommendations WHERE writer = 'recommender'")
    assert len(rows) == 30
    for scores, terms in rows:
        for place, score in enumerate(scores):
            assert sum(terms[4 * place : 4 * place + 4]) == pytest.approx(score, abs=1e-4)
    had = """
        SELECT count(*) FROM recommendations r, unnest(r.item_keys) AS shown
        WHERE EXISTS (SELECT FROM interaction_log i WHERE i.learner_key = r.learner_key AND i.item_key = shown)"""
    assert bench.ask(had) == [(0,)]


def test_an_erased_learner_is_in_no_table_of_the_recommender(bench: Bench) -> None:
    """After an erasure the snapshot does not hold the learner's key, and no list of his is left."""
    fill(bench)
    bench.work()
    engine = bench.engine()
    bench.feed(engine)
    bench.save(engine)
    ((key,),) = bench.ask("SELECT learner_key FROM learners WHERE user_id = 'u-3'")
    assert engine.state.learners.find(key) is not None
    erase = {"command": "EraseRequested", "commandId": "c-1", "userId": "u-3", "issuedAt": "2026-01-01T00:00:00Z"}
    bench.log.put("learner-commands", erase)
    bench.work()
    bench.feed(engine)
    bench.save(engine)
    again = bench.engine()
    assert again.state.learners.find(key) is None
    assert bench.ask("SELECT count(*) FROM recommendations WHERE learner_key = %s", key) == [(0,)]


def test_cold_starts_are_sensible(bench: Bench) -> None:
    """A learner with declared interests only gets what fits them; one without anything gets what is popular."""
    fill(bench)
    profile = {"command": "ProfileSet", "issuedAt": "2026-01-01T00:00:00Z", "learningStyle": "VISUAL"}
    bench.log.put("learner-commands", {**profile, "commandId": "p-1", "userId": "new-1", "interests": ["algebra"]})
    bench.log.put("learner-commands", {**profile, "commandId": "p-2", "userId": "new-2"})
    bench.work()
    engine = bench.engine()
    bench.feed(engine)
    engine.tick()
    fitting, popular = bench.items("new-1"), bench.items("new-2")
    assert len(fitting) == len(popular) == 40
    assert all(int(item[2:]) % 2 for item in fitting[:10])
    assert popular != fitting


def test_new_content_is_shown_without_a_restart(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Content that arrives later reaches lists; withdrawn content leaves them."""
    monkeypatch.setattr("projections.recommender.content_keeper.CONTENT_LOOK_SECONDS", 0.0)
    fill(bench)
    bench.work()
    engine = bench.engine()
    bench.feed(engine)
    bench.log.content("a-new", "Article 41 on algebra", topics=["algebra"], position=41)
    bench.work()
    engine.tick()
    engine.take_likeness(engine.likeness_job(engine.content.changed))
    bench.log.view("u-1", "a-13", 5_000)
    bench.work()
    bench.feed(engine)
    assert "a-new" in bench.items("u-1")


def test_the_worker_writes_hybrid_lists_only_without_a_recommender(bench: Bench) -> None:
    """With a recommender at work the worker leaves its lists alone; when it is silent, the worker writes them again."""
    fill(bench, 60)
    bench.work()
    bench.write_lists()
    writers = "SELECT writer, count(*) FROM recommendations WHERE type = 'hybrid' GROUP BY 1"
    everybody = bench.ask("SELECT count(*) FROM learners")[0][0]
    assert bench.ask(writers) == [("worker", everybody)]
    engine = bench.engine()
    bench.feed(engine)
    bench.write_lists()
    assert bench.ask(writers) == [("recommender", everybody)]
    bench.ask("UPDATE recommender_status SET beat_at = now() - interval '1 minute' RETURNING 1")
    bench.log.view("u-1", "a-39", 4_000)
    bench.work()
    bench.write_lists()
    assert dict(bench.ask(writers)) == {"worker": 1, "recommender": everybody - 1}


def test_events_that_count_nothing_still_renew_the_list(bench: Bench) -> None:
    """After a SKIP or a PROGRESS the list claims to reflect it, so that nobody waits for it in vain."""
    fill(bench, 60)
    bench.work()
    engine = bench.engine()
    bench.feed(engine)
    bench.log.view("u-1", "a-3", 4_000, interactionType="SKIP")
    bench.work()
    bench.feed(engine)
    claim = """
        SELECT r.applied_seq = e.applied_seq FROM learners l JOIN recommendations r USING (learner_key)
        JOIN engagement e USING (learner_key) WHERE l.user_id = 'u-1'"""
    assert bench.ask(claim) == [(True,)]


def test_weights_are_kept_and_rolled_back(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Versions are stored as it learns; a rollback is taken over by the running recommender and stored at once."""
    monkeypatch.setattr(weights, "EVENTS_A_VERSION", 20)
    monkeypatch.setattr("projections.recommender.engine.BEAT_SECONDS", 0.0)
    fill(bench)
    bench.work()
    engine = bench.engine()
    while bench.feed(engine, most=10):
        bench.save(engine)
    connection = engine.connection()
    oldest = weights.versions(connection)[-1]
    wanted = weights.load(connection, oldest.version)
    assert not np.allclose(engine.state.blend.weight, wanted.weight)
    weights.ask_rollback(connection, oldest.version)
    engine.tick()
    assert np.array_equal(engine.state.blend.weight, wanted.weight)
    assert weights.versions(connection)[0].origin == "rollback"
    assert weights.asked(connection) is None
    bench.save(engine)
    assert np.array_equal(bench.engine().state.blend.weight, wanted.weight)
    with pytest.raises(KeyError):
        weights.ask_rollback(connection, 10_000)


def test_the_prior_is_in_use_from_the_start() -> None:
    """A new platform's blend begins with the shipped weights, not with zeros; unknown names are ignored."""
    assert np.array_equal(State().blend.weight, weights.prior().weight)
    assert np.abs(weights.prior().weight).max() > 0.5
    again = weights.decode({**weights.encode(weights.Weights(State().blend.weight, State().blend.square)), "x": 1})
    assert np.array_equal(again.weight, State().blend.weight)


def test_some_lists_try_something_out(bench: Bench) -> None:
    """With exploration for all, the fifth place holds an item tried out, whose propensity the row states."""
    fill(bench)
    opt_out = {"command": "OverrideSet", "commandId": "o-1", "userId": "u-2", "override": {"kind": "optOut"}}
    bench.log.put("learner-commands", {**opt_out, "active": True, "issuedAt": "2026-01-01T00:00:00Z"})
    bench.work()
    bench.feed(bench.engine(exploration_share=1.0))
    rows = bench.ask(
        "SELECT user_id, sources[5], explored_propensity, cardinality(item_keys) FROM recommendations"
        " NATURAL JOIN learners WHERE type = 'hybrid'"
    )
    tried = {user for user, source, *_ in rows if source == reasons.EXPLORED_CODE}
    assert len(tried) > 5
    assert "u-2" not in tried
    for user, source, propensity, _ in rows:
        assert (propensity is not None) == (user in tried) == (source == reasons.EXPLORED_CODE)
        assert propensity is None or 0 < propensity <= 1


def rows_of_ease(tables: Tables, keys: NDArray[np.int64]) -> dict[int, dict[int, float]]:
    """The neighbours of each item with their weights, by the keys of the slots."""
    rows = {}
    for slot, key in enumerate(keys.tolist()):
        length = int(tables.ease.length[slot])
        neighbours = keys[tables.ease.ids[slot, :length]].tolist()
        rows[key] = dict(zip(neighbours, tables.ease.weights[slot, :length, 0].tolist(), strict=True))
    return rows


def test_daily_models_speak_as_soon_as_they_are_live(bench: Bench) -> None:
    """A promoted model becomes a source within a beat, with the rows that the bench would give it; a rollback too."""
    fill(bench)
    bench.work()
    engine = bench.engine()
    bench.feed(engine)
    assert not engine.state.admitted()[sources.EASE]
    keys = np.array([row[0] for row in bench.ask("SELECT item_key FROM content ORDER BY item_key")], np.int64)
    draw = np.random.default_rng(5)
    dense = [np.round(draw.normal(size=(len(keys), len(keys))), 3) for _ in range(2)]

    def look() -> None:
        engine._beat_at = -1e9
        engine.tick()
        engine.take_models(engine.models.job(engine.connection()))

    connection = engine.connection()
    versions = []
    for weights_of in dense:
        model = largest(keys, weights_of, 200)
        until = dt.datetime(2026, 5, 1, tzinfo=dt.UTC)
        version = model_artifacts.store(connection, "ease", model, trained_until=until, events=1, metrics={})
        with connection.transaction():
            model_artifacts.make_live(connection, version)
        versions.append(version)
        look()
        assert engine.models.versions == {"ease": version}
        reference = Recommender(Capacity(items=64, learners=8, pairs=64))
        reference.set_models(keys, weights_of, np.zeros_like(weights_of))
        assert rows_of_ease(engine.state.tables, engine.state.items.keys()) == rows_of_ease(reference.tables, keys)
    assert engine.state.admitted()[sources.EASE]
    assert engine.lists.background  # everybody's list is written again
    with connection.transaction():
        model_artifacts.make_live(connection, versions[0])
    look()
    assert engine.models.versions == {"ease": versions[0]}
    engine._beat_at = -1e9
    engine.tick()
    assert bench.ask("SELECT models FROM recommender_status") == [({"ease": versions[0]},)]
    bench.save(engine)
    again = bench.engine()
    assert again.models.versions == {"ease": versions[0]}
    assert (again.state.tables.ease.length == engine.state.tables.ease.length).all()
    # The daily comparison has found that another kind foretells better: its live version speaks in the same source.
    with connection.transaction():
        other = model_artifacts.store(
            connection, "svd", largest(keys, dense[0], 100), trained_until=until, events=1, metrics={}
        )
        model_artifacts.make_live(connection, other)
        model_artifacts.choose(connection, "ease", "svd", {"ease": 0.1, "svd": 0.2})
    look()
    assert engine.models.versions == {"ease": other}
