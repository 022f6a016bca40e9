r"""Can a small network order the blend's best 64 better than the blend? A gated correction, learnt online with replay.

For the blend's best candidates x with features f_x and blend scores z_x, a one-layer network adds a correction

    m_x = v . relu(W [f_x, bucket, (z_x - z_best) / 5, softmax(z)_x] + c),   final score = z_x + m_x

and learns on the same listwise logistic loss as the blend (p = softmax(z + m)), by Adam (Kingma and Ba, ICLR 2015),
from each new event and from 5 lists drawn from the last 3,000. v starts at 0, so the network starts as the blend
itself. Fading means of the NDCG@10 of both orders (over about 2,000 events) decide which one is served: the gate.
Lists in the replay memory are kept as 16-bit fixed-point numbers (1/8192), 17 MB in all. Cost: 15 us to apply, 0.2 ms
to learn.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.recommendation.blend import BUCKETS, FEATURES
from models.recommendation.compiled import compiled

TOP = 64
HIDDEN = 48
MEMORY = 3_000
REPLAY = 5
FIRST_REPLAY = 50  # lists in memory before replay starts
RATE, DECAY = 0.002, 1e-3
RATE_STEPS = 3_000.0  # the rate falls as 1 / sqrt(1 + steps / RATE_STEPS)
BETA_1, BETA_2, EPSILON = 0.9, 0.999, 1e-8
STORED = FEATURES + 2
INPUTS = FEATURES + 2 + BUCKETS
FIXED_POINT = 8192.0
GATE_RATE = 1.0 / 2000.0
GATE_EVENTS = 500  # judged lists before the network may be served
_LIMIT = 32767.0


class Reranker(NamedTuple):
    """What the network has learnt. D inputs, H hidden units; ``mean_*``, ``square_*`` are Adam's moments."""

    w: NDArray[np.float32]  # (D, H)
    c: NDArray[np.float32]  # (1, H)
    v: NDArray[np.float32]  # (H, 1)
    mean_w: NDArray[np.float32]
    mean_c: NDArray[np.float32]
    mean_v: NDArray[np.float32]
    square_w: NDArray[np.float32]
    square_c: NDArray[np.float32]
    square_v: NDArray[np.float32]
    memory: NDArray[np.int16]  # (MEMORY, TOP, STORED) fixed point
    memory_score: NDArray[np.float32]  # (MEMORY, TOP) the blend's scores
    memory_list: NDArray[np.int16]  # (MEMORY, 3) length, target, bucket
    steps: NDArray[np.int64]  # (3,) Adam steps, lists remembered ever, state of the draw
    gate: NDArray[np.float64]  # (3,) NDCG@10 of the blend, of the network, lists judged


def new_reranker(seed: int) -> Reranker:
    """Return a network whose first layer is drawn with ``seed`` and whose correction is 0."""
    shapes = ((INPUTS, HIDDEN), (1, HIDDEN), (HIDDEN, 1))
    w = np.random.default_rng(seed).normal(size=shapes[0]) * 1.5 / np.sqrt(INPUTS)
    mean_w, mean_c, mean_v, square_w, square_c, square_v = (
        np.zeros(shape, np.float32) for _ in range(2) for shape in shapes
    )
    return Reranker(
        w=w.astype(np.float32),
        c=np.zeros(shapes[1], np.float32),
        v=np.zeros(shapes[2], np.float32),
        mean_w=mean_w,
        mean_c=mean_c,
        mean_v=mean_v,
        square_w=square_w,
        square_c=square_c,
        square_v=square_v,
        memory=np.zeros((MEMORY, TOP, STORED), np.int16),
        memory_score=np.zeros((MEMORY, TOP), np.float32),
        memory_list=np.zeros((MEMORY, 3), np.int16),
        steps=np.array([0, 0, seed], np.int64),
        gate=np.zeros(3),
    )


@compiled
def is_served(reranker: Reranker) -> bool:
    """Return whether the network's order is the better one so far."""
    return bool(reranker.gate[2] >= GATE_EVENTS and reranker.gate[1] > reranker.gate[0])


@compiled
def network_input(
    features: NDArray[np.float64],
    score: NDArray[np.float64],
    order: NDArray[np.int64],
    n: int,
    bucket: int,
    out: NDArray[np.float32],
) -> None:
    """Write the inputs of the n best candidates to ``out`` (>= n, D); ``order`` gives places by falling ``score``.

    Values are rounded to the fixed point of the memory, so that learning sees exactly what serving saw.
    """
    best = score[order[0]]
    total = 0.0
    for k in range(n):
        total += np.exp(score[order[k]] - best)
    for k in range(n):
        place = order[k]
        difference = score[place] - best
        for f in range(STORED):
            if f < FEATURES:
                value = features[place, f]
            else:
                value = difference / 5.0 if f == FEATURES else np.exp(difference) / total
            out[k, f] = np.rint(min(_LIMIT, max(-_LIMIT, value * FIXED_POINT))) / FIXED_POINT
        for b in range(BUCKETS):
            out[k, STORED + b] = 1.0 if b == bucket else 0.0


