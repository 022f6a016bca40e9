"""The recommender as a whole: laws of the fold, obvious rankings, newcomers, explanations, forgetting."""

from __future__ import annotations

import io

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.recommendation.blend import BUCKETS, FEATURES
from models.recommendation.fold import COUNT, LEARN, MEASURE
from models.recommendation.recommender import Capacity, Recommender
from models.recommendation.serving import TERM_NAMES, TERMS
from models.recommendation.sources import ACCUMULATED, NAMES

MINUTE_MS = 60_000
DAY_MS = 86_400_000
NOW_MS = 1_700_000_000_000


def random_log(seed: int, events: int = 300) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Events of 15 learners on 60 items, keys far from slots."""
    rng = np.random.default_rng(seed)
    learner = 10_000 + rng.integers(0, 15, events)
    item = 500 + np.minimum(rng.geometric(0.06, events) - 1, 59)
    at_ms = NOW_MS - 90 * DAY_MS + np.cumsum(rng.choice([5 * MINUTE_MS, DAY_MS // 2], events, p=[0.8, 0.2]))
    return learner.astype(np.int64), item.astype(np.int64), at_ms.astype(np.int64)


def with_catalogue(seed: int = 0) -> Recommender:
    """A recommender that starts small, so that every test also grows it."""
    recommender = Recommender(Capacity(items=8, learners=4, pairs=16), seed=seed)
    recommender.add_items(np.arange(500, 560))
    return recommender


def same_state(one: Recommender, other: Recommender) -> None:
    """Fail unless both snapshots hold equal arrays."""
    left, right = one.snapshot(), other.snapshot()
    assert left.keys() == right.keys()
    for name, array in left.items():
        if name != "capacity":
            np.testing.assert_array_equal(array, right[name], err_msg=name)


@given(st.lists(st.integers(0, 300), max_size=4))
@settings(max_examples=12, deadline=None)
def test_any_split_into_batches_gives_the_same_state(cuts: list[int]) -> None:
    """The splitting law: counts, weights, network and what was seen are equal bit for bit, whatever the batches."""
    learner, item, at_ms = random_log(1)
    whole, split = with_catalogue(), with_catalogue()
    seen = whole.fold(learner, item, at_ms, LEARN)
    parts = np.split(np.arange(300), sorted(cuts))
    ranks = [split.fold(learner[part], item[part], at_ms[part], LEARN).rank for part in parts]
    np.testing.assert_array_equal(np.concatenate(ranks), seen.rank)
    same_state(whole, split)


def test_snapshot_restores_without_pickle_and_goes_on_equal() -> None:
    """A state written to .npz and read without pickle equals the old one, and so does everything that follows."""
    learner, item, at_ms = random_log(2)
    recommender = with_catalogue()
    recommender.set_content(np.arange(500, 560), [f"topic{k % 7} lesson{k % 5} word" for k in range(60)])
    recommender.fold(learner[:200], item[:200], at_ms[:200])
    file = io.BytesIO()
    np.savez(file, **recommender.snapshot())
    file.seek(0)
    with np.load(file, allow_pickle=False) as state:
        restored = Recommender.restore(state)
    same_state(recommender, restored)
    for one in (recommender, restored):
        one.fold(learner[200:], item[200:], at_ms[200:])
    same_state(recommender, restored)
    ours, theirs = recommender.recommend(10_003, NOW_MS), restored.recommend(10_003, NOW_MS)
    np.testing.assert_array_equal(ours.item, theirs.item)
    np.testing.assert_array_equal(ours.terms, theirs.terms)


def test_a_snapshot_of_another_version_is_refused_by_name() -> None:
    """A missing array is named in the error instead of being invented."""
    state = with_catalogue().snapshot()
    del state["tables.near.weights"]
    with pytest.raises(ValueError, match=r"tables\.near\.weights"):
        Recommender.restore(state)


def test_recommending_changes_nothing() -> None:
    """Lists are read-outs: the state is the same before and after, and the same list comes twice."""
    learner, item, at_ms = random_log(3)
    recommender = with_catalogue()
    recommender.fold(learner, item, at_ms)
    before = recommender.snapshot()
    first, second = (recommender.recommend(10_001, NOW_MS) for _ in range(2))
    np.testing.assert_array_equal(first.score, second.score)
    after = recommender.snapshot()
    for name, array in before.items():
        np.testing.assert_array_equal(array, after[name], err_msg=name)


def test_terms_sum_to_the_score_and_families_too() -> None:
    """Score = sum of the terms = sum of the four families, for every place; lists fall; nothing taken is in them."""
    learner, item, at_ms = random_log(4, events=900)
    recommender = with_catalogue()
    recommender.fold(learner, item, at_ms)
    recommender.reranker.gate[:] = (0.1, 0.2, 1_000.0)  # the network is served, so its correction has to be a term
    list_ = recommender.recommend(10_005, NOW_MS)
    assert len(list_) > 5
    assert list_.terms.shape == (len(list_), TERMS)
    np.testing.assert_allclose(list_.terms.sum(axis=1), list_.score, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(list_.families().sum(axis=1), list_.score, rtol=1e-9, atol=1e-9)
    assert (np.diff(list_.score) <= 0).all()
    assert list_.terms[:, TERM_NAMES.index("network")].any()
    assert not set(list_.item.tolist()) & set(item[learner == 10_005].tolist())
    relevance = list_.relevance()
    assert relevance[0] == 1.0
    assert (np.diff(relevance) <= 0).all()
    assert list_.probability().sum() == pytest.approx(1.0)


def test_reasons_are_the_largest_terms() -> None:
    """The first reason is the wording of the source with the largest term."""
    learner, item, at_ms = random_log(5, events=600)
    recommender = with_catalogue()
    recommender.fold(learner, item, at_ms)
    list_ = recommender.recommend(10_002, NOW_MS)
    terms = list_.named_terms(0)
    largest = max((name for name in terms if name in NAMES), key=lambda name: terms[name])
    from models.recommendation.sources import SOURCES

    assert list_.reasons(0)[0] == SOURCES[NAMES.index(largest)].reason
    assert list_.reasons(0, limit=1) == list_.reasons(0)[:1]


def walks(recommender: Recommender, learners: range) -> None:
    """Every learner takes 500, 501, ..., 509 in this order, a minute apart, a learner a day."""
    for learner in learners:
        start = NOW_MS - (100 - learner) * DAY_MS
        items = np.arange(500, 510)
        recommender.fold(np.full(10, learner), items, start + np.arange(10) * MINUTE_MS, LEARN)


def test_the_obvious_next_item_comes_first() -> None:
    """After forty learners went 500, 501, ..., who took 503 and 504 is shown 505 first, then 506."""
    recommender = with_catalogue()
    walks(recommender, range(40))
    recommender.fold(np.array([77, 77]), np.array([503, 504]), np.array([NOW_MS - 2 * MINUTE_MS, NOW_MS - MINUTE_MS]))
    assert recommender.recommend(77, NOW_MS).item[:2].tolist() == [505, 506]


def test_ranks_on_the_way_are_the_ranks_of_the_lists() -> None:
    """What the fold logs for an event is where the list of a moment before had the item."""
    recommender = with_catalogue()
    walks(recommender, range(30))
    recommender.fold(np.array([77, 77]), np.array([503, 505]), np.array([NOW_MS - 2 * MINUTE_MS, NOW_MS - MINUTE_MS]))
    before = recommender.recommend(77, NOW_MS, limit=300, known_only=True).item.tolist()
    seen = recommender.fold(np.array([77]), np.array([506]), np.array([NOW_MS]), MEASURE)
    assert seen.rank[0] == before.index(506)
    assert [500 + slot for slot in seen.shown[0].tolist() if slot >= 0] == before[:10]
    assert (seen.source_rank[0, :ACCUMULATED] >= 0).all()


def test_events_that_teach_nothing_are_only_counted() -> None:
    """Mode COUNT moves counts, not weights, and leaves no rank."""
    learner, item, at_ms = random_log(6)
    recommender = with_catalogue()
    seen = recommender.fold(learner, item, at_ms, COUNT)
    assert recommender.tables.items.events.sum() == 300
    assert not recommender.blend.weight.any()
    assert (seen.rank == -1).all()


def test_newcomers_get_what_is_popular_now_then_the_rest_of_the_catalogue() -> None:
    """An unknown learner gets this month's popular items first, never an empty or short list."""
    recommender = with_catalogue()
    old, new = NOW_MS - 300 * DAY_MS, NOW_MS - DAY_MS
    recommender.fold(np.arange(8), np.full(8, 510), np.full(8, old), COUNT)
    recommender.fold(np.arange(8, 11), np.full(3, 520), np.full(3, new), COUNT)
    list_ = recommender.recommend(999, NOW_MS, limit=20)
    assert list_.item[:2].tolist() == [520, 510]
    assert len(set(list_.item.tolist())) == 20
    np.testing.assert_allclose(list_.terms.sum(axis=1), list_.score)
    assert list_.reasons(0)[0] == "Popular with learners this month"


