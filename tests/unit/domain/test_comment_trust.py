import polars as pl
import pytest

from viecomrec.domain.comment_trust import trust

GENUINE = "Sữa rửa mặt tạo bọt mịn, dùng hai tuần thấy da bớt nhờn và giảm mụn rõ"
DELIVERY_ALONE = "shop giao hàng đúng hẹn trong tuần qua bưu điện tỉnh tới tận cửa nhà"


def trust_in(text):
    return trust(pl.Series([text, GENUINE]))[0]


def test_an_ordinary_comment_is_trusted_fully():
    assert trust_in(GENUINE) == 1


@pytest.mark.parametrize(
    "text",
    [
        "sữa_rửa_mặt tạo bọt mịn da bớt nhờn giảm mụn rõ_rệt smiling_face_with_hearts",
        "sua rua mat tao bot min tot dung hai tuan thay da bot nhon giam mun da dep chat size ok",
    ],
    ids=["segmented", "without diacritics"],
)
def test_segmented_text_and_text_without_diacritics_are_trusted(text):
    assert trust_in(text) == 1


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (f"{GENUINE} aaaaaaa", 0.6),
        (f"{GENUINE} xem thêm ở www.abc.vn", 0.5),
        (f"{GENUINE} zalo 0912345678", 0.5),
        (f"{GENUINE} hình ảnh mang tính chất nhận xu", 0.4),
        (f"{GENUINE} nhưng mình chưa sử dụng", 0.4),
        (f"{GENUINE} mua hộ bạn", 0.4),
        ("đẹp mịn thơm sạch", 1),
        ("đẹp", (1 / 3) ** 0.5 * (1.5 / 4.5) ** 0.5),
        ("ok", 0.3 * (0.5 / 4.5) ** 0.5),
        ("giao hàng nhanh, shop đóng gói cẩn thận, cảm ơn shop", 0.3 * (0.5 / 4.5) ** 0.5),
    ],
)
def test_each_rule_lowers_the_trust_by_its_bound(text, expected):
    assert trust_in(text) == pytest.approx(expected)


def test_mashed_keys_lower_the_trust_with_their_share():
    some = trust_in(f"{GENUINE} dkfjghsdkfj")
    most = trust_in("đẹp dkfjghsdkfjg xkcjvbxkcjvb qwrtpsdfgh zxcvbnmlkj wrtpsdfghj kjhgfdswq")
    assert 0.01 <= most < some < 1


def test_the_more_is_said_of_the_product_the_more_it_is_trusted_up_to_four_words():
    said = ["", "đẹp", "đẹp mịn", "đẹp mịn thơm", "đẹp mịn thơm sạch", "đẹp mịn thơm sạch rõ"]
    more = [trust_in(f"{DELIVERY_ALONE} {words}") for words in said]
    assert more[:5] == sorted(set(more[:5]))
    assert more[4] == more[5]


def test_a_text_about_another_subject_is_trusted_no_more_than_thanks_for_the_delivery():
    subject = "hôm qua trời mưa rất to ngoài đường phố cổ"
    assert trust_in(subject) == pytest.approx((0.5 / 4.5) ** 0.5)


@pytest.mark.parametrize("text", ["", "!!!", "12345", "👍👍👍", "\x00", "x" * 20_000])
def test_any_text_has_a_trust_between_the_bounds(text):
    assert 0.0001 < trust_in(text) <= 1


@pytest.mark.parametrize("marks", ["🎉" * 12, "~" * 12, "·" * 11])
def test_a_row_of_marks_without_a_letter_has_a_number_for_a_trust(marks):
    assert 0 < trust_in(marks) <= 1
