"""How does a check get the whole engine, running and with something to show?  For as long as a `with` lasts.

Servers of their own in a temporary folder, all four processes, and the sample class: its four weeks folded, then a
trickle of events and reads until the end.
"""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import json
import re
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

from personalize import scrape_targets
from personalize.commands.migrate import migrate
from personalize.demo import sample_class
from personalize.errors import ProblemError
from personalize.processes import Processes, Program
from personalize.settings import Settings, process_environment
from personalize.stack import Endpoints, ports, session
from projections import experiments
from projections.stores.kafka import client_options
from projections.stores.postgres import connect
from schemas.experiments import decode
from schemas.topics import INTERACTIONS

READY_SECONDS: Final = 90.0
CHUNK: Final = 500
TRIES: Final = 20
TRICKLE_SECONDS: Final = 0.2
REPORTING_PASSWORD: Final = "only-of-this-run-" + str(time.time_ns())
_SECRET: Final = "only-of-this-run-" * 3


@dataclass(frozen=True, slots=True)
class Answer:
    """What the API said."""

    status: int
    headers: Mapping[str, str]
    body: Any


class LiveRun:
    """The running engine."""

    def __init__(self, settings: Settings, servers: Endpoints) -> None:
        self.settings = settings
        self.servers = servers
        self._stopping = threading.Event()
        self._processes = Processes([], None)
        self._ports = scrape_targets.choose(settings)
        self.url = f"http://{ports.LOOPBACK}:{settings.port}"

    @property
    def targets(self) -> dict[str, str]:
        """Kind of process → where its /metrics is."""
        found = {name: f"{ports.LOOPBACK}:{port}" for name, port in self._ports.items()}
        return {**found, "api": f"{ports.LOOPBACK}:{self.settings.port}"}

    def ask(self, method: str, path: str, body: Any = None, *, headers: Mapping[str, str] | None = None) -> Answer:
        """One request to the API."""
        connection = http.client.HTTPConnection(ports.LOOPBACK, self.settings.port, timeout=30)
        try:
            data = body if isinstance(body, bytes | None) else json.dumps(body).encode()
            connection.request(method, path, data, {"content-type": "application/json", **(headers or {})})
            answer = connection.getresponse()
            content = answer.read()
            with contextlib.suppress(ValueError):
                return Answer(answer.status, dict(answer.getheaders()), json.loads(content))
            return Answer(answer.status, dict(answer.getheaders()), content.decode("utf-8", "replace"))
        finally:
            connection.close()

    def start(self, programs: Mapping[str, Sequence[str]]) -> None:
        """Starts processes: name → words on the command line."""
        environment = process_environment(
            **self.servers.environment(),
            TOKEN_SECRET=_SECRET,
            PERSONALIZE_HOME=str(self.settings.home),
            HOST=ports.LOOPBACK,
            PORT=str(self.settings.port),
            OMP_NUM_THREADS="1",
            OPENBLAS_NUM_THREADS="1",
        )
        for name, words in programs.items():
            kept = Program(
                name=name,
                command=[sys.executable, "-m", "personalize.cli", *words],
                environment={**environment, "METRICS_PORT": str(self._ports.get(name, 0))},
                log=self.settings.home / f"{name}.log",
            )
            self._processes.add(kept)

    def wait(self, ask: Callable[[], bool], what: str, seconds: float = READY_SECONDS) -> None:
        """Waits until ``ask`` says yes.

        Raises:
            ProblemError: it did not in time, or a process cannot be helped.
        """
        deadline = time.monotonic() + seconds
        while not ask():
            self._processes.look_once()
            if time.monotonic() > deadline:
                raise ProblemError(f"{what} within {seconds:.0f} s.", f"read the logs in {self.settings.home}")
            time.sleep(0.1)

    def answers(self, path: str) -> bool:
        """Whether a GET is answered with 200."""
        try:
            return self.ask("GET", path).status == 200
        except OSError:
            return False

    def teach(self) -> None:
        """Publishes the sample class and waits until its history is folded and lists are there."""
        now = datetime.now(UTC)
        self._expect("POST", "/api/content", sample_class.catalogue(), 202)
        events = sample_class.history(now)
        for first in range(0, len(events), CHUNK):
            self._expect("POST", "/api/interactions", events[first : first + CHUNK], 202)
        for learner in sample_class.learners()[:12]:
            self._expect("POST", "/api/profile", sample_class.profile(learner), 201, 200, 202)
            self._follow_path(learner)
            self._react(learner)
        self._make_mistakes(events[:20])
        self._take_part(now)
        self._expect("POST", "/api/interactions", sample_class.live(now, 0), 202, headers={"Prefer": "wait=10"})
        self.wait(
            lambda: bool(self.ask("GET", f"/api/recommendations/{sample_class.NAMED}?type=hybrid").body),
            "No recommendation could be read",
        )

    def await_recommender(self) -> None:
        """Waits until the recommender has folded something; its first start compiles for minutes."""
        self.wait(self._recommender_folds, "The recommender folded nothing", 300.0)

    def _recommender_folds(self) -> bool:
        connection = http.client.HTTPConnection(self.targets["recommender"], timeout=10)
        try:
            connection.request("GET", "/metrics")
            text = connection.getresponse().read().decode()
        except OSError:
            return False
        finally:
            connection.close()
        found = re.search(r"^personalize_recommender_lists_total (\S+)", text, re.MULTILINE)
        return found is not None and float(found[1]) > 0

    def _follow_path(self, learner: sample_class.Learner) -> None:
        wanted = sample_class.path(learner)
        self._expect("POST", "/api/learning-paths", wanted, 201, 202)
        # A verdict that comes late names the command, not the path: the learner's own list is asked.
        made = f"/api/learning-paths?userId={learner.user_id}"
        self.wait(lambda: self.answers(made) and bool(self.ask("GET", made).body), "A learning path was not made")
        path_id = self.ask("GET", made).body[0]["pathId"]
        for number, module in enumerate(wanted["modules"][: 2 + sample_class.learners().index(learner) % 4]):
            progress = {"moduleId": module["id"], "completionRate": 1, "timeSpent": 900 + 60 * number, "score": 0.85}
            self._expect("PUT", f"/api/learning-paths/{path_id}/progress", progress, 200, 202)

    def _react(self, learner: sample_class.Learner) -> None:
        listed = self.ask("GET", f"/api/recommendations/{learner.user_id}").body
        for item, action in zip(listed, ("clicked", "liked", "dismissed"), strict=False):
            feedback = {"contentId": item["contentId"], "action": action, "recommendationId": item["recommendationId"]}
            self._expect("POST", f"/api/recommendations/{learner.user_id}/feedback", feedback, 200, 201, 202)

    def _take_part(self, now: datetime) -> None:
        """Everybody agrees to experiments, and is served a list."""
        self._expect("POST", "/api/interactions", sample_class.first_steps(now), 202)
        everybody = [*(learner.user_id for learner in sample_class.learners()), *sample_class.newcomers()]
        for user_id in everybody:
            agreed, at_once = {"purposes": {"experiment": True}}, {"Prefer": "wait=0"}
            self._expect("POST", f"/api/profile/{user_id}/consent", agreed, 200, 202, headers=at_once)
        with connect(self.servers.database_url, autocommit=True) as connection:
            self.wait(lambda: experiments.willing(connection) >= len(everybody), "Not everybody agreed to experiments")
        for user_id in everybody:
            self.ask("GET", f"/api/recommendations/{user_id}")

    def _make_mistakes(self, events: list[dict[str, Any]]) -> None:
        """Retries, garbage, a wrong key, an event of the future, requests that are refused."""
        again = [{**event, "eventId": f"again-{number}"} for number, event in enumerate(events)]
        self._expect("POST", "/api/interactions", [*again, *again], 202)
        self._expect("POST", "/api/interactions", {"userId": "ada", "interactionType": "PONDER"}, 422)
        self._expect("GET", "/api/nothing-here", None, 404)
        self._expect("POST", "/api/interactions", {}, 403, headers={"Origin": "http://elsewhere.example"})
        asyncio.run(_produce_mistakes(self.servers.kafka))

    def _expect(
        self, method: str, path: str, body: Any, *statuses: int, headers: Mapping[str, str] | None = None
    ) -> Answer:
        # A busy machine may need longer than the usual two seconds for a verdict.
        sent = {} if path == "/api/interactions" else {"Prefer": "wait=10"}
        sent |= {"Idempotency-Key": str(uuid4())} if method == "POST" else {}
        for _ in range(TRIES):
            answer = self.ask(method, path, body, headers={**sent, **(headers or {})})
            if answer.status != 503:
                break
            time.sleep(1.0)  # Kafka is slow to take records just after its start
        if answer.status not in statuses:
            raise ProblemError(f"{method} {path} was answered with {answer.status}: {answer.body}", "read api.log")
        return answer

    def trickle(self) -> None:
        """Publishes and reads a little until the run ends; called in a thread."""
        number = 0
        while not self._stopping.wait(TRICKLE_SECONDS):
            number += 1
            with contextlib.suppress(OSError):
                event = sample_class.live(datetime.now(UTC), number)
                self.ask("POST", "/api/interactions", event)
                self.ask("GET", f"/api/recommendations/{event['userId']}")
                if number % 10 == 0:
                    self.ask("GET", f"/api/profile/{event['userId']}")
                    self.ask("GET", "/api/trending")

    def stop(self) -> None:
        """Ends the processes."""
        self._stopping.set()
        self._processes.stop()


