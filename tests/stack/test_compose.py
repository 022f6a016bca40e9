"""The compose file says what it must, its topics are the declared ones, and each of its commands runs natively."""

from __future__ import annotations

import asyncio
import re

import pytest
import yaml
from command_line import ROOT, CommandLine

from personalize.settings import Settings
from personalize.stack import containers
from personalize.stack.kafka import PROPERTIES
from personalize.stack.topics import ensure_topics
from schemas.topics import TOPICS

COMPOSE = yaml.safe_load((ROOT / "docker-compose.kafka.yml").read_text())
SERVICES = COMPOSE["services"]
ENGINE = ("topics-init", "worker", "recommender", "jobs", "api", "demo")
SECRETS = {
    "POSTGRES_PASSWORD": "a-password-of-16",
    "REDIS_PASSWORD": "b-password-of-16",
    "TOKEN_SECRET": "c-secret-of-16-b",
}


def resolved(value: str) -> str:
    """A value as compose would resolve it with the secrets set."""

    def replace(match: re.Match[str]) -> str:
        name, operator, rest = re.fullmatch(r"(\w+)(:[-?])?(.*)", match[1], re.DOTALL).groups()
        return SECRETS.get(name, rest if operator == ":-" else "")

    return re.sub(r"\$\{([^}]*)\}", replace, str(value))


def test_every_lasting_service_has_a_health_check():
    """Each service that stays up can be waited for; the one-shot and the demo are the only ones without."""
    assert {name for name, service in SERVICES.items() if "healthcheck" not in service} == {"topics-init", "demo"}


def test_ports_are_published_on_loopback_only():
    """No service is reachable from another machine."""
    published = [port for service in SERVICES.values() for port in service.get("ports", [])]
    assert published
    assert all(port.startswith("127.0.0.1:") for port in published)


def test_images_are_pinned_and_the_ones_tests_use():
    """Every foreign image names a version, and testcontainers starts the same three servers."""
    images = {name: service["image"] for name, service in SERVICES.items() if name not in ENGINE}
    assert all(":" in image and not image.endswith(":latest") for image in images.values())
    assert images["kafka"] == containers.KAFKA_IMAGE
    assert images["postgres"] == containers.POSTGRES_IMAGE
    assert images["redis"] == containers.REDIS_IMAGE


def test_the_version_key_is_absent_and_dependencies_exist():
    """The file follows the current compose format, and services wait for services that exist, by condition."""
    assert "version" not in COMPOSE
    for service in SERVICES.values():
        for name, condition in service.get("depends_on", {}).items():
            assert name in SERVICES
            wanted = "service_completed_successfully" if name == "topics-init" else "service_healthy"
            assert condition["condition"] == wanted


def test_kafka_is_configured_like_the_embedded_one():
    """What clients can notice is the same: message size, no automatic topics, no rebalance delay."""
    environment = SERVICES["kafka"]["environment"]
    for name in ("auto.create.topics.enable", "message.max.bytes", "group.initial.rebalance.delay.ms"):
        assert environment["KAFKA_" + name.upper().replace(".", "_")] == PROPERTIES[name]


def test_the_image_of_testcontainers_gets_the_whole_configuration():
    """Each property of the embedded broker reaches the container, under the image's naming rule."""
    environment = containers.kafka_environment(40_000)
    assert {f"KAFKA_{name.upper().replace('.', '_')}" for name in PROPERTIES} <= set(environment)
    assert environment["KAFKA_ADVERTISED_LISTENERS"] == "PLAINTEXT://127.0.0.1:40000"


@pytest.mark.parametrize("name", ENGINE)
def test_engine_services_have_settings_that_hold(name):
    """The environment of every engine service is accepted, uses external servers, and has no unknown variable."""
    environment = {key: resolved(value) for key, value in SERVICES[name]["environment"].items()}
    settings = Settings.from_env(environment)
    assert settings.stack == "external"
    assert settings.token_secret == SECRETS["TOKEN_SECRET"]
    known = {
        item.metadata["variable"] for item in Settings.__dataclass_fields__.values() if "variable" in item.metadata
    }
    assert set(environment) <= known


@pytest.mark.parametrize("name", ENGINE)
def test_engine_commands_exist(name, tmp_path):
    """Each container's command is one of the program's."""
    program, *arguments = SERVICES[name]["command"]
    assert program == "personalize"
    assert CommandLine(tmp_path / "home").run(*arguments, "--help").returncode == 0


def test_topics_init_makes_the_declared_topics_and_no_list_of_its_own(stack, database_url, tmp_path):
    """The one-shot's command, run natively against real servers, leaves every declared topic as declared."""
    text = (ROOT / "docker-compose.kafka.yml").read_text()
    assert "kafka-topics" not in text
    environment = {**stack.environment(), "DATABASE_URL": database_url, "TOKEN_SECRET": SECRETS["TOKEN_SECRET"]}
    shell = CommandLine(tmp_path / "home", **environment)
    done = shell.run(*SERVICES["topics-init"]["command"][1:])
    assert done.returncode == 0, done.stderr + done.stdout
    report = asyncio.run(ensure_topics(stack.kafka, TOPICS))
    assert report.created == ()
    assert report.drift == ()


def test_secrets_have_no_default():
    """A password nobody set stops compose with a message, instead of being a word that everybody knows."""
    text = (ROOT / "docker-compose.kafka.yml").read_text()
    for name in SECRETS:
        uses = re.findall(rf"\$\{{{name}([^}}]*)\}}", text)
        assert uses
        assert all(use.startswith(":?") for use in uses)


def test_the_image_gets_what_the_file_needs_and_no_local_data():
    """The Dockerfile exists, copies only what .dockerignore lets through, and the local stack's folder is not in it."""
    dockerfile = (ROOT / SERVICES["api"]["build"]["dockerfile"]).read_text()
    allowed = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    copied = {
        word
        for line in dockerfile.splitlines()
        if line.startswith("COPY ") and "--from" not in line
        for word in line.split()[1:-1]
    }
    assert copied <= allowed
    assert ".personalize" not in allowed
    assert all((ROOT / name).exists() for name in copied)


def test_the_image_runs_as_nobody_special_and_says_whether_it_is_well():
    """The last stage is slim and has a user of its own and the port; its check is that of the compose service."""
    last = (ROOT / SERVICES["api"]["build"]["dockerfile"]).read_text().split("FROM ")[-1]
    assert last.startswith("python:3.11-slim")
    assert "USER engine" in last
    assert "EXPOSE 3009" in last
    check = re.search(r"HEALTHCHECK .*?CMD (\[.*?\])$", last, re.DOTALL | re.MULTILINE)
    assert ["CMD", *yaml.safe_load(check[1])] == SERVICES["api"]["healthcheck"]["test"]
