from viecomrec.adapters.numeric_formats import NumericFormatStore
from viecomrec.domain.numeric_format import NumericFormat, decide_format


def test_a_decision_is_read_back_and_others_stay(tmp_path):
    store = NumericFormatStore(tmp_path / "formats.json")
    assert store.read("a") is None
    store.record("a", decide_format(0.999, 500, "mean cosine"))
    store.record("b", decide_format(0.9, 500, "mean cosine"))
    assert store.read("a").numeric_format is NumericFormat.INT8
    assert store.read("b").numeric_format is NumericFormat.FLOAT32


def test_a_damaged_file_means_measuring_again(tmp_path):
    file = tmp_path / "formats.json"
    file.write_text("{")
    store = NumericFormatStore(file)
    assert store.read("a") is None
    store.record("a", decide_format(1, 500, "mean cosine"))
    assert store.read("a") is not None
