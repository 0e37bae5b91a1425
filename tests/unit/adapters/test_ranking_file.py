import pytest

from viecomrec.adapters.ranking_file import read_ranking_rules
from viecomrec.domain.ranking_rules import RankingRules
from viecomrec.errors import ConfigurationError


def test_without_a_file_the_defaults_hold(tmp_path):
    assert read_ranking_rules(tmp_path / "ranking.json") == RankingRules()


def test_the_file_is_read(tmp_path):
    file = tmp_path / "ranking.json"
    file.write_text('{"pinned": ["a"], "out_of_stock": "show", "weights": {"cf": 2}}')
    rules = read_ranking_rules(file)
    assert rules.pinned == ("a",)
    assert rules.weights.normalised()["cf"] == 1


@pytest.mark.parametrize(
    ("content", "named"),
    [
        ('{"pined": []}', "pined"),
        ('{"out_of_stock": "burn"}', "out_of_stock"),
        ('{"weights": {"cf": 0}}', "weights"),
        ('{"pinned": ["a"], "excluded": ["a"]}', "pinned and excluded"),
        ("", "Invalid JSON"),
        (b"\xff", "Invalid JSON"),
    ],
)
def test_what_is_wrong_is_named(tmp_path, content, named):
    file = tmp_path / "ranking.json"
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(ConfigurationError, match=named):
        read_ranking_rules(file)
