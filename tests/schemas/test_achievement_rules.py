"""Are wrong rules refused with the file, the field and the fix, and are the shipped ones right?"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from schemas.achievement_rules import Aggregate, Category, Repeat, RuleError, read_rules, shipped_rules

GOOD: dict[str, Any] = {
    "id": "sharer",
    "version": 1,
    "title": "Sharer",
    "description": "Share content.",
    "category": "SOCIAL",
    "when": {"types": ["SHARE"], "where": [["rating", "ge", 4]]},
    "agg": "distinct",
    "of": "item",
    "tiers": [{"gte": 1}, {"gte": 10}],
}


def text(*rules: dict[str, Any]) -> list[tuple[str, bytes]]:
    """One file of rules."""
    return [("social.json", json.dumps(rules).encode())]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"id": "Not An Id"}, "$[0].id"),
        ({"version": 0}, "$[0].version"),
        ({"category": "OTHER"}, "$[0].category"),
        ({"agg": "median"}, "$[0].agg"),
        ({"agg": "count"}, "$[0].of: only a `distinct` rule has it; remove it"),
        ({"of": None}, "$[0].of: missing; a `distinct` rule says of what: item, content_type, local_day, local_month"),
        ({"of": "learner"}, "$[0].of"),
        ({"window": "7d"}, "$[0].window: only a `count` or `sum` rule has a window; remove it"),
        ({"window": "1y"}, "$[0].window"),
        ({"agg": "count", "of": None, "window": "91d"}, "$[0].window: must be at most 90d"),
        ({"agg": "sum", "of": None}, "$[0].field: a `sum` rule says of what: timeSpent"),
        ({"agg": "max", "of": None, "field": "sentiment"}, "$[0].field: a `max` rule says of what"),
        ({"field": "score"}, "$[0].field: only a `sum` or `max` rule has it; remove it"),
        ({"tiers": [{"gte": 1.5}]}, "$[0].tiers[0].gte: must be a whole number for `distinct`"),
        ({"agg": "mastery", "of": None}, "$[0].when: a `mastery` rule counts mastered skills only"),
        ({"when": {"fact": "KUDOS_RECEIVED", "types": ["SHARE"]}}, "$[0].when.fact: a fact has no types"),
        ({"when": {"fact": "SKILL_MASTERED"}}, "$[0].when.fact: mastered skills are counted by `agg` `mastery`"),
        ({"repeat": "yearly"}, "$[0].repeat"),
        ({"repeat": "weekly", "of": "local_month"}, "$[0].repeat: `local_month` looks beyond one day, week or month"),
        ({"repeat": "daily", "agg": "span", "of": None}, "$[0].repeat: `span` looks beyond one day, week or month"),
        ({"repeat": "weekly", "agg": "count", "of": None, "window": "7d"}, "$[0].window: a rule that repeats counts"),
        ({"repeat": "weekly", "of": "local_day"}, "$[0].tiers[1].gte: must be at most 7 for `distinct` that repeats"),
        ({"repeat": "weekly", "requires": ["sharer"]}, "$[0].requires[0]: `sharer` repeats; require one that does not"),
        ({"tiers": []}, "$[0].tiers"),
        ({"tiers": [{"gte": 0}]}, "$[0].tiers[0].gte"),
        ({"tiers": [{"gte": 5}, {"gte": 5}]}, "$[0].tiers[1].gte: must be above the tier before it (5)"),
        ({"tiers": [{"gte": 5000}]}, "$[0].tiers[0].gte: must be at most 1000 for `distinct`"),
        ({"agg": "streak", "of": None, "tiers": [{"gte": 4000}]}, "$[0].tiers[0].gte: must be at most 3650"),
        ({"tiers": [{"gte": 5, "prize": "cake"}]}, "$[0].tiers[0]"),
        ({"when": {"types": ["STARE"]}}, "$[0].when.types[0]"),
        ({"when": {"type": "SHARE"}}, "$[0].when"),
        ({"when": {"where": [["userId", "eq", 1]]}}, "$[0].when.where[0][0]"),
        ({"when": {"where": [["rating", "like", 4]]}}, "$[0].when.where[0][1]"),
        ({"when": {"where": [["rating", "ge", "4"]]}}, "$[0].when.where[0][2]"),
        ({"when": {"where": [["rating", "ge", 6]]}}, "$[0].when.where[0][2]: `rating` is a number from 1 to 5"),
        ({"when": {"where": [["rating", "ge"]]}}, "$[0].when.where[0]"),
        ({"requires": ["nobody"]}, "$[0].requires[0]: no rule has the id `nobody`"),
        ({"requires": ["sharer"]}, "goes round in a circle: sharer -> sharer"),
        ({"colour": "red"}, "colour"),
    ],
)
def test_a_wrong_rule_names_file_field_and_fix(change: dict[str, Any], message: str) -> None:
    """Each mistake is refused with the file's name, the path of the field and what is wrong."""
    with pytest.raises(RuleError) as refused:
        read_rules(text({**GOOD, **change}))
    assert "social.json" in str(refused.value)
    assert message in str(refused.value)


