"""Servers that speak TLS and ask for users: settings reach every client, and what does not fit is refused."""

from __future__ import annotations

import asyncio
import datetime as dt
import ipaddress
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import psycopg
import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from personalize.demo.bulk_producer import BulkProducer
from personalize.errors import SettingsError
from personalize.settings import Settings
from personalize.stack import Endpoints
from personalize.stack.encryption import database_url, kafka_address
from personalize.stack.kafka import PROPERTIES, KafkaServer
from personalize.stack.ports import LOOPBACK, choose
from personalize.stack.server import ENVIRONMENT
from personalize.stack.sources import external
from personalize.stack.topics import ensure_topics
from projections import migrate
from projections.stores.kafka import client_options
from projections.stores.redis import Mirror, Reader
from schemas.topics import CATALOGUE
from streams.batch_app import batch_app
from streams.jobs.broker import JobBroker
from streams.settings import WorkerSettings

BASE = {"KAFKA_BOOTSTRAP_SERVERS": "k:9093", "DATABASE_URL": "postgresql://u:p@h/d"}
USER = {"KAFKA_SASL_USERNAME": "worker", "KAFKA_SASL_PASSWORD": "a password"}


class Authority:
    """Signs certificates of this machine."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self._key = ec.generate_private_key(ec.SECP256R1())
        self.certificate = _certificate("authority", self._key.public_key(), "authority", self._key, is_authority=True)
        self.file = folder / "ca.pem"
        self.file.write_bytes(self.certificate.public_bytes(serialization.Encoding.PEM))
        key = ec.generate_private_key(ec.SECP256R1())
        self.key = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        ).decode()
        server = _certificate(LOOPBACK, key.public_key(), "authority", self._key, is_authority=False)
        self.server = server.public_bytes(serialization.Encoding.PEM).decode()
        self.server_file = folder / "server.pem"
        self.server_file.write_text(self.server + self.key)


def _certificate(name: str, key: Any, issuer: str, signer: Any, *, is_authority: bool) -> x509.Certificate:
    def names(text: str) -> x509.Name:
        return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])

    now = dt.datetime.now(dt.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(names(name))
        .issuer_name(names(issuer))
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=is_authority, path_length=None), critical=True)
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(LOOPBACK)), x509.DNSName("localhost")]),
            critical=False,
        )
        .sign(signer, hashes.SHA256())
    )


@contextmanager
def speaking_tls(authority: Authority, host: str, port: int) -> Iterator[int]:
    """A port that speaks TLS and hands what is said to a server that does not."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(authority.server_file)
    context.set_alpn_protocols(["postgresql"])
    loop = asyncio.new_event_loop()
    listener = socket.create_server((LOOPBACK, 0))

    async def pass_on(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
        while data := await source.read(65_536):
            target.write(data)
        target.close()

    async def relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        behind, before = await asyncio.open_connection(host, port)
        await asyncio.gather(pass_on(reader, before), pass_on(behind, writer), return_exceptions=True)

    async def serve() -> asyncio.Server:
        return await asyncio.start_server(relay, sock=listener, ssl=context)

    async def end() -> None:
        server.close()
        relays = asyncio.all_tasks() - {asyncio.current_task()}
        for task in relays:
            task.cancel()
        await asyncio.gather(*relays, return_exceptions=True)

    server = loop.run_until_complete(serve())
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    try:
        yield listener.getsockname()[1]
    finally:
        asyncio.run_coroutine_threadsafe(end(), loop).result(5)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(5)
        loop.close()


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """Who signed the servers' certificates."""
    return Authority(tmp_path_factory.mktemp("tls") / "good")


@pytest.fixture(scope="module")
def stranger(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """Who did not."""
    return Authority(tmp_path_factory.mktemp("tls") / "other")


def settings(**variables: str) -> Settings:
    """Settings of external servers."""
    return Settings.from_env({**BASE, **variables})


@pytest.mark.parametrize(
    ("variables", "said"),
    [
        ({**USER}, "KAFKA_SECURITY_PROTOCOL is PLAINTEXT"),
        ({"KAFKA_SECURITY_PROTOCOL": "SASL_SSL"}, "needs a user"),
        ({"KAFKA_SSL_CA_FILE": "/ca.pem"}, "nothing says that TLS is spoken"),
        ({"KAFKA_SECURITY_PROTOCOL": "SSL", "KAFKA_SSL_CA_FILE": "/ca.pem"}, "there is no file /ca.pem"),
        ({"KAFKA_SECURITY_PROTOCOL": "SSL", "KAFKA_SSL_KEY_FILE": __file__}, "without a certificate"),
        ({"KAFKA_SECURITY_PROTOCOL": "SSL", "KAFKA_SSL_CA_FILE": __file__}, "KAFKA_SSL_CA_FILE: "),
        ({"REDIS_TLS_CA_FILE": __file__}, "set REDIS_URL=rediss"),
        ({"DATABASE_SSL_CA_FILE": __file__}, "set DATABASE_SSLMODE"),
    ],
)
def test_what_does_not_fit_is_refused_by_name(variables: dict[str, str], said: str) -> None:
    """Before any client is made, the message names the setting and the fix."""
    with pytest.raises(SettingsError) as refused:
        external(settings(**variables))
    assert said in str(refused.value)


@pytest.mark.parametrize("variables", [{"REDIS_URL": "https://h"}, {"KAFKA_SECURITY_PROTOCOL": "TLS"}])
def test_values_nobody_knows_are_refused(variables: dict[str, str]) -> None:
    """A value that is none of the known ones is refused when settings are read."""
    with pytest.raises(SettingsError):
        settings(**variables)


def test_settings_become_addresses(authority: Authority) -> None:
    """Every client is told the same; children of a process get the same variables; secrets are in no text of them."""
    ca = {"KAFKA_SSL_CA_FILE": str(authority.file), "REDIS_TLS_CA_FILE": str(authority.file)}
    servers = external(
        settings(
            KAFKA_SECURITY_PROTOCOL="sasl_ssl",
            REDIS_URL="rediss://me:p%40ss@r.example:6380/2",
            DATABASE_SSLMODE="verify-full",
            DATABASE_SSL_CA_FILE=str(authority.file),
            **ca,
            **USER,
        )
    )
    options = client_options(servers.kafka)
    assert isinstance(options.pop("ssl_context"), ssl.SSLContext)
    assert options == {
        "bootstrap_servers": "k:9093",
        "security_protocol": "SASL_SSL",
        "sasl_mechanism": "SCRAM-SHA-512",
        "sasl_plain_username": "worker",
        "sasl_plain_password": "a password",
    }
    app = batch_app(
        "g", WorkerSettings(kafka_bootstrap=servers.kafka, database_url=servers.database_url, redis=servers.redis)
    )
    assert (app.conf.broker_credentials.protocol.value, app.conf.broker_credentials.username) == ("SASL_SSL", "worker")
    address = servers.redis
    assert (address.host, address.port, address.username, address.database) == ("r.example", 6380, "me", 2)
    assert (address.password, address.tls is not None) == ("p@ss", True)
    assert servers.database_url == f"postgresql://u:p@h/d?sslmode=verify-full&sslrootcert={authority.file}"
    again = external(Settings.from_env(servers.environment()))
    assert client_options(again.kafka) | {"ssl_context": None} == {**options, "ssl_context": None}
    assert again.redis == address
    assert "a password" not in repr(servers) + str(servers.kafka) + repr(servers.kafka)
    own = settings(DATABASE_URL="postgresql://u:p@h/d?sslmode=require", DATABASE_SSLMODE="verify-full")
    assert database_url(own) == "postgresql://u:p@h/d?sslmode=require"
    assert type(kafka_address(settings())) is str


def test_redis_over_tls(stack: Endpoints, authority: Authority, stranger: Authority) -> None:
    """Readers, writers and queues speak TLS; a server that another authority signed is as good as none."""
    with speaking_tls(authority, stack.redis_host, stack.redis_port) as port:

        def servers(signed_by: Authority) -> Endpoints:
            url = f"rediss://:{stack.redis_password}@localhost:{port}/11"
            return external(settings(REDIS_URL=url, REDIS_TLS_CA_FILE=str(signed_by.file)))

        for signed_by, works in ((authority, True), (stranger, False)):
            address = servers(signed_by).redis
            mirror = Mirror(address)
            mirror.put(b"tls", 1, b"said")
            assert mirror.flush() is works
            mirror.close()

            async def ask(address: Any = address) -> Any:
                reader = Reader(address)
                found = await reader.get(b"tls")
                await reader.close()
                return found.payload if found else None

            expected = b"said" if works else None
            # A reader gives up after a fraction of a second, which a first handshake on a busy machine may take.
            assert expected in (asyncio.run(ask()) for _ in range(20))

        async def queue() -> None:
            broker = JobBroker(address=servers(authority).redis, queue="tls", prefix="tls")
            await broker.startup()
            await broker.shutdown()

        asyncio.run(queue())


def test_postgres_over_tls(database_url: str, authority: Authority, stranger: Authority) -> None:
    """What libpq is told reaches every kind of connection, migrations too."""
    target = urlsplit(database_url)
    with speaking_tls(authority, target.hostname or "", target.port or 0) as port:
        user = target.netloc.rpartition("@")[0]
        url = urlunsplit(target._replace(netloc=f"{user}@localhost:{port}", query="sslnegotiation=direct"))

        def over_tls(signed_by: Authority) -> str:
            found = external(
                settings(DATABASE_URL=url, DATABASE_SSLMODE="verify-full", DATABASE_SSL_CA_FILE=str(signed_by.file))
            )
            return found.database_url

        assert migrate.current(over_tls(authority)) == migrate.head()
        with psycopg.connect(over_tls(authority)) as connection:
            assert connection.pgconn.ssl_in_use
        with pytest.raises(psycopg.OperationalError, match="SSL error"):
            psycopg.connect(over_tls(stranger))


@pytest.fixture(scope="module")
def broker(authority: Authority, tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """Kafka's port on which it speaks TLS and asks for a user."""
    from personalize.stack.places import cache_folder

    home = tmp_path_factory.mktemp("kafka")
    found = Settings.load()
    kafka = KafkaServer(home, cache_folder(found, home))
    kafka.prepare()
    taken: set[int] = set()
    plain, control, tls = (choose(0, None, taken, name) for name in ("plain", "control", "tls"))
    configuration = kafka._configure({"kafka": plain, "kafka_controller": control})
    name, password = USER.values()
    lines = {
        "listener.security.protocol.map": PROPERTIES["listener.security.protocol.map"] + ",SASL_SSL:SASL_SSL",
        "listeners": f"PLAINTEXT://{LOOPBACK}:{plain},CONTROLLER://{LOOPBACK}:{control},SASL_SSL://{LOOPBACK}:{tls}",
        "advertised.listeners": f"PLAINTEXT://{LOOPBACK}:{plain},SASL_SSL://{LOOPBACK}:{tls}",
        "sasl.enabled.mechanisms": "PLAIN",
        "ssl.keystore.type": "PEM",
        "ssl.keystore.certificate.chain": authority.server.replace("\n", "\\n"),
        "ssl.keystore.key": authority.key.replace("\n", "\\n"),
        "listener.name.sasl_ssl.plain.sasl.jaas.config": "org.apache.kafka.common.security.plain.PlainLoginModule"
        f' required user_{name}="{password}";',
    }
    with configuration.open("a") as file:
        file.writelines(f"{name}={value}\n" for name, value in lines.items())
    command = [*kafka._java(), "kafka.Kafka", str(configuration)]
    environment = dict(ENVIRONMENT)
    with (home / "log").open("wb") as log, subprocess.Popen(command, env=environment, stdout=log, stderr=log) as one:
        try:
            deadline = time.monotonic() + 90
            while not kafka.answers({"kafka": plain}):
                assert one.poll() is None, (home / "log").read_text()[-2000:]
                assert time.monotonic() < deadline
                time.sleep(0.1)
            yield tls
        finally:
            one.kill()


def test_kafka_over_tls_with_a_user(broker: int, authority: Authority, stranger: Authority) -> None:
    """Topics are made and records published; another password, or another authority, gets nowhere."""

    def servers(signed_by: Authority, **more: str) -> str:
        variables = {
            "KAFKA_BOOTSTRAP_SERVERS": f"localhost:{broker}",
            "KAFKA_SECURITY_PROTOCOL": "SASL_SSL",
            "KAFKA_SASL_MECHANISM": "PLAIN",
            "KAFKA_SSL_CA_FILE": str(signed_by.file),
        }
        return external(settings(**{**variables, **USER, **more})).kafka

    good = servers(authority)
    assert asyncio.run(ensure_topics(good, [CATALOGUE])).created == (CATALOGUE.name,)

    async def publish() -> int:
        async with BulkProducer(good) as producer:
            return await producer.write(CATALOGUE.name, [(b"k", b"v")])

    assert asyncio.run(publish()) == 1

    async def connects(address: str) -> bool:
        producer = AIOKafkaProducer(**client_options(address), request_timeout_ms=5_000)
        try:
            async with asyncio.timeout(20):
                await producer.start()
        except (KafkaError, OSError, TimeoutError):
            return False
        finally:
            await producer.stop()
        return True

    assert asyncio.run(connects(good))
    assert not asyncio.run(connects(servers(authority, KAFKA_SASL_PASSWORD="another password")))
    assert not asyncio.run(connects(servers(stranger)))
