"""Do adaptive paths need fewer attempts, and how long does planning take?  A simulated class and a large path.

The class is described in ``personalize.bench.simulated_class``.  The figures without a suffix suppose that learning is
fastest at a success rate of two in three; ``_peak_50`` and ``_peak_80`` suppose one in two and four in five.  Intervals
hold 95 % of bootstrap resamples of the learners.  Whoever does not get there counts with ``ATTEMPTS_MAX`` attempts,
which makes the slower way look better than it is.  Planning is timed over random paths with mastery changing one module
at a time; every changed plan is compared with a plan made anew.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from models.learner.path_changes import replanned
from models.learner.path_order import LearnerView, path_graph, plan
from models.learner.prerequisites import prerequisite_graph
from personalize.bench.progress import progress
from personalize.bench.report import Figure, Report, describe_machine, percentile
from personalize.bench.simulated_class import ATTEMPTS_MAX, Way, attempts_to_mastery, world

LEARNERS = 200
SEED = 20_240
CURVES = {"": 2.0, "_peak_50": 1.0, "_peak_80": 4.0}
"""Suffix of the figures -> power s of the learning curve, fastest at a success rate of s / (s + 1)."""
AUTHOR, ADAPTIVE = Way(False, False), Way(True, True)
PARTS = {"order_only": Way(True, False), "difficulty_only": Way(False, True)}
RESAMPLES = 2_000
PLAN_MODULES, PLAN_EDGES, PLAN_ROUNDS, UPDATE_ROUNDS = 1_000, 5_000, 30, 500

Advance = Callable[[int], None]

Int64 = NDArray[np.int64]


def class_figures(learners: int, seed: int, advance: Advance = lambda _: None) -> dict[str, Figure]:
    """Attempts to mastery in each way of teaching; ``advance`` is told of each learner that is through."""
    people = world(learners, seed)
    figures: dict[str, Figure] = {"learners": learners, "seed": seed}
    for suffix, power in CURVES.items():
        author = attempts_to_mastery(people, AUTHOR, power, advance)
        adaptive = attempts_to_mastery(people, ADAPTIVE, power, advance)
        saved, low, high = saved_percent(author, adaptive, seed)
        figures |= {
            f"author_attempts{suffix}": float(author.mean()),
            f"adaptive_attempts{suffix}": float(adaptive.mean()),
            f"author_not_mastered{suffix}": int((author == ATTEMPTS_MAX).sum()),
            f"adaptive_not_mastered{suffix}": int((adaptive == ATTEMPTS_MAX).sum()),
            f"saved_percent{suffix}": saved,
            f"saved_percent_low{suffix}": low,
            f"saved_percent_high{suffix}": high,
        }
    for name, way in PARTS.items():
        figures[f"{name}_attempts"] = float(attempts_to_mastery(people, way, CURVES[""], advance).mean())
    return figures


def runs_of(learners: int) -> int:
    """Learner runs that ``class_figures`` does in all."""
    return learners * (2 * len(CURVES) + len(PARTS))


def saved_percent(author: Int64, adaptive: Int64, seed: int) -> tuple[float, float, float]:
    """Attempts saved in percent of the author's way, with a 95 % bootstrap interval over paired learners."""
    rng = np.random.default_rng(seed)
    rows = rng.integers(0, len(author), (RESAMPLES, len(author)))
    shares = 100 * (1 - adaptive[rows].mean(1) / author[rows].mean(1))
    low, high = np.percentile(shares, [2.5, 97.5])
    return float(100 * (1 - adaptive.mean() / author.mean())), float(low), float(high)


def planning_figures(seed: int, advance: Advance = lambda _: None) -> dict[str, Figure]:
    """Processor time to check and plan a path of 1,000 modules and 5,000 edges, and to plan again after an event."""
    rng = np.random.default_rng(seed)
    names = [f"m{n}" for n in range(PLAN_MODULES)]
    plans, updates, moved = [], [], 0
    for done in range(PLAN_ROUNDS + 1):
        edges = _edges(rng, names)
        seconds = rng.uniform(60, 3600, PLAN_MODULES)
        view = LearnerView(np.zeros(PLAN_MODULES, bool), rng.random(PLAN_MODULES), rng.random(PLAN_MODULES))
        started = time.thread_time()
        graph = path_graph(prerequisite_graph(names, edges), seconds)
        made = plan(graph, view)
        plans.append(1000 * (time.thread_time() - started))
        for _ in range(UPDATE_ROUNDS // PLAN_ROUNDS):
            module = int(rng.choice(made.order))
            mastered, success = view.mastered.copy(), view.success.copy()
            mastered[module], success[module] = True, 0.95
            view = LearnerView(mastered, success, view.style)
            started = time.thread_time()
            made, moves = replanned(graph, made, view)
            updates.append(1000 * (time.thread_time() - started))
            moved += len(moves)
            if made.order.tolist() != plan(graph, view).order.tolist():
                raise AssertionError("a changed plan differs from one made anew")
        if done == 0:  # compiled by the first round
            plans, updates, moved = [], [], 0
        advance(1)
    return {
        "plan_modules": PLAN_MODULES,
        "plan_edges": len(edges),
        "plan_ms_p50": percentile(plans, 0.5),
        "plan_ms_p95": percentile(plans, 0.95),
        "update_ms_p50": percentile(updates, 0.5),
        "update_ms_p95": percentile(updates, 0.95),
        "moves_per_update": moved / len(updates),
    }


def _edges(rng: np.random.Generator, names: Sequence[str]) -> list[tuple[str, str]]:
    """5,000 distinct edges without a cycle, over a random order of the modules."""
    order = rng.permutation(len(names))
    found: set[tuple[int, int]] = set()
    while len(found) < PLAN_EDGES:
        first, second = sorted(rng.integers(0, len(names), 2).tolist())
        if first != second:
            found.add((first, second))
    return [(names[order[first]], names[order[second]]) for first, second in sorted(found)]


def run(learners: int = LEARNERS, seed: int = SEED) -> Report:
    """The report, with a progress bar on standard error."""
    machine = describe_machine()
    with progress("simulated class and planning", runs_of(learners) + PLAN_ROUNDS + 1) as done:
        so_far = 0

        def advance(count: int) -> None:
            nonlocal so_far
            so_far += count
            done(so_far)

        figures = planning_figures(seed, advance) | class_figures(learners, seed, advance)
    return Report.of("paths", figures, machine)


def main(argv: Sequence[str] | None = None) -> int:
    """Measure; print a table, and with ``--json`` write the report."""
    parser = argparse.ArgumentParser(prog="personalize bench paths", description=__doc__)
    parser.add_argument("--learners", type=int, default=LEARNERS, help="size of the simulated class")
    parser.add_argument("--seed", type=int, default=SEED, help="of path, class and luck")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the report to this file")
    options = parser.parse_args(argv)
    if options.learners < 2:
        parser.error(f"--learners must be at least 2, got {options.learners}")
    report = run(options.learners, options.seed)
    report.show()
    if options.json:
        report.write(options.json)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