async def _produce_mistakes(bootstrap: str) -> None:
    from aiokafka import AIOKafkaProducer

    producer = AIOKafkaProducer(**client_options(bootstrap))
    await producer.start()
    try:
        await producer.send_and_wait(INTERACTIONS.name, b"not JSON", key=b"ada")
        view = {"userId": "ada", "interactionType": "VIEW", "contentType": "video", "contentId": "algebra-1-video"}
        await producer.send_and_wait(INTERACTIONS.name, json.dumps(view).encode())  # no key
        late = {**view, "occurredAt": "2999-01-01T00:00:00Z"}
        await producer.send_and_wait(INTERACTIONS.name, json.dumps(late).encode(), key=b"ada")
    finally:
        await producer.stop()


@contextmanager
def live_run(folder: Path | None = None) -> Iterator[LiveRun]:
    """The whole engine with the sample class, until the end of the `with`.

    Args:
        folder: where logs and data go; None: a temporary folder.

    Raises:
        ProblemError: something does not start; the ends of the logs are printed then.
    """
    with contextlib.ExitStack() as stack:
        if folder is None:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="personalize-live-")))
        folder.chmod(0o711)  # root's Postgres runs as somebody else, who must be able to pass through
        port = ports.choose(0, None, set(), "PORT")
        settings = replace(Settings.load(), home=folder.absolute(), port=port)
        servers = stack.enter_context(session(settings, folder / "stack"))
        migrate(servers, REPORTING_PASSWORD)
        with connect(servers.database_url, autocommit=True) as connection:
            experiments.put(connection, decode(json.dumps(sample_class.experiment())))
        run = LiveRun(settings, servers)
        stack.callback(run.stop)
        try:
            run.start({"worker": ["worker"], "api": ["api"], "recommender": ["recommender"]})
            run.wait(lambda: run.answers("/readyz"), "The API was not ready")
            run.teach()
            run.start({"jobs": ["jobs", "run"]})  # after the history, so that the daily jobs have something to sum
            threading.Thread(target=run.trickle, daemon=True).start()
            yield run
        except BaseException:
            _print_logs(folder)
            raise


def _print_logs(folder: Path) -> None:
    for log in sorted(folder.glob("*.log")):
        tail = log.read_text(encoding="utf-8", errors="replace").splitlines()[-15:]
        print(f"--- {log.name}", *tail, sep="\n", file=sys.stderr)