def test_a_missing_field_is_named() -> None:
    """A rule without a title says so."""
    with pytest.raises(RuleError, match="`title`"):
        read_rules(text({key: value for key, value in GOOD.items() if key != "title"}))


def test_an_id_is_used_once() -> None:
    """The second rule with an id names the place of the first, also across files."""
    with pytest.raises(RuleError, match=r"b\.json: \$\[0\]\.id: `sharer` is already used at social\.json: \$\[0\]"):
        read_rules([*text(GOOD), ("b.json", json.dumps([GOOD]).encode())])


def test_a_circle_is_printed() -> None:
    """Rules that wait for each other are refused with the circle."""
    one, two = {**GOOD, "id": "one", "requires": ["two"]}, {**GOOD, "id": "two", "requires": ["one"]}
    with pytest.raises(RuleError, match=r"(one -> two -> one)|(two -> one -> two)"):
        read_rules(text(one, two))


def test_what_is_not_json_is_refused() -> None:
    """A file of other text names the file."""
    with pytest.raises(RuleError, match=r"broken\.json"):
        read_rules([("broken.json", b"rules: none")])


def test_required_rules_come_first() -> None:
    """Whatever the order of the file, a rule comes after those that it requires."""
    rules = read_rules(text({**GOOD, "requires": ["second"]}, {**GOOD, "id": "second", "requires": ["third"]},
                            {**GOOD, "id": "third"}))  # fmt: skip
    assert [rule.id for rule in rules] == ["third", "second", "sharer"]


def test_the_shipped_rules_cover_the_grammar() -> None:
    """At least 25 rules are shipped; every category, aggregate and window occurs, and some have requirements."""
    rules = shipped_rules()
    assert len(rules) >= 25
    assert {rule.category for rule in rules} == set(Category)
    assert {rule.agg for rule in rules} == set(Aggregate)
    assert {"all", "local_day", "7d", "30d"} == {rule.window for rule in rules}
    assert any(rule.requires for rule in rules)
    assert {rule.repeat for rule in rules} == {Repeat.NEVER, Repeat.WEEKLY, Repeat.MONTHLY}


def test_the_guide_lists_the_shipped_rules() -> None:
    """docs/achievements.md has a row with the tiers and the description of every shipped rule, and of no other."""
    guide = (Path(__file__).parents[2] / "docs" / "achievements.md").read_text(encoding="utf-8")
    rows = [line for line in guide.partition("## Shipped")[2].splitlines() if line.startswith("| `")]
    assert len(rows) == len(shipped_rules())
    for rule in shipped_rules():
        tiers = ", ".join(f"{tier.gte:g}" for tier in rule.tiers)
        assert any(row.startswith(f"| `{rule.id}` | {tiers} | {rule.description}") for row in rows), rule.id


def test_the_guide_shows_a_valid_rule() -> None:
    """The example of docs/achievements.md is a rule that would be taken."""
    guide = (Path(__file__).parents[2] / "docs" / "achievements.md").read_text(encoding="utf-8")
    example = json.loads(guide.partition("```json")[2].partition("```")[0])
    assert read_rules(text(example))[0].id == example["id"]


def test_the_json_schema_takes_what_the_loader_takes() -> None:
    """Every shipped file fits the committed JSON Schema; unknown words and missing members do not."""
    folder = Path(__file__).parents[2] / "schemas"
    schema = json.loads((folder / "json" / "achievement-rules.schema.json").read_text(encoding="utf-8"))
    validator = jsonschema.Draft202012Validator(schema)
    for path in sorted((folder / "achievements").glob("*.json")):
        validator.validate(json.loads(path.read_text(encoding="utf-8")))
    for wrong in ({"agg": "median"}, {"tiers": []}, {"window": "1y"}, {"when": {"where": [["userId", "eq", 1]]}}):
        assert not validator.is_valid([{**GOOD, **wrong}]), wrong
    assert not validator.is_valid([{key: value for key, value in GOOD.items() if key != "title"}])
