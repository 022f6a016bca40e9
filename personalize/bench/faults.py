"""Does the engine count right while everything around it dies?  Real processes and servers, faults, and a reference.

A run: a backlog and live traffic of the fixed stream, workers whose transactions are slowed down (inside, by a trigger,
so that faults hit open ones), a seeded schedule of one fault, then quiet.  When every partition stands at its end, the
tables are compared with a plain Python fold of what the topics hold.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import random
import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import Final

from aiokafka import AIOKafkaConsumer, TopicPartition
from rich.console import Console

from personalize.bench.fault_events import read
from personalize.bench.fault_input import ITEMS, PARTITIONS, catalogue, stream, zones
from personalize.bench.fault_kinds import ALL, FAULTS, Chaos, Fault
from personalize.bench.fault_lists import judge_lists, lists_behind
from personalize.bench.fault_publisher import LiveTraffic, publish
from personalize.bench.fault_verdict import Verdict, judge
from personalize.bench.processes import WORKER, log_tail, wait_until
from personalize.bench.report import Figure, Report, describe_machine
from personalize.bench.servers import Servers, servers
from personalize.demo.bulk_producer import BulkProducer
from personalize.errors import EXIT_FAILED, EXIT_OK, ProblemError
from schemas.topics import CATALOGUE, INTERACTIONS, LEARNER_COMMANDS

SHORT_SCALE: Final = 0.25
_BACKLOG_SHARE: Final = 0.5
_LIVE_PER_SECOND: Final = 1_000.0
_PAUSE_SECONDS: Final = 0.1
_QUIET_SECONDS: Final = 180.0
_LISTS_SECONDS: Final = 60.0
_MIRROR_SECONDS: Final = 2.0
_START_SECONDS: Final = 60.0
_FOLDED: Final = (INTERACTIONS.name, LEARNER_COMMANDS.name)

SLOW_DOWN: Final = """
CREATE TABLE bench_pace (seconds double precision NOT NULL);
INSERT INTO bench_pace VALUES (0);
CREATE FUNCTION bench_pause() RETURNS trigger LANGUAGE plpgsql AS
    'BEGIN PERFORM pg_sleep((SELECT seconds * random() FROM bench_pace)); RETURN NULL; END';
