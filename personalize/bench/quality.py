"""How good are the recommendations on a real log?  Replays it through the product's own folds and ranks what came next.

Two protocols:

- ``prequential``: events in order of (time, learner id, item id). State at an event uses only events before it. The
  first 30 % are not counted; weights learn from 5 % on. An event is counted if its learner has a history and the item
  is new to him. Candidates are all items that have had an event, minus the learner's own; an item never seen before is
  a miss. Of large logs every k-th event is counted, and weights learn from those alone unless ``learn_from="all"``.
- ``temporal-split``: each learner's first 80 % of events by time train, the last 20 % test. State is frozen; positives
  alone feed the sources; whatever the learner had in training, at any rating, is left out of his list. It asks for a
  set, not for the next item, so ``hybrid`` is the list for the weeks to come; ``hybrid_next`` is the usual one.

    python -m personalize.bench.quality --data ../shared/data/mars --protocol prequential --json quality.json
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from models.recommendation.ease import MOST_ITEMS, most_taken, train_ease
from models.recommendation.fold import COUNT, LEARN, MEASURE, UNRANKED, Seen
from models.recommendation.metrics import coverage, hit_rate, ndcg, set_ndcg, set_recall
from models.recommendation.next_item_ridge import train_ridge
from models.recommendation.recommender import Recommender
from models.recommendation.sources import NAMES, POPULAR, POPULAR_7, POPULAR_30
from models.recommendation.tables import Capacity
from personalize.bench.datasets import Log, read
from personalize.bench.list_checks import calibration, coverage_floor
from personalize.bench.progress import progress
from personalize.bench.report import Figure, Report, percentile

Protocol = Literal["prequential", "temporal-split"]
Done = Callable[[int], None]
WARM_UP = 0.3
LEARN_FROM = 0.05
TRAINING_EVERY = 0.05  # of the log: how often the daily models are trained
COUNTED_LIMIT = 10_000
TRAIN_SHARE = 0.8
HISTORY_NAMES = ("1", "2_to_4", "5_to_19", "20_up")
TIMED_LISTS = 1_000


@dataclass(frozen=True, slots=True)
class _Stream:
    """The positive events of a log. n events."""

    learner: NDArray[np.int64]
    item: NDArray[np.int64]
    at_ms: NDArray[np.int64]
    counted: NDArray[np.bool_]  # has a history, the item is new to the learner, past the warm-up, in the sample
    teaches: NDArray[np.bool_]  # weights learn from it
    newcomer: NDArray[np.bool_]  # first event of a learner, past the warm-up


def run(
    data: Path,
    protocol: Protocol = "prequential",
    every: int | None = None,
    learn_from: Literal["counted", "all"] = "counted",
    only: tuple[str, ...] = (),
) -> dict[str, Figure]:
    """Return the figures of one log.

    Args:
        data: a folder of a layout that ``datasets`` knows.
        protocol: which of the two protocols.
        every: count every k-th event; by default as many as keep the counted events below 10,000.
        learn_from: whether weights learn from the counted events alone or from all; prequential only.
        only: names of the sources that may speak; empty for all.

    Raises:
        DatasetError: the folder can't be read.
        ValueError: unknown protocol or source.
    """
    if protocol not in ("prequential", "temporal-split"):
        raise ValueError(f"unknown protocol {protocol!r}; known are prequential and temporal-split")
    log = read(data)
    recommender = _recommender(log, only)
    if protocol == "prequential":
        return _prequential(log, recommender, every, learn_from)
    return _temporal_split(log, recommender)


def _recommender(log: Log, only: tuple[str, ...]) -> Recommender:
    """Return a recommender that knows the catalogue (static, hence known in advance) and no event."""
    recommender = Recommender(Capacity(items=log.items, learners=log.learners, pairs=len(log) + 1))
    recommender.set_content(np.arange(log.items, dtype=np.int64), log.texts)
    if only:
        recommender.admit(only)
    return recommender


def _stream(log: Log, every: int | None, learn_from: str) -> _Stream:
    learner, item = log.learner[log.positive].astype(np.int64), log.item[log.positive].astype(np.int64)
    n = len(learner)
    place = np.arange(n)
    _, first_of_learner = np.unique(learner, return_index=True)
    _, first_of_pair = np.unique(learner * np.int64(log.items) + item, return_index=True)
    newcomer, new_pair = np.zeros(n, np.bool_), np.zeros(n, np.bool_)
    newcomer[first_of_learner] = True
    new_pair[first_of_pair] = True
    eligible = ~newcomer & new_pair
    late = place >= WARM_UP * n
    step = every or max(1, -(-int((eligible & late).sum()) // COUNTED_LIMIT))
    sampled = eligible & (place % step == 0)
    teaches = (eligible if learn_from == "all" else sampled) & (place >= LEARN_FROM * n)
    return _Stream(learner, item, log.at_ms[log.positive], sampled & late, teaches, newcomer & late)


def _fold(stream: _Stream, recommender: Recommender, done: Done) -> tuple[Seen, float, float]:
    """Fold the stream, training the daily models on the way; return what was seen, seconds of folding, of training."""
    n = len(stream.learner)
    mode = np.where(stream.counted | stream.newcomer, MEASURE, np.where(stream.teaches, LEARN, COUNT)).astype(np.int8)
    edges = np.unique(np.linspace(0, n, round(1 / TRAINING_EVERY) + 1).astype(int))
    parts: list[Seen] = []
    fold_seconds = train_seconds = 0.0
    recommender.fold(stream.learner[:0], stream.item[:0], stream.at_ms[:0], mode[:0])  # compiles, outside the clock
    for start, stop in pairwise(edges.tolist()):
        begun = time.thread_time()
        if start > 0:
            train_models(recommender, stream.learner[:start], stream.item[:start])
        trained = time.thread_time()
        part = slice(start, stop)
        parts.append(recommender.fold(stream.learner[part], stream.item[part], stream.at_ms[part], mode[part]))
        train_seconds += trained - begun
        fold_seconds += time.thread_time() - trained
        done(stop)
    seen = Seen(*(np.concatenate(columns) for columns in zip(*parts, strict=True)))
    return seen, fold_seconds, train_seconds


def train_models(recommender: Recommender, learner: NDArray[np.int64], item: NDArray[np.int64]) -> None:
    """Train the daily item-item models on events in order and install them, as the nightly job does."""
    u, i = learner.astype(np.int32), item.astype(np.int32)
    items = most_taken(i, MOST_ITEMS)
    recommender.set_models(items, train_ease(u, items, i), train_ridge(u, items, i))


def _prequential(log: Log, recommender: Recommender, every: int | None, learn_from: str) -> dict[str, Figure]:
    stream = _stream(log, every, learn_from)
    with progress(f"quality {log.name}", len(stream.learner)) as done:
        seen, fold_seconds, train_seconds = _fold(stream, recommender, done)
    counted = np.flatnonzero(stream.counted)
    figures: dict[str, Figure] = {
        "data": log.name,
        "protocol": "prequential",
        "learn_from": learn_from,
        "events": len(stream.learner),
        "evaluations": len(counted),
    }
    ways = {"hybrid": seen.rank, "hybrid_blend_only": seen.blend_rank, "hybrid_network": seen.network_rank}
    ways |= {name: seen.source_rank[:, k] for k, name in enumerate(NAMES) if recommender.admitted[k]}
    for name, ranks in ways.items():
        figures |= _pair(name, ranks[counted])
    figures |= _by_kind(seen, stream, counted)
    figures |= _shown(seen, stream, counted)
    figures |= calibration(seen, recommender.admitted)
    figures |= coverage_floor(recommender, len(np.unique(stream.item)))
    figures["events_per_second"] = len(stream.learner) / max(1e-9, fold_seconds)
    figures["fold_seconds"] = fold_seconds
    figures["daily_models_train_seconds"] = train_seconds
    return figures | _costs(stream, recommender)


def _pair(name: str, rank: NDArray[np.int32]) -> dict[str, Figure]:
    return {f"{name}_hr_at_10": hit_rate(rank), f"{name}_ndcg_at_10": ndcg(rank)}


def _by_kind(seen: Seen, stream: _Stream, counted: NDArray[np.int64]) -> dict[str, Figure]:
    """Return the hybrid by length of history and session, and newcomers by popularity."""
    figures: dict[str, Figure] = {}
    bucket = seen.bucket[counted]
    for k, name in enumerate(HISTORY_NAMES):
        rows = counted[(bucket >= 0) & (bucket % len(HISTORY_NAMES) == k)]
        figures |= _pair(f"hybrid_history_{name}", seen.rank[rows])
        figures[f"history_{name}_evaluations"] = len(rows)
    for name, chosen in (("same_session", bucket < len(HISTORY_NAMES)), ("new_session", bucket >= len(HISTORY_NAMES))):
        rows = counted[chosen]
        figures |= _pair(f"hybrid_{name}", seen.rank[rows])
        figures[f"{name}_evaluations"] = len(rows)
    newcomers = np.flatnonzero(stream.newcomer)
    figures["no_history_evaluations"] = len(newcomers)
    for name, source in (("pop", POPULAR), ("pop30", POPULAR_30), ("pop7", POPULAR_7)):
        rank = seen.source_rank[newcomers, source]
        figures |= _pair(f"no_history_{name}", rank[rank != UNRANKED])
    return figures


def _shown(seen: Seen, stream: _Stream, counted: NDArray[np.int64]) -> dict[str, Figure]:
    """Return coverage, and popularity (final count of events) of what was shown against what was taken."""
    popularity = np.bincount(stream.item)
    shown = seen.shown[counted]
    return {
        "hybrid_coverage_at_10": coverage(shown, int((popularity > 0).sum())),
        "hybrid_mean_popularity_of_shown_events": float(popularity[shown[shown >= 0]].mean()),
        "mean_popularity_of_taken_events": float(popularity[stream.item[counted]].mean()),
        "mean_candidates": float(seen.candidates[counted].mean()),
        "target_in_candidates_share": float((seen.rank[counted] < seen.candidates[counted]).mean()),
    }


def _costs(stream: _Stream, recommender: Recommender) -> dict[str, Figure]:
    """Return what one list and one counted event cost, by the thread's own clock, and the memory of an item."""
    at_ms = int(stream.at_ms[-1])
    learners = np.unique(stream.learner)
    chosen = learners[np.linspace(0, len(learners) - 1, min(TIMED_LISTS, len(learners))).astype(int)]
    recommender.recommend_many(chosen[:1], at_ms)
    taken_us: list[float] = []
    for learner in chosen:
        begun = time.thread_time_ns()
        recommender.recommend_many(np.array([learner]), at_ms)
        taken_us.append((time.thread_time_ns() - begun) / 1000)
    copy = Recommender.restore(recommender.snapshot())
    last = slice(max(0, len(stream.learner) - 5_000), None)
    begun = time.thread_time_ns()
    copy.fold(stream.learner[last], stream.item[last], stream.at_ms[last], COUNT)
    update_us = (time.thread_time_ns() - begun) / 1000 / len(stream.learner[last])
    return {
        "recompute_us_p50": percentile(taken_us, 0.5),
        "recompute_us_p99": percentile(taken_us, 0.99),
        "update_us": update_us,
        "item_bytes": recommender.bytes_per_item(),
    }


