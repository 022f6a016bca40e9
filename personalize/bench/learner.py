"""How well does the learner model predict the next outcome, and how fast?  One pass: predict, then update.

The training file is streamed first, then the test file, whose learners never occur in training; every figure is about
the test file.  ``auc`` updates everything after each attempt; ``frozen_auc`` keeps item difficulty and shared weights
as they stood after training (the published protocol); ``delayed_auc`` predicts against a shared version that is
published only every ``DELAY_ATTEMPTS`` attempts, as a worker beside the recommender does.  ``validation_auc`` is from
the training file alone (held-out fifths of its learners), where the constants were chosen.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from models.learner.accuracy import area_under_curve, calibration_error, log_loss
from models.learner.attempts import Attempts, attempts
from models.learner.fold import Predictions, fold
from models.learner.learners import Learners
from models.learner.shared import Shared
from personalize.bench.attempt_files import AttemptFileError, AttemptLog, read_attempts
from personalize.bench.progress import progress
from personalize.bench.report import Report, describe_machine

BATCH_ATTEMPTS = 2_000
"""About one poll of a busy topic."""
DELAY_ATTEMPTS = 10_000
VALIDATION_FIFTHS = (0, 1)
VALIDATION_SEED = 7
DEFAULT_DATA = Path("../shared/data/kt/assistments09")

Advance = Callable[[int], None]
Float64 = NDArray[np.float64]


def measure(log: AttemptLog, advance: Advance = lambda _: None) -> dict[str, float]:
    """All figures of one log; ``advance`` is told how many attempts were done (``work_of`` in total)."""
    compile_kernel()
    everything, train = log.attempts, log.train
    outcome = everything.success[train:]
    shared, learners = Shared(), Learners()
    test = everything.slice(train, len(everything))
    _, training_seconds = stream(shared, learners, everything.slice(0, train), advance)
    trained, trained_learners = shared.published(1), Learners.from_bytes(learners.to_bytes())
    live, test_seconds = stream(shared, learners, test, advance)
    frozen, _ = stream(trained, trained_learners, test, advance, learn_shared=False)
    delayed = _delayed(everything, advance)[train:]
    figures = {
        "auc": area_under_curve(outcome, live.probability),
        "log_loss": log_loss(outcome, live.probability),
        "calibration_error": calibration_error(outcome, live.probability),
        "events_per_second": len(everything) / (training_seconds + test_seconds),
        "frozen_auc": area_under_curve(outcome, frozen.probability),
        "delayed_auc": area_under_curve(outcome, delayed),
        "rating_auc": area_under_curve(outcome, live.rating_probability),
        "delay_attempts": DELAY_ATTEMPTS,
        "train_attempts": train,
        "test_attempts": len(outcome),
        "test_learners": len(np.unique(everything.learner[train:])),
        "merged_rows": log.merged_rows,
    }
    if train:
        figures |= _validation(everything.slice(0, train), advance)
    return figures


def work_of(log: AttemptLog) -> int:
    """Attempts that ``measure`` folds in all."""
    test = len(log.attempts) - log.train
    return 3 * len(log.attempts) + test + len(VALIDATION_FIFTHS) * log.train


def stream(
    shared: Shared, learners: Learners, log: Attempts, advance: Advance, *, learn_shared: bool = True
) -> tuple[Predictions, float]:
    """Predict each attempt, then update, in batches of ``BATCH_ATTEMPTS``; with the seconds that this took."""
    probability, rating, seconds = np.empty(len(log)), np.empty(len(log)), 0.0
    for start in range(0, len(log), BATCH_ATTEMPTS):
        stop = min(start + BATCH_ATTEMPTS, len(log))
        batch = log.slice(start, stop)
        started = time.perf_counter()
        said = fold(shared, learners, batch, learn_shared=learn_shared)
        seconds += time.perf_counter() - started
        probability[start:stop], rating[start:stop] = said.probability, said.rating_probability
        advance(stop - start)
    return Predictions(probability, rating), seconds


def compile_kernel() -> None:
    """Compile before the clock runs."""
    fold(Shared(), Learners(), attempts([0], [0], [1], [0, 1], [0]))


def _delayed(log: Attempts, advance: Advance) -> Float64:
    """Predictions of a worker that reads the shared state as last published by its owner."""
    owner, owners_learners = Shared(), Learners()
    published, learners = owner.published(0), Learners()
    probability = np.empty(len(log))
    for version, start in enumerate(range(0, len(log), DELAY_ATTEMPTS), start=1):
        stop = min(start + DELAY_ATTEMPTS, len(log))
        part = log.slice(start, stop)
        said, _ = stream(published, learners, part, advance, learn_shared=False)
        probability[start:stop] = said.probability
        stream(owner, owners_learners, part, advance)
        published = owner.published(version)
    return probability


def _validation(train: Attempts, advance: Advance) -> dict[str, float]:
    """Mean figures on held-out fifths of the training learners, each streamed after the other four."""
    people = np.unique(train.learner)
    fifth = np.random.default_rng(VALIDATION_SEED).permutation(len(people)) % 5
    found: list[tuple[float, float]] = []
    for held_out in VALIDATION_FIFTHS:
        last = np.isin(train.learner, people[fifth == held_out])
        order = np.concatenate([np.flatnonzero(~last), np.flatnonzero(last)])
        said = stream(Shared(), Learners(), _take(train, order), advance)[0].probability[-int(last.sum()) :]
        outcome = train.success[last]
        found.append((area_under_curve(outcome, said), log_loss(outcome, said)))
    auc, loss = np.mean(found, axis=0)
    return {"validation_auc": float(auc), "validation_log_loss": float(loss)}


def _take(log: Attempts, order: NDArray[np.int64]) -> Attempts:
    count = np.diff(log.skill_start)[order]
    start = np.concatenate([[0], np.cumsum(count)])
    place = np.repeat(log.skill_start[:-1][order] - start[:-1], count) + np.arange(start[-1])
    return attempts(
        log.learner[order], log.item[order], log.success[order], start, log.skills[place], at_ms=log.at_ms[order]
    )


def run(data: Path) -> Report:
    """The report of one folder, with a progress bar on standard error.

    Raises:
        AttemptFileError: the folder can't be read.
    """
    machine = describe_machine()
    log = read_attempts(data)
    with progress(f"learner model on {data.name}", work_of(log)) as done:
        so_far = 0

        def advance(attempts_done: int) -> None:
            nonlocal so_far
            so_far += attempts_done
            done(so_far)

        figures = measure(log, advance)
    return Report.of("learner", {"data": data.resolve().name, **figures}, machine)


def main(argv: Sequence[str] | None = None) -> int:
    """Measure a folder; print a table, and with ``--json`` write the report."""
    parser = argparse.ArgumentParser(prog="personalize bench learner", description=__doc__)
    parser.add_argument("--data", type=Path, default=DEFAULT_DATA, help="folder with train.tsv.gz and test.tsv.gz")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the report to this file")
    options = parser.parse_args(argv)
    try:
        report = run(options.data)
    except AttemptFileError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    report.show()
    if options.json:
        report.write(options.json)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
