"""The re-ranking network: it learns what a linear blend can't, starts silent, and is served only when it is better."""

from __future__ import annotations

import numpy as np

from models.recommendation.blend import FEATURES
from models.recommendation.reranker import (
    GATE_EVENTS,
    INPUTS,
    MEMORY,
    correction,
    is_served,
    judge_gate,
    network_input,
    new_reranker,
    remember_list,
    train,
)


def test_a_new_network_corrects_nothing() -> None:
    """Before it has learnt, the correction is 0 for any input."""
    inputs = np.random.default_rng(1).random((5, INPUTS)).astype(np.float32)
    assert not correction(new_reranker(0), inputs).any()


def test_inputs_survive_the_memory_exactly() -> None:
    """What serving sees and what the memory keeps are the same numbers: inputs are multiples of 1 / 8192."""
    rng = np.random.default_rng(2)
    features, score = rng.random((8, FEATURES)), rng.normal(size=8)
    order = np.argsort(-score)
    inputs = np.zeros((64, INPUTS), np.float32)
    network_input(features, score, order, 8, 3, inputs)
    reranker = new_reranker(0)
    place = remember_list(reranker, inputs, 8, score, order, 5, 3)
    kept = reranker.memory[place, :8] / 8192.0
    np.testing.assert_array_equal(kept.astype(np.float32), inputs[:8, : FEATURES + 2])
    assert reranker.memory_list[place].tolist() == [8, 5, 3]
    np.testing.assert_array_equal(inputs[:8, FEATURES + 2 :].argmax(axis=1), 3)


def test_it_learns_an_exclusive_or() -> None:
    """Where what is taken has exactly one of two features, which no linear score finds, the network finds it."""
    rng = np.random.default_rng(3)
    reranker = new_reranker(1)
    pairs = np.array([[0.0, 0.0], [1.0, 1.0], [0.0, 1.0], [1.0, 0.0]])
    inputs = np.zeros((64, INPUTS), np.float32)
    order, hits = np.arange(3), 0
    for step in range(1_500):
        chosen = np.array([0, 1, rng.integers(2, 4)])
        rng.shuffle(chosen)
        features = np.zeros((3, FEATURES))
        features[:, :2] = pairs[chosen]
        network_input(features, np.zeros(3), order, 3, 0, inputs)
        target = int(np.flatnonzero(chosen >= 2)[0])
        if step >= 1_400:
            hits += int(correction(reranker, inputs[:3]).argmax()) == target
        train(reranker, remember_list(reranker, inputs, 3, np.zeros(3), order, target, 0))
    assert hits >= 95


def test_the_memory_holds_the_newest_lists() -> None:
    """The memory is a ring: the list after the last place overwrites the oldest."""
    reranker = new_reranker(0)
    inputs = np.zeros((64, INPUTS), np.float32)
    places = [remember_list(reranker, inputs, 1, np.zeros(1), np.zeros(1, np.int64), 0, 0) for _ in range(MEMORY + 2)]
    assert places[-2:] == [0, 1]


def test_the_gate_opens_only_for_a_better_order() -> None:
    """The network is served after enough lists in which it ranked better, and no longer once it ranks worse."""
    reranker = new_reranker(0)
    for _ in range(GATE_EVENTS - 1):
        judge_gate(reranker, 3, 0)
    assert not is_served(reranker)
    judge_gate(reranker, 3, 0)
    assert is_served(reranker)
    for _ in range(5_000):
        judge_gate(reranker, 0, 3)
    assert not is_served(reranker)