def test_an_empty_log_lists_the_catalogue() -> None:
    """Without a single event the list is the catalogue in its order."""
    assert with_catalogue().recommend(1, NOW_MS, limit=3).item.tolist() == [500, 501, 502]


def test_a_new_item_comes_in_by_its_content() -> None:
    """An item without events is listed for who took items like it, unless only known items are asked for."""
    recommender = with_catalogue()
    subjects = ("excel tables", "team meetings", "mail folders", "slide design", "note taking", "cloud files")
    texts = [f"{subjects[k % 6]} lesson{k}" for k in range(60)]
    texts[59] = f"new {subjects[1]}"
    recommender.set_content(np.arange(500, 560), texts)
    learner, item, at_ms = random_log(7)
    recommender.fold(learner, np.minimum(item, 558), at_ms)
    recommender.fold(np.array([77]), np.array([501]), np.array([NOW_MS - MINUTE_MS]))
    assert 559 in recommender.recommend(77, NOW_MS).item.tolist()
    assert 559 not in recommender.recommend(77, NOW_MS, known_only=True).item.tolist()


def test_forgetting_a_learner_leaves_no_trace_of_him() -> None:
    """After forgetting, ring, pairs and takers hold nothing of the learner; others keep theirs."""
    learner, item, at_ms = random_log(8)
    recommender = with_catalogue()
    recommender.fold(learner, item, at_ms)
    slot = list(dict.fromkeys(learner.tolist())).index(10_004)
    other = recommender.recommend(10_001, NOW_MS).item.tolist()
    recommender.forget(10_004)
    tables = recommender.tables
    assert tables.histories.ring_length[slot] == 0
    assert not tables.histories.ring_item[slot].any()
    assert not ((tables.histories.taken >> 32) - 1 == slot).any()
    width = tables.takers.learner.shape[1]
    for row, total in zip(tables.takers.learner, tables.takers.total, strict=True):
        assert slot not in row[: min(total, width)]
    assert set(recommender.recommend(10_001, NOW_MS).item.tolist()) & set(other)
    assert recommender.recommend(10_004, NOW_MS).reasons(0)[0] == "Popular with learners this month"


