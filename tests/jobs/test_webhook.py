"""Is an announcement sent signed, to allowed addresses only, and again until it is taken?"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
import threading
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from aiokafka import AIOKafkaProducer

from projections import job_runs
from projections.notification_delivery import body_of, take_over
from projections.stores.postgres import Connection, connect
from streams.jobs.announcements import Announcements
from streams.jobs.runner import carry_out
from streams.jobs.send_notification import SEND
from streams.jobs.settings import JobSettings, WebhookSettings
from streams.jobs.webhook import WebhookForbidden, WebhookRefused, allowed_address, send, signature

SECRET = b"a secret of enough length"
EVENT = json.dumps({"id": "e-1", "partitionkey": "u-1", "type": "personalize.achievement.unlocked.v1"}).encode()


@dataclass
class Receiver:
    """A local server that answers with what it is told and remembers what it got."""

    url: str
    answers: list[int] = field(default_factory=list)
    got: list[tuple[dict[str, str], bytes]] = field(default_factory=list)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """A local HTTP server; it answers 204 when its answers are used up."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            made.got.append(({name.lower(): value for name, value in self.headers.items()}, body))
            status = made.answers.pop(0) if made.answers else 204
            self.send_response(status)
            if status == 302:
                self.send_header("Location", "http://127.0.0.1:1/elsewhere")
            self.end_headers()

        def log_message(self, *arguments) -> None:
            """Says nothing."""

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        made = Receiver(f"http://127.0.0.1:{server.server_port}/hook?from=here")
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        yield made
        server.shutdown()
        thread.join()


@pytest.fixture
def database(job_settings: JobSettings) -> Iterator[Connection]:
    """A connection to the test's database, with one learner."""
    with connect(job_settings.database_url, autocommit=True) as connection:
        connection.execute("INSERT INTO learners (user_id) VALUES ('u-1')")
        yield connection


def local(receiver: Receiver) -> WebhookSettings:
    """Settings that allow the local server."""
    return WebhookSettings(url=receiver.url, secret=SECRET, allow_loopback=True)


def test_the_receiver_can_check_the_signature(receiver: Receiver) -> None:
    """HMAC-SHA256 over id, timestamp and body as they arrive equals the header; a changed body does not."""
    send(local(receiver), "e-1", EVENT, 1_700_000_000)
    [(headers, body)] = receiver.got
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode()
    expected = "v1," + base64.b64encode(hmac.new(SECRET, signed + body, hashlib.sha256).digest()).decode()
    assert headers["webhook-signature"] == expected
    assert headers["content-type"].startswith("application/cloudevents+json")
    assert body == EVENT
    assert signature(SECRET, "e-1", 1_700_000_000, body + b" ") != expected


def test_the_signature_is_that_of_the_published_standard() -> None:
    """The example of the Standard Webhooks specification."""
    secret = base64.b64decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    signed = signature(secret, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, b'{"test": 2432232314}')
    assert signed == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1/hook",
        "https://127.0.0.1/hook",
        "https://[::1]/hook",
        "https://[::ffff:127.0.0.1]/hook",
        "https://[::ffff:10.0.0.1]/hook",
        "https://[2002:0a00:0001::]/hook",
        "https://10.1.2.3/hook",
        "https://192.168.1.1/hook",
        "https://169.254.169.254/latest/meta-data",
        "https://100.64.0.1/hook",
        "https://0.0.0.0/hook",
        "https://224.0.0.1/hook",
        "https://localhost/hook",
        "http://8.8.8.8/hook",
        "file:///etc/passwd",
        "https:///hook",
    ],
)
def test_addresses_that_are_not_public_are_never_called(url: str) -> None:
    """Loopback, private, link-local and wrapped addresses, plain http and other schemes are refused by default."""
    with pytest.raises(WebhookForbidden):
        allowed_address(WebhookSettings(url=url, secret=SECRET))