CREATE TRIGGER bench_pause AFTER INSERT ON applied_range FOR EACH STATEMENT EXECUTE FUNCTION bench_pause();
"""
PACE: Final = "UPDATE bench_pace SET seconds = %s"
KNOWN_CONTENT: Final = "SELECT count(*) FROM content WHERE NOT is_stub"
STANDS: Final = "SELECT topic, part, next_offset FROM stream_offset WHERE projection = 'worker'"
WAITING: Final = "SELECT count(*) FROM outbox"
APPLIED: Final = "SELECT coalesce(sum(applied), 0)::bigint FROM applied_range"


@dataclass(slots=True)
class Outcome:
    """How one run ended."""

    fault: str
    seed: int
    verdict: Verdict
    hung: bool = False
    applied_during: int = 0
    fault_seconds: float = 0.0
    catch_up_seconds: float = 0.0
    exits: list[int] = field(default_factory=list)
    """Exit codes of workers that ended while the faults were going on; negative ones are signals."""

    @property
    def good(self) -> bool:
        """Whether nothing was lost, doubled, miscounted or hung."""
        return self.verdict.good and not self.hung

    def line(self) -> str:
        """The outcome in words."""
        word = "[green]good[/]" if self.good else "[bold red]BAD[/]"
        ends = f", workers ended by themselves with {sorted(code for code in self.exits if code >= 0)}"
        return (
            f"{word}  {self.fault:13} seed {self.seed}: {self.applied_during:,} applied in {self.fault_seconds:.0f} s "
            f"of faults, caught up in {self.catch_up_seconds:.1f} s"
            + (ends if any(code >= 0 for code in self.exits) else "")
            + (", HUNG" if self.hung else "")
        )


def bench(
    seeds: Sequence[int],
    names: Sequence[str] = tuple(FAULTS),
    *,
    short: bool = False,
    command: Sequence[str] = WORKER,
    logs: Path | None = None,
) -> Report:
    """Runs each fault with each seed on servers of its own.

    Args:
        seeds: one run a seed and fault.
        names: which faults, by default all.
        short: a quarter of the schedule and of the stream.
        command: how a worker is started.
        logs: folder that gets the logs of all processes, a folder a run.

    Raises:
        ProblemError: a name is unknown, or the machine cannot run the servers.
    """
    for name in names:
        if name not in ALL:
            raise ProblemError(f"There is no fault {name!r}.", f"name one of {', '.join(ALL)}.")
    machine, console = describe_machine(), Console(stderr=True, soft_wrap=True)
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)  # it complains about every server that is killed here
    outcomes = []
    for name in names:
        for seed in seeds:
            try:
                outcome = run_one(name, seed, short=short, command=command, logs=logs)
            except ProblemError as problem:  # a server did not come up again: the other runs still say something
                outcome = Outcome(name, seed, Verdict(findings=[str(problem)]), hung=True)
            outcomes.append(outcome)
            console.print(outcome.line(), highlight=False)
            for finding in outcome.verdict.findings:
                console.print(f"      {finding}", markup=False, highlight=False)
    return Report.of("faults", summary(outcomes), machine)


def summary(outcomes: Sequence[Outcome]) -> dict[str, Figure]:
    """The figures of some runs."""
    figures: dict[str, Figure] = {
        "faults": len({outcome.fault for outcome in outcomes}),
        "runs": len(outcomes),
        "lost": sum(outcome.verdict.lost for outcome in outcomes),
        "doubled": sum(outcome.verdict.doubled for outcome in outcomes),
        "wrong": sum(outcome.verdict.wrong for outcome in outcomes),
        "hung": sum(outcome.hung for outcome in outcomes),
        "catch_up_max_seconds": max((outcome.catch_up_seconds for outcome in outcomes), default=0.0),
    }
    for name in dict.fromkeys(outcome.fault for outcome in outcomes):
        of_fault = [outcome for outcome in outcomes if outcome.fault == name]
        figures[f"{name}_applied_during_faults"] = sum(outcome.applied_during for outcome in of_fault)
        figures[f"{name}_catch_up_max_seconds"] = max(outcome.catch_up_seconds for outcome in of_fault)
    return figures


def run_one(
    name: str,
    seed: int,
    *,
    short: bool = False,
    command: Sequence[str] = WORKER,
    logs: Path | None = None,
) -> Outcome:
    """One fault with one seed, from empty servers to the verdict."""
    fault = ALL[name]
    scale = SHORT_SCALE if short else 1.0
    outcome = Outcome(name, seed, Verdict())
    with servers() as own:
        chaos = Chaos(own, command, random.Random(seed), scale)
        try:
            _during(chaos, fault, seed, outcome)
        except TimeoutError as late:
            outcome.hung = True
            outcome.verdict.findings.append(str(late))
            outcome.verdict.findings += [log_tail(own.home, worker) for worker in chaos.workers]
        finally:
            chaos.stop_all()
            outcome.exits = chaos.exits
            if logs is not None:
                shutil.copytree(own.home / "logs", logs / f"{name}-{seed}", dirs_exist_ok=True)
        if not outcome.hung:
            truth = asyncio.run(read(own.endpoints.kafka))
            with own.connect() as database:
                judge(outcome.verdict, database, truth)
                judge_lists(outcome.verdict, database, own.endpoints)
    return outcome


def _during(chaos: Chaos, fault: Fault, seed: int, outcome: Outcome) -> None:
    own = chaos.own
    with own.connect() as database:
        database.execute(SLOW_DOWN)
    shape = replace(fault.shape, events=round(fault.shape.events * chaos.scale))
    records = stream(seed, int(time.time() * 1000), shape)
    _begin(chaos)
    backlog = list(islice(records, round(shape.events * _BACKLOG_SHARE)))
    asyncio.run(publish(own.endpoints.kafka, backlog))
    before = _count(own, APPLIED)
    _pace(own, _PAUSE_SECONDS)
    live = LiveTraffic(own.endpoints.kafka, records, _LIVE_PER_SECOND)
    begun = time.monotonic()
    fault.act(chaos)
    outcome.fault_seconds = time.monotonic() - begun
    outcome.applied_during = _count(own, APPLIED) - before
    _pace(own, 0.0)
    calm = time.monotonic()
    live.finish(_QUIET_SECONDS)
    _until_through(own)
    outcome.catch_up_seconds = time.monotonic() - calm
    # Before everybody is touched again: what a crash left behind in Redis would stay there.
    _until(lambda: _lists_are_fresh(own), _LISTS_SECONDS, "the lists did not follow the last events")
    time.sleep(_MIRROR_SECONDS)
    with own.connect() as database:
        judge_lists(outcome.verdict, database, own.endpoints)
    for batch in zones(seed, int(time.time() * 1000)):
        asyncio.run(publish(own.endpoints.kafka, batch))
        _until_through(own)
    _until(lambda: _lists_are_fresh(own), _LISTS_SECONDS, "the lists did not follow the last events")


def _lists_are_fresh(own: Servers) -> bool:
    with own.connect() as database:
        return lists_behind(database) == 0


def _until_through(own: Servers) -> None:
    _until(lambda: _is_through(own), _QUIET_SECONDS, "the workers did not reach the end of the log")


def _begin(chaos: Chaos) -> None:
    """The catalogue is folded before the first interaction, so that it is known what each event met."""

    async def put_catalogue() -> None:
        async with BulkProducer(chaos.own.endpoints.kafka) as producer:
            await producer.write(CATALOGUE.name, catalogue())

    asyncio.run(put_catalogue())
    first = chaos.start_worker()
    try:
        wait_until(lambda: _count(chaos.own, KNOWN_CONTENT) == ITEMS, _START_SECONDS, "folding the catalogue")
    except ProblemError as slow:
        tail = log_tail(chaos.own.home, first.name)
        raise ProblemError(f"{slow.what} The worker's log ends with:\n{tail}", slow.fix) from slow


def _count(own: Servers, query: str) -> int:
    with own.connect() as database:
        row = database.execute(query.encode()).fetchone()
        return int(row[0]) if row else 0


def _pace(own: Servers, seconds: float) -> None:
    with own.connect() as database:
        database.execute(PACE, (seconds,))


def _is_through(own: Servers) -> bool:
    """Whether every partition stands at its end with nothing left to relay."""
    if _count(own, WAITING):
        return False
    ends = asyncio.run(_log_ends(own.endpoints.kafka))
    with own.connect() as database:
        stands = {(topic, part): offset for topic, part, offset in database.execute(STANDS).fetchall()}
    return all(stands.get(partition, 0) >= end for partition, end in ends.items())


async def _log_ends(bootstrap: str) -> dict[tuple[str, int], int]:
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap)
    await consumer.start()
    try:
        partitions = [TopicPartition(topic, part) for topic in _FOLDED for part in range(PARTITIONS)]
        ends = await consumer.end_offsets(partitions)
        return {(partition.topic, partition.partition): end for partition, end in ends.items()}
    finally:
        await consumer.stop()


def _until(ready: Callable[[], bool], seconds: float, what: str) -> None:
    deadline = time.monotonic() + seconds
    while not ready():
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what} within {seconds:.0f} s")
        time.sleep(0.2)


def main(argv: Sequence[str] | None = None) -> int:
    """`personalize bench faults`: 0 when nothing was lost, doubled, miscounted or hung."""
    parser = argparse.ArgumentParser(prog="personalize bench faults", description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--seed", type=int, nargs="+", default=[1], help="one run a fault and seed")
    parser.add_argument(
        "--fault", nargs="+", choices=tuple(ALL), default=list(FAULTS), metavar="NAME", help=", ".join(ALL)
    )
    parser.add_argument("--short", action="store_true", help="a quarter of the schedule and of the stream")
    parser.add_argument("--logs", type=Path, metavar="DIR", help="keep the logs of all processes here")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the report to this file")
    parser.add_argument("--data", type=Path, help="not used: the stream is made from the seed")
    options = parser.parse_args(argv)
    report = bench(options.seed, options.fault, short=options.short, logs=options.logs)
    report.show()
    if options.json:
        report.write(options.json)
    bad = sum(int(report.figures[name] or 0) for name in ("lost", "doubled", "wrong", "hung"))
    return EXIT_FAILED if bad else EXIT_OK