def test_rows_are_bounded() -> None:
    """Memory of an item does not depend on the log, and is below 16 KB."""
    recommender = with_catalogue()
    before = recommender.bytes_per_item()
    learner, item, at_ms = random_log(9)
    recommender.fold(learner, item, at_ms)
    assert recommender.bytes_per_item() == pytest.approx(before, rel=0.2)
    assert recommender.bytes_per_item() < 16_384


def test_admission_and_prior_are_checked() -> None:
    """An unknown source and a prior of another shape are refused with a fix in the message."""
    with pytest.raises(ValueError, match="known are co"):
        Recommender().admit(["nonsense"])
    with pytest.raises(ValueError, match=str(FEATURES)):
        Recommender(prior=np.zeros((2, 2)))
    prior = np.ones((1 + BUCKETS, FEATURES))
    assert Recommender(prior=prior).blend.weight.sum() == prior.size


def test_a_source_that_is_not_admitted_has_no_term() -> None:
    """Only admitted sources bring candidates and terms."""
    learner, item, at_ms = random_log(10)
    recommender = with_catalogue()
    recommender.admit(["co", "pop"])
    recommender.fold(learner, item, at_ms)
    names = set(recommender.recommend(10_001, NOW_MS).named_terms(0))
    assert names <= {"co", "pop", "recency", "network"}
    assert set(recommender.source_lists(10_001, NOW_MS)) == {"co", "pop"}


def test_a_lasting_list_adds_lasting_taste_to_the_blend() -> None:
    """Its terms sum to its score, and differ from the blend's terms in ``ease`` and ``coset`` alone, upwards."""
    learner, item, at_ms = random_log(11, events=400)
    recommender = with_catalogue()
    recommender.fold(learner, item, at_ms)
    lasting = recommender.recommend_lasting(10_003, NOW_MS)
    usual = recommender.recommend(10_003, NOW_MS, 300, known_only=True)
    np.testing.assert_allclose(lasting.terms.sum(axis=1), lasting.score)
    assert (np.diff(lasting.score) <= 0).all()
    assert set(lasting.item.tolist()) == set(usual.item.tolist())
    place = {key: k for k, key in enumerate(usual.item.tolist())}
    change = lasting.terms - usual.terms[[place[key] for key in lasting.item.tolist()]]
    coset = TERM_NAMES.index("coset")
    assert change[:, coset].max() == pytest.approx(1.0)
    change[:, [coset, TERM_NAMES.index("ease")]] = 0.0
    np.testing.assert_allclose(change, 0.0, atol=1e-9)
    assert recommender.recommend_lasting(999, NOW_MS, 5).reasons(0)[0] == "Popular with learners this month"
