"""What people write under a product: short phrases that a comment is put together from."""

PRAISE = (
    "sản phẩm dùng rất thích",
    "chất lượng tốt",
    "giao hàng nhanh",
    "đóng gói cẩn thận, không bị móp",
    "mùi thơm nhẹ dễ chịu",
    "đúng hàng chính hãng",
    "giá hợp lý so với chất lượng",
    "mình dùng thấy hợp da",
    "không bị kích ứng gì",
    "sẽ ủng hộ shop dài dài",
    "shop tư vấn rất nhiệt tình",
    "được tặng thêm quà nhỏ xinh",
    "mua lần thứ hai rồi vẫn ưng",
    "da mềm mịn hẳn ra",
    "thấm nhanh không bết dính",
    "hàng đẹp giống hình",
    "date còn mới tinh",
    "dùng một tuần thấy da khá hơn nhiều",
    "mẹ mình cũng khen tốt",
    "rất đáng tiền nha mọi người",
    "canh sale nên mua được giá rẻ",
    "lấy chút xíu là đủ dùng, rất tiết kiệm",
    "mọi người nên mua thử",
    "nói chung là rất hài lòng",
    "cho shop năm sao",
    "bạn bè giới thiệu nên mua, không thất vọng",
    "bao bì chắc chắn, có tem đầy đủ",
    "shop giao đúng mẫu đúng số lượng",
)

PRAISE_OF_KIND = {
    "Sữa rửa mặt": ("rửa xong sạch mà không khô căng", "bọt mịn, rửa rất êm", "da sạch thoáng"),
    "Nước tẩy trang": ("tẩy sạch lớp trang điểm", "không cay mắt", "chai to dùng được lâu"),
    "Nước hoa hồng": ("vỗ lên da mát và ẩm", "cân bằng da tốt sau khi rửa mặt", "không có cồn"),
    "Tinh chất": ("thoa lên thấm liền", "vài hôm là thấy da sáng", "ống nhỏ giọt dễ dùng"),
    "Kem dưỡng ẩm": ("sáng dậy da căng mướt", "kem mỏng nhẹ", "đủ ẩm cho cả ngày máy lạnh"),
    "Kem chống nắng": ("nâng tông nhẹ, không bệt trắng", "không nhờn rít", "đi nắng cả ngày ổn áp"),
    "Mặt nạ giấy": ("miếng nhiều tinh chất", "đắp xong da mát lịm", "ôm sát mặt"),
    "Tẩy tế bào chết": ("kỳ ra nhiều ghét thật", "hạt mịn không rát da", "da láng o"),
    "Son dưỡng môi": ("môi hết nứt nẻ", "lên màu hồng nhẹ tự nhiên", "thoa không bị dày"),
    "Sữa tắm": ("tắm xong thơm lâu", "tắm không bị nhớt", "chai có vòi tiện lắm"),
    "Sữa dưỡng thể": ("da tay mịn hẳn", "thơm như nước hoa", "không dính quần áo"),
    "Bông tẩy trang": ("miếng dày không xơ", "thấm ít nước, tiết kiệm", "mềm, không rát mặt"),
}

INDIFFERENT = (
    "mới nhận hàng chưa dùng",
    "đánh giá lấy xu",
    "hàng tạm ổn",
    "dùng cũng bình thường",
    "chưa thấy khác biệt gì",
    "mua cho người nhà dùng",
    "để dùng thêm rồi đánh giá lại",
    "giao hơi lâu một chút",
    "hộp hơi móp nhưng bên trong không sao",
    "mùi hơi nồng với mình",
    "màu trắng, chất hơi lỏng",
    "tiền nào của nấy",
    "hình ảnh chỉ mang tính chất nhận xu",
)

COMPLAINT = (
    "dùng bị nổi mụn khắp mặt",
    "da bị kích ứng đỏ rát",
    "nghi ngờ hàng giả",
    "mùi rất khó chịu",
    "giao thiếu hàng, nhắn shop không trả lời",
    "hàng bị đổ ra hết hộp",
    "quá thất vọng",
    "rửa xong khô căng rát mặt",
    "không giống mô tả chút nào",
    "hàng gần hết hạn sử dụng",
    "phí tiền, không bao giờ mua lại",
    "tem bị rách, không yên tâm",
    "đóng gói cẩu thả",
    "shop giao sai mẫu",
    "chất lượng quá tệ",
    "dùng hai tuần không có tác dụng gì",
)

ONE_WORD = ("ok", "tốt", "đẹp", "ưng", "hay", "được", "tạm", "hihi", "good", "...", "aaaaaaaa")

SHORT_FORMS = (
    ("không", "ko"),
    ("được", "dc"),
    ("sản phẩm", "sp"),
    ("mọi người", "mn"),
    ("chất lượng", "cl"),
    ("giao hàng", "ship"),
    ("nhiều", "nhìu"),
    ("thích", "thik"),
    ("mình", "mk"),
    ("dùng", "xài"),
)
"""How people shorten or misspell; applied to a whole phrase."""
