import json

import pytest

from viecomrec.adapters.data_source import read_data_source
from viecomrec.domain.contracts import REVIEWS
from viecomrec.errors import ConfigurationError


def read(tmp_path, content):
    file = tmp_path / "data_source.json"
    file.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
    return read_data_source(file)


def test_without_a_file_the_names_of_the_data_set_count(tmp_path):
    source = read_data_source(tmp_path / "absent.json")
    assert source.path(REVIEWS, tmp_path) == tmp_path / "data_reviews_purchase.csv"


def test_a_named_file_lies_in_the_published_data(tmp_path):
    source = read(tmp_path, {"reviews": {"file": "a/b.csv.gz"}})
    assert source.path(REVIEWS, tmp_path) == tmp_path / "a" / "b.csv.gz"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "is not valid JSON"),
        ({"review": {}}, "review: Extra inputs"),
        ({"time_zone": "Asia/Hanoi-City"}, "'Asia/Hanoi-City' does not exist"),
        ({"reviews": {"separator": ";;"}}, "reviews.separator"),
    ],
)
def test_a_wrong_mapping_is_a_configuration_error_that_names_the_place(tmp_path, content, message):
    with pytest.raises(ConfigurationError, match=message):
        read(tmp_path, content)


def test_the_shipped_example_is_valid(repository):
    source = read_data_source(repository / "config/examples/data_source.hasaki.json")
    assert source.reviews.columns["at"] == "ts"