def _temporal_split(log: Log, recommender: Recommender) -> dict[str, Figure]:
    order = np.argsort(log.learner, kind="stable")
    sizes = np.bincount(log.learner, minlength=log.learners)
    place = np.empty(len(log), np.int64)
    place[order] = np.arange(len(log)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    train = place < np.floor(TRAIN_SHARE * sizes[log.learner])
    fed = np.flatnonzero(train & log.positive)
    u, i, at_ms = log.learner[fed].astype(np.int64), log.item[fed].astype(np.int64), log.at_ms[fed]
    teaches = np.arange(len(fed)) >= LEARN_FROM * len(fed)
    stream = _Stream(u, i, at_ms, np.zeros(len(fed), np.bool_), teaches, np.zeros(len(fed), np.bool_))
    with progress(f"quality {log.name}", len(fed)) as done:
        _, fold_seconds, train_seconds = _fold(stream, recommender, done)
        train_models(recommender, u, i)
    lists = _frozen_lists(log, recommender, train)
    figures: dict[str, Figure] = {
        "data": log.name,
        "protocol": "temporal-split",
        "events": len(fed),
        "evaluations": len(lists["hybrid"]),
    }
    for name, pairs in lists.items():
        figures[f"{name}_recall_at_10"] = float(np.mean([set_recall(shown, relevant) for shown, relevant in pairs]))
        figures[f"{name}_ndcg_at_10"] = float(np.mean([set_ndcg(shown, relevant) for shown, relevant in pairs]))
    figures["events_per_second"] = len(fed) / max(1e-9, fold_seconds)
    figures["daily_models_train_seconds"] = train_seconds
    return figures | _costs(stream, recommender)


def _frozen_lists(
    log: Log, recommender: Recommender, train: NDArray[np.bool_]
) -> dict[str, list[tuple[list[int], frozenset[int]]]]:
    """Return, by way, the list and the relevant items of every learner who has a history and something to find."""
    out: dict[str, list[tuple[list[int], frozenset[int]]]] = {"hybrid": []}
    by_learner = np.split(
        np.argsort(log.learner, kind="stable"), np.cumsum(np.bincount(log.learner, minlength=log.learners))[:-1]
    )
    for learner, rows in enumerate(by_learner):
        had = set(log.item[rows[train[rows]]].tolist())
        relevant = frozenset(log.item[rows[~train[rows] & log.positive[rows]]].tolist()) - had
        fed = rows[train[rows] & log.positive[rows]]
        if not relevant:
            continue
        # "Same session": asked for at the moment of the learner's last training event.
        at_ms = int(log.at_ms[fed[-1]]) if len(fed) else int(log.at_ms[rows[0]])
        ways = {
            "hybrid": recommender.recommend_lasting(learner, at_ms, 300).item,
            "hybrid_next": recommender.recommend(learner, at_ms, 300, known_only=True).item,
        }
        ways |= recommender.source_lists(learner, at_ms)
        for name, items in ways.items():
            out.setdefault(name, []).append(([item for item in items.tolist() if item not in had], relevant))
    return out


def main(
    data: Path,
    protocol: str = "prequential",
    json: Path | None = None,
    every: int | None = None,
    learn_from: str = "counted",
    only: str = "",
) -> None:
    """Measure recommendation quality on a folder of events."""
    names = tuple(name for name in only.split(",") if name)
    figures = run(data, protocol, every, learn_from, names)  # type: ignore[arg-type]  # typer passes texts; run checks
    report = Report.of("quality", figures)
    report.show()
    if json is not None:
        report.write(json)


if __name__ == "__main__":
    import typer

    from personalize.bench.datasets import DatasetError

    def _command(
        data: Path = typer.Option(..., help="folder with the log"),  # noqa: B008
        protocol: str = typer.Option("prequential", help="prequential or temporal-split"),
        json: Path | None = typer.Option(None, help="file for the figures"),  # noqa: B008
        every: int | None = typer.Option(None, help="count every k-th event"),
        learn_from: str = typer.Option("counted", help="weights learn from counted or all events"),
        only: str = typer.Option("", help="sources that may speak, separated by commas"),
    ) -> None:
        try:
            main(data, protocol, json, every, learn_from, only)
        except (DatasetError, ValueError) as error:
            raise SystemExit(f"quality: {error}") from None

    typer.run(_command)