@compiled
def correction(reranker: Reranker, x: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return m (n, 1) of inputs (n, D)."""
    m: NDArray[np.float32] = np.dot(np.maximum(np.dot(x, reranker.w) + reranker.c, np.float32(0.0)), reranker.v)
    return m


@compiled
def _recall(reranker: Reranker, place: int) -> NDArray[np.float32]:
    """Return the inputs of a remembered list."""
    n = reranker.memory_list[place, 0]
    x = np.zeros((n, INPUTS), np.float32)
    for k in range(n):
        for f in range(STORED):
            x[k, f] = reranker.memory[place, k, f] / FIXED_POINT
        x[k, STORED + reranker.memory_list[place, 2]] = 1.0
    return x


@compiled
def remember_list(
    reranker: Reranker,
    x: NDArray[np.float32],
    n: int,
    score: NDArray[np.float64],
    order: NDArray[np.int64],
    target: int,
    bucket: int,
) -> int:
    """Keep a list of n inputs in place of the oldest; ``target`` is a place in ``x``. Return where it is kept."""
    place = reranker.steps[1] % MEMORY
    reranker.steps[1] += 1
    reranker.memory_list[place, 0] = n
    reranker.memory_list[place, 1] = target
    reranker.memory_list[place, 2] = bucket
    for k in range(n):
        reranker.memory_score[place, k] = score[order[k]]
        for f in range(STORED):
            reranker.memory[place, k, f] = np.int16(np.rint(x[k, f] * FIXED_POINT))
    return int(place)


@compiled
def _gradient(
    reranker: Reranker, place: int, g_w: NDArray[np.float32], g_c: NDArray[np.float32], g_v: NDArray[np.float32]
) -> None:
    """Add the gradient of the listwise loss of one remembered list."""
    x = _recall(reranker, place)
    hidden = np.maximum(np.dot(x, reranker.w) + reranker.c, np.float32(0.0))
    m = np.dot(hidden, reranker.v)
    n = x.shape[0]
    p = np.empty((n, 1), np.float32)
    highest = -np.inf
    for k in range(n):
        p[k, 0] = m[k, 0] + reranker.memory_score[place, k]
        highest = max(highest, p[k, 0])
    total = 0.0
    for k in range(n):
        p[k, 0] = np.exp(p[k, 0] - highest)
        total += p[k, 0]
    for k in range(n):
        p[k, 0] /= total
    p[reranker.memory_list[place, 1], 0] -= 1.0
    g_v += np.dot(np.ascontiguousarray(hidden.T), p)
    back = p * np.ascontiguousarray(reranker.v.T)
    for k in range(n):
        for h in range(HIDDEN):
            if hidden[k, h] <= 0.0:
                back[k, h] = 0.0
            g_c[0, h] += back[k, h]
    g_w += np.dot(np.ascontiguousarray(x.T), back)


@compiled
def _adam(
    weight: NDArray[np.float32],
    mean: NDArray[np.float32],
    square: NDArray[np.float32],
    gradient: NDArray[np.float32],
    lists: int,
    step: int,
) -> None:
    bias_1, bias_2 = 1.0 - BETA_1**step, 1.0 - BETA_2**step
    rate = RATE / np.sqrt(1.0 + step / RATE_STEPS)
    for a in range(weight.shape[0]):
        for b in range(weight.shape[1]):
            g = gradient[a, b] / lists + DECAY * weight[a, b]
            mean[a, b] += (1.0 - BETA_1) * (g - mean[a, b])
            square[a, b] += (1.0 - BETA_2) * (g * g - square[a, b])
            weight[a, b] -= rate * (mean[a, b] / bias_1) / (np.sqrt(square[a, b] / bias_2) + EPSILON)


@compiled
def train(reranker: Reranker, newest: int) -> None:
    """Take one step from the list at place ``newest`` (-1 = none) and, once there are enough, from replayed ones."""
    held = min(reranker.steps[1], MEMORY)
    g_w, g_c, g_v = np.zeros_like(reranker.w), np.zeros_like(reranker.c), np.zeros_like(reranker.v)
    lists = 0
    if newest >= 0:
        _gradient(reranker, newest, g_w, g_c, g_v)
        lists += 1
    if held > FIRST_REPLAY:
        for _ in range(REPLAY):
            # Linear congruential draw (Knuth's MMIX constants); its state is part of the snapshot.
            reranker.steps[2] = reranker.steps[2] * 6364136223846793005 + 1442695040888963407
            _gradient(reranker, ((reranker.steps[2] >> 33) & 0x3FFFFFFF) % held, g_w, g_c, g_v)
            lists += 1
    if lists == 0:
        return
    reranker.steps[0] += 1
    step = reranker.steps[0]
    _adam(reranker.w, reranker.mean_w, reranker.square_w, g_w, lists, step)
    _adam(reranker.c, reranker.mean_c, reranker.square_c, g_c, lists, step)
    _adam(reranker.v, reranker.mean_v, reranker.square_v, g_v, lists, step)


@compiled
def judge_gate(reranker: Reranker, rank_blend: int, rank_network: int) -> None:
    """Let the gate see the ranks (from 0) that both orders gave to what the learner took."""
    reranker.gate[2] += 1.0
    rate = max(GATE_RATE, 1.0 / reranker.gate[2])
    for way, rank in ((0, rank_blend), (1, rank_network)):
        gain = 1.0 / np.log2(rank + 2.0) if rank < 10 else 0.0
        reranker.gate[way] += rate * (gain - reranker.gate[way])
