from viecomrec.models.word_segmentation import MAX_CHARACTERS, segment_words, underthesea_name


def test_syllables_of_a_word_are_joined():
    assert segment_words("Sữa rửa mặt cho da nhạy cảm") == "Sữa rửa mặt cho da nhạy_cảm"


def test_empty_text_stays_empty():
    assert segment_words("") == ""


def test_what_lies_beyond_the_window_is_left_out():
    assert len(segment_words("da " * 50_000)) <= MAX_CHARACTERS + 1


def test_the_segmenters_name_carries_its_version():
    assert underthesea_name().startswith("underthesea-9.")