def test_public_and_allowed_addresses_pass() -> None:
    """https to a public address passes; private and loopback ones pass only where allowed; link-local never."""
    public = WebhookSettings(url="https://8.8.8.8/hook", secret=SECRET)
    assert allowed_address(public) == ("8.8.8.8", 443)
    private = replace(public, url="https://10.1.2.3:8443/hook", allow_private=True)
    assert allowed_address(private) == ("10.1.2.3", 8443)
    with pytest.raises(WebhookForbidden):
        allowed_address(replace(private, url="https://169.254.169.254/"))
    with pytest.raises(WebhookForbidden):
        allowed_address(replace(private, url="http://10.1.2.3/hook"))


def test_redirects_are_not_followed(receiver: Receiver) -> None:
    """A redirect is a refusal."""
    receiver.answers = [302]
    with pytest.raises(WebhookRefused, match="302"):
        send(local(receiver), "e-1", EVENT, 1)
    assert len(receiver.got) == 1


def test_a_refused_announcement_is_sent_again_with_the_same_id(
    job_settings: JobSettings, database: Connection, receiver: Receiver
) -> None:
    """Two answers of 503, then 204: three posts with one id, then delivered, and the body is gone."""
    settings = replace(job_settings, webhook=local(receiver))
    job = replace(SEND, first_pause_seconds=0.0)
    receiver.answers = [503, 503]
    assert take_over(database, SEND.name, SEND.queue, [("e-1", "u-1", EVENT)]) == 1
    assert [carry_out(job, "e-1", settings) for _ in range(4)] == ["failed", "failed", "done", "nothing"]
    assert {headers["webhook-id"] for headers, _ in receiver.got} == {"e-1"}
    assert len(receiver.got) == 3
    assert job_runs.one(database, SEND.name, "e-1").attempts == 3
    assert body_of(database, "e-1") is None


def test_announcements_are_known_by_their_id(job_settings: JobSettings, database: Connection) -> None:
    """A repeated announcement makes no second run, and one of an unknown learner makes none."""
    came = [("e-1", "u-1", EVENT), ("e-1", "u-1", EVENT), ("e-2", "u-gone", EVENT)]
    assert take_over(database, SEND.name, SEND.queue, came) == 1
    assert take_over(database, SEND.name, SEND.queue, came) == 0
    assert [run.run_key for run in job_runs.recent(database)] == ["e-1"]


def test_an_erased_learner_is_not_announced(
    job_settings: JobSettings, database: Connection, receiver: Receiver
) -> None:
    """The row goes with the learner; the run then ends without a post."""
    take_over(database, SEND.name, SEND.queue, [("e-1", "u-1", EVENT)])
    database.execute("DELETE FROM learners")
    assert carry_out(SEND, "e-1", replace(job_settings, webhook=local(receiver))) == "done"
    assert receiver.got == []


def test_announcements_travel_from_kafka_to_the_webhook(
    job_settings: JobSettings, database: Connection, receiver: Receiver, kafka
) -> None:
    """What is published on a topic makes one run; an unreadable record is skipped."""
    topic = kafka.create_topic("achievements", 2)
    settings = replace(job_settings, webhook=local(receiver), prefix=f"test:{uuid.uuid4().hex[:8]}")

    async def scenario() -> None:
        announcements = Announcements(settings, (topic,))
        consuming = asyncio.create_task(announcements.run())
        await asyncio.wait_for(announcements.ready.wait(), 60)
        async with AIOKafkaProducer(bootstrap_servers=settings.kafka_bootstrap) as producer:
            for value in (b"not json", EVENT, EVENT):
                await producer.send_and_wait(topic, value, key=b"u-1")
        for _ in range(300):
            if job_runs.one(database, SEND.name, "e-1"):
                break
            await asyncio.sleep(0.1)
        consuming.cancel()
        await asyncio.gather(consuming, return_exceptions=True)

    asyncio.run(scenario())
    assert carry_out(SEND, "e-1", settings) == "done"
    assert [body for _, body in receiver.got] == [EVENT]
