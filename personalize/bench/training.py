"""How long does the daily training take, how good is each model, and how much memory does it need?  On real logs.

Trains what the daily job trains (`streams.jobs.training`: EASE, ridge, SVD, iALS, cosine) on the positive events of
each log before a cut, with one BLAS thread, and judges each on what came behind it, as the job does before it promotes.
Beside them the plain user-based neighbours, which need no training.
"""

from __future__ import annotations

import resource
import time
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array
from threadpoolctl import threadpool_limits

from models.recommendation.hold_out import Metrics, Split, cut_for, evaluate, evaluate_scores, judged_learners, split_at
from models.recommendation.user_similarity import score_users
from personalize.bench.datasets import read
from personalize.bench.progress import progress
from personalize.bench.report import Figure, Report
from streams.jobs.training import HOLD_OUT_SHARE, MODELS, SIMILARITIES, fit

LOGS = ("ml-100k", "mars")
BLAS_THREADS = 1
"""What the job gives a training: the worker beside it shall not notice."""


def bench(data: Path, *, logs: list[str] | None = None) -> Report:
    """Trains and judges.

    Args:
        data: a folder with one folder a log, in any layout that `quality` reads.
        logs: names of those folders; ml-100k and mars if none is given.
    """
    trainers = {**MODELS, **SIMILARITIES}
    names = logs or LOGS
    figures: dict[str, Figure] = {"blas_threads": BLAS_THREADS}
    begun, cpu = time.perf_counter(), time.process_time()
    with threadpool_limits(limits=BLAS_THREADS), progress("daily training", len(names) * (len(trainers) + 1)) as done:
        for place, name in enumerate(names):
            split = _split(data / name)
            judged = judged_learners(split)
            past = split.at_ms < split.cut_ms
            # In log order again, as the job has it.
            order = np.argsort(split.at_ms[past], kind="stable")
            learner, item = split.learner[past][order], split.item[past][order]
            label = name.replace("-", "")
            figures |= {f"{label}_training_events": len(item), f"{label}_judged_learners": len(judged)}
            for number, (kind, trainer) in enumerate(trainers.items()):
                since = time.process_time()
                model = fit(trainer, learner, item)
                figures[f"{label}_{kind}_train_cpu_seconds"] = time.process_time() - since
                figures |= _figures(f"{label}_{kind}", evaluate(model, split, judged))
                done(place * (len(trainers) + 1) + number + 1)
            figures |= _figures(f"{label}_user_similarity", _neighbours(split, judged, learner, item))
            done((place + 1) * (len(trainers) + 1))
    figures["total_seconds"] = time.perf_counter() - begun
    figures["total_cpu_seconds"] = time.process_time() - cpu
    figures["peak_memory_bytes"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return Report.of("training", figures)


def _split(folder: Path) -> Split:
    """The positive events of a log, cut as the job cuts them."""
    log = read(folder)
    learner, item = log.learner[log.positive].astype(np.int64), log.item[log.positive].astype(np.int64)
    at_ms = log.at_ms[log.positive]
    return split_at(learner, item, at_ms, cut_for(at_ms, HOLD_OUT_SHARE, 0))


def _figures(name: str, found: Metrics) -> dict[str, Figure]:
    return {f"{name}_recall_at_10": found.recall, f"{name}_ndcg_at_10": found.ndcg}


def _neighbours(
    split: Split, judged: NDArray[np.int64], learner: NDArray[np.int64], item: NDArray[np.int64]
) -> Metrics:
    """How well the votes of the most similar learners do."""
    items, places = np.unique(item, return_inverse=True)
    taken = csr_array((np.ones(len(item)), (learner, places)), shape=(int(learner.max()) + 1, len(items)))
    taken.sum_duplicates()
    taken.data[:] = 1.0

    def votes(histories: list[list[int]]) -> NDArray[np.float64]:
        return np.stack([score_users(taken, np.unique(np.array(places, np.int64))) for places in histories])

    return evaluate_scores(items, votes, split, judged)
