"""Settings name where each value came from, refuse bad ones with the fix, and never show a secret."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from personalize.dotenv import read_dotenv
from personalize.errors import EXIT_USAGE, SettingsError
from personalize.settings import MASK, Settings
from personalize.settings_reference import configuration_page, described, env_example

ROOT = Path(__file__).resolve().parents[2]
URLS = {
    "DATABASE_URL": "postgresql://user:word@db:5432/engine",
    "KAFKA_BOOTSTRAP_SERVERS": "kafka-1:9092, kafka-2:9092",
}


def test_defaults_need_no_environment():
    """An empty environment gives the embedded stack and the documented defaults, all marked as defaults."""
    settings = Settings.from_env({})
    assert (settings.stack, settings.port, settings.host, settings.max_poll_records) == (
        "embedded",
        3009,
        "127.0.0.1",
        20_000,
    )
    assert {line.source for line in described(settings)} == {"default"}


def test_environment_wins_over_dotenv_and_both_over_defaults():
    """The source of each value is named."""
    settings = Settings.from_env({"PORT": "4000"}, {"PORT": "5000", "HOST": "::1"})
    shown = {line.variable: (line.value, line.source) for line in described(settings)}
    assert shown["PORT"] == ("4000", "environment")
    assert shown["HOST"] == ("::1", ".env")
    assert shown["LOG_LEVEL"] == ("INFO", "default")


def test_both_urls_choose_external_servers():
    """Kafka's and Postgres' addresses together select STACK=external, and the reason is given as its source."""
    settings = Settings.from_env(URLS)
    assert settings.stack == "external"
    assert settings.kafka_bootstrap_servers == "kafka-1:9092,kafka-2:9092"
    assert "KAFKA_BOOTSTRAP_SERVERS" in settings.sources["stack"]


@pytest.mark.parametrize("given_name", list(URLS))
def test_half_a_set_of_urls_is_refused(given_name):
    """One address without the other is an error that names the other, instead of being ignored."""
    (other,) = set(URLS) - {given_name}
    with pytest.raises(SettingsError, match=other):
        Settings.from_env({given_name: URLS[given_name]})
    with pytest.raises(SettingsError, match=other):
        Settings.from_env({given_name: URLS[given_name], "STACK": "external"})
    assert Settings.from_env({given_name: URLS[given_name], "STACK": "embedded"}).stack == "embedded"


@pytest.mark.parametrize(
    ("variable", "text"),
    [
        ("PORT", "http"),
        ("PORT", "0"),
        ("PORT", "70000"),
        ("STACK", "docker"),
        ("DEAD_LETTER_MAX_SHARE", "nan"),
        ("DEAD_LETTER_MAX_SHARE", "0"),
        ("DEAD_LETTER_MAX_SHARE", "1.5"),
        ("MAX_POLL_RECORDS", "-1"),
        ("LOG_LEVEL", "loud"),
        ("KAFKA_BOOTSTRAP_SERVERS", "kafka"),
        ("DATABASE_URL", "mysql://db"),
        ("TOKEN_SECRET", "short"),
    ],
)
def test_a_bad_value_names_the_variable_and_the_fix(variable, text):
    """Every value that cannot be used is refused with its variable, its source and what it may be."""
    with pytest.raises(SettingsError) as caught:
        Settings.from_env({}, {variable: text})
    assert caught.value.exit_code == EXIT_USAGE
    assert variable in caught.value.what
    assert ".env" in caught.value.what
    assert caught.value.fix.startswith(f"set {variable} to ")


def test_secrets_are_masked_wherever_they_are_shown():
    """Neither the listing, nor an error, nor the repr of the listing holds a password."""
    secret = "correct-horse-battery-staple"
    values = {
        **URLS,
        "DATABASE_URL": f"postgresql://user:{secret}@db/x",
        "REDIS_PASSWORD": secret,
        "TOKEN_SECRET": secret,
    }
    shown = described(Settings.from_env(values))
    assert secret not in repr(shown)
    assert {line.variable for line in shown if line.value == MASK} == {"DATABASE_URL", "REDIS_PASSWORD", "TOKEN_SECRET"}
    with pytest.raises(SettingsError) as caught:
        Settings.from_env({"DATABASE_URL": f"mysql://user:{secret}@db/x"})
    assert secret not in str(caught.value)


@given(
    st.dictionaries(st.sampled_from(["PORT", "STACK", "DEDUPE_DAYS", "REDIS_PORT", "LOG_LEVEL"]), st.text(max_size=8))
)
def test_any_text_gives_settings_or_a_named_error(environ):
    """Whatever stands in the environment, the outcome is settings or an error that names one of its variables."""
    try:
        settings, problem = Settings.from_env(environ), ""
    except SettingsError as error:
        settings, problem = None, error.what
    if settings is None:
        assert any(name in problem for name in environ)
    else:
        assert 1 <= settings.port <= 65_535
        assert settings.stack in {"embedded", "testcontainers", "external"}


def test_dotenv_lines(tmp_path):
    """Comments, blank lines, `export` and quotes are understood; a line that is no assignment is refused by number."""
    path = tmp_path / ".env"
    path.write_text("# words\n\nexport PORT=4000\nHOST='::1'\nLOG_LEVEL=\n")
    assert read_dotenv(path) == {"PORT": "4000", "HOST": "::1", "LOG_LEVEL": ""}
    path.write_text("PORT=1\nnonsense\n")
    with pytest.raises(SettingsError, match=":2"):
        read_dotenv(path)
    assert read_dotenv(tmp_path / "absent") == {}


def test_the_example_file_is_current_and_changes_nothing():
    """`.env.example` is what the settings generate, and copied as `.env` it gives exactly the defaults."""
    path = ROOT / ".env.example"
    assert path.read_text() == env_example()
    assert Settings.from_env({}, read_dotenv(path)) == Settings.from_env({})


def test_the_reference_page_is_current():
    """docs/configuration.md is what the settings generate; `make config-docs` writes it."""
    assert (ROOT / "docs" / "configuration.md").read_text() == configuration_page()
