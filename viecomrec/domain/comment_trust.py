"""How far a comment is to be trusted: few rules, each bounded, their product the trust.

They catch what people write for coins and not for readers: mashed keys, links, remarks that the
product was not used, thanks for the delivery, another subject, a word or two. A rule lowers the
quality, it never raises it, and no rule looks at whether the comment praises. Words and bounds
were set on the training part of ViSpamReviews.
"""

import polars as pl

LOWEST = 0.1
"""No rule takes more than nine tenths."""

_WORD = r"\p{L}+"
_CONSONANTS = "bcdđghklmnpqrstvxzjwf"
_CLUSTER = rf"[{_CONSONANTS}]{{4,}}"
_UNPRONOUNCEABLE = (
    rf"\p{{L}}*{_CLUSTER}\p{{L}}*"  # four consonants in a row
    r"|\p{L}{11,}"  # longer than any syllable, and than nearly every name
)
_SUSPICIOUS = rf"{_CLUSTER}|[^ -@]{{11}}"
"""Found in every text that has an unpronounceable word, and in few others; quicker to look for:
the second alternative takes for a letter whatever is no space, digit or common mark."""
_STRETCHED = "|".join(rf"{letter}{{6,}}" for letter in "abcdefghijklmnopqrstuvwxyz")
_LINK = r"https?:|www\.|\.com\b|facebook|tiktok|zalo|instagram|\b0\d{9}\b"
_FOR_COINS = r"\b(nhận|lấy|kiếm|nhan|lay) xu\b|tính chất|tinh chat|minh h[oọ]a|không liên quan"
_NOT_USED = (
    r"\b(chưa|chua|ch) (có |co )?(sử dụng|su dung|xài|xai|dùng|dung|thử|thu|sd|biết|biet)"
    r"|\bmua (hộ|ho|dùm|dum|giùm|gium)\b"
)
_SAYS_LITTLE = (
    r" (giao|hàng|nhanh|shop|ship|đóng|gói|cẩn|thận|rất|quá|ok|oke|okie|nha|nhé|ạ|tốt|cảm|ơn|"
    r"cám|sẽ|ủng|hộ|lần|sau|nên|mua|và|cho|đã|nhận|được|dc|đc|mình|giá|rẻ|tiền|thân|thiện|"
    r"nhiệt|tình|chắc|chắn|phục|vụ|của|là|thì|cũng) "
)
_ENOUGH_WORDS = 3
_BETWEEN_WORDS = r"[^\p{L}\p{N}]+"
"""Two spaces take its place, so that each word has its own on either side: a pattern with spaces
runs in one pass, where \\b beside Vietnamese letters takes ten times as long."""

_PROPERTY = (
    r" (đẹp|dep|xấu|xinh|tốt|tot|chất|chat|màu|sắc|mùi|thơm|hôi|vải|mềm|mịn|mượt|êm|nhẹ|nặng|dày|"
    r"mỏng|rộng|chật|nhỏ|size|form|vừa|ổn|ngon|hợp|bền|cứng|dễ|khó|tiện|chạy|mát|nóng|khô|ẩm|sạch|"
    r"đáng|lỗi|hỏng|mô  tả|hình|hiệu  quả|rách|bẩn|kém|sáng|rõ|ưng|xước|dính|gọn|nét|lắp|nắp|chút|"
    r"xíu|phù|tiếc|đỡ|tầm|mặc|đeo|giặt|date|seal|chịu|đựng|ồn|trừ|nhạy|đậm|pin|cài|chỉnh|tả|"
    # so far what any thing can be
    r"da|mụn|dịu|bọt|thấm|trắng|dưỡng|ngứa|rát|"  # what a cosmetic can be
    r"dùng|xài|sử  dụng|hơi|khá|hơn|lắm|thích|hài  lòng) "  # using, comparing, liking it
)
_ENOUGH_PROPERTIES = 4


def trust(comments: pl.Series) -> pl.Series:
    """Trust in (0, 1] of each comment (NFC text), float32; 1 where no rule applies."""
    # Exports of segmented text join the syllables of a word by underscores.
    text = comments.str.to_lowercase().str.replace_all("_", " ", literal=True)
    one = pl.col("text")
    words = pl.col("words")
    rules = _unstretched(one) * _no_advert(one) * _about_use(one) * _says_much(words)
    rules = rules * _about_the_product(words)
    spaced = (" " + text + " ").str.replace_all(_BETWEEN_WORDS, "  ")
    frame = pl.DataFrame([text.alias("text"), spaced.alias("words")])
    bounded = frame.select(rules.cast(pl.Float32)).to_series() * _readable(text)
    return bounded.rename(comments.name)


def _readable(text: pl.Series) -> pl.Series:
    """Falls with the share of letters in words that nobody can pronounce."""
    factor = pl.repeat(1.0, text.len(), dtype=pl.Float32, eager=True)
    suspicious = text.str.contains(_SUSPICIOUS)
    if not suspicious.any():
        return factor
    # Few comments have such words, and counting letters is the costliest rule.
    few = text.filter(suspicious)
    letters = few.str.replace_all(r"\P{L}+", "").str.len_chars().cast(pl.Int64)
    rest = few.str.replace_all(_UNPRONOUNCEABLE, "").str.replace_all(r"\P{L}+", "").str.len_chars()
    share = (letters - rest.cast(pl.Int64)) / letters.clip(1)
    return factor.scatter(suspicious.arg_true(), (1 - 3 * share).clip(LOWEST, 1).cast(pl.Float32))


def _unstretched(text: pl.Expr) -> pl.Expr:
    """A letter six times in a row fills the minimum length of a comment."""
    return pl.when(text.str.contains(_STRETCHED)).then(0.6).otherwise(1.0)


def _no_advert(text: pl.Expr) -> pl.Expr:
    """A link, a channel or a telephone number advertises something else."""
    return pl.when(text.str.contains(_LINK)).then(0.5).otherwise(1.0)


def _about_use(text: pl.Expr) -> pl.Expr:
    """Written for coins, or before the product was used, or for somebody else."""
    return pl.when(text.str.contains(f"{_FOR_COINS}|{_NOT_USED}")).then(0.4).otherwise(1.0)


def _says_much(words: pl.Expr) -> pl.Expr:
    """Very short: fewer than three words beside thanks, delivery and filling words."""
    n_words = words.str.count_matches(_WORD).cast(pl.Float64)
    telling = n_words - words.str.count_matches(_SAYS_LITTLE)
    return (telling / _ENOUGH_WORDS).sqrt().clip(0.3, 1)


def _about_the_product(words: pl.Expr) -> pl.Expr:
    """From a third, for thanks for the delivery alone, up with the words about the product."""
    said = words.str.count_matches(_PROPERTY).cast(pl.Float64)
    return ((said + 0.5) / (_ENOUGH_PROPERTIES + 0.5)).sqrt().clip(None, 1)
