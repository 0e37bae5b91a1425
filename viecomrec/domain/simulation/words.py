"""What a Vietnamese cosmetics shop is made of: invented brands, real product kinds, plain words.

Prices are in thousands of VND before brand level, size and rounding.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Brand:
    name: str
    origin: str
    price_level: int
    """0 cheap, 1 middle, 2 expensive."""


@dataclass(frozen=True)
class Category:
    name: str
    base_price: float
    sizes: tuple[str, ...]
    texture: str
    usage: str
    demand: float
    """How often this kind is bought relative to the others."""
    next_steps: tuple[str, ...]
    """Kinds that are bought with it or after it."""


@dataclass(frozen=True)
class Concern:
    """What a person wants of a product, and the skin that goes with it."""

    skin_type: str
    benefits: tuple[str, ...]
    ingredients: tuple[str, ...]
    promise: str
    share: float
    """The share of people with this skin."""


BRANDS = (
    Brand("Linh Mộc", "Việt Nam", 0),
    Brand("Sen Hồng", "Việt Nam", 0),
    Brand("Thảo Nhiên", "Việt Nam", 0),
    Brand("Bạch Liên", "Việt Nam", 0),
    Brand("Tràm An", "Việt Nam", 0),
    Brand("Gạo Ta", "Việt Nam", 0),
    Brand("Mây Skin", "Việt Nam", 1),
    Brand("Hanbora", "Hàn Quốc", 1),
    Brand("Seorabel", "Hàn Quốc", 1),
    Brand("Miseong", "Hàn Quốc", 1),
    Brand("Dalbit Lab", "Hàn Quốc", 1),
    Brand("Yukisei", "Nhật Bản", 1),
    Brand("Hadairo", "Nhật Bản", 1),
    Brand("Kumorin", "Nhật Bản", 2),
    Brand("Siam Pure", "Thái Lan", 0),
    Brand("Orchira", "Thái Lan", 0),
    Brand("Dermavie", "Pháp", 2),
    Brand("Cévaline", "Pháp", 2),
    Brand("Aqualys", "Pháp", 2),
    Brand("Nordhaut", "Đức", 2),
    Brand("Purewell", "Mỹ", 1),
    Brand("Skinoro", "Mỹ", 2),
    Brand("Oatley Care", "Anh", 1),
    Brand("Botanivka", "Nga", 0),
)

CATEGORIES = (
    Category(
        "Sữa rửa mặt",
        110,
        ("100ml", "150ml", "200ml", "400ml"),
        "dạng gel",
        "Làm ướt mặt, lấy một lượng vừa đủ, tạo bọt rồi mát-xa nhẹ nhàng trong 60 giây và rửa sạch "
        "với nước. Dùng hai lần mỗi ngày, sáng và tối.",
        2.2,
        ("Nước hoa hồng", "Kem dưỡng ẩm", "Nước tẩy trang"),
    ),
    Category(
        "Nước tẩy trang",
        130,
        ("150ml", "250ml", "400ml", "500ml"),
        "dạng lỏng",
        "Thấm ra bông tẩy trang, lau nhẹ theo chiều từ trong ra ngoài cho đến khi bông sạch. Nên "
        "rửa mặt lại để làn da thông thoáng.",
        1.5,
        ("Sữa rửa mặt", "Nước hoa hồng", "Bông tẩy trang"),
    ),
    Category(
        "Nước hoa hồng",
        140,
        ("150ml", "180ml", "250ml"),
        "dạng lỏng",
        "Sau bước rửa mặt, thấm ra bông hoặc vỗ trực tiếp lên da cho đến khi thấm hết.",
        1.2,
        ("Tinh chất", "Kem dưỡng ẩm", "Sữa rửa mặt"),
    ),
    Category(
        "Tinh chất",
        260,
        ("20ml", "30ml", "50ml"),
        "dạng tinh chất lỏng",
        "Nhỏ hai đến ba giọt lên mặt và cổ, vỗ nhẹ cho thấm. Ban ngày nhớ dùng kem chống nắng.",
        1.3,
        ("Kem dưỡng ẩm", "Kem chống nắng", "Nước hoa hồng"),
    ),
    Category(
        "Kem dưỡng ẩm",
        210,
        ("30g", "50g", "75g"),
        "dạng kem",
        "Chấm năm điểm trên mặt, thoa đều ở bước cuối cùng của chu trình dưỡng da.",
        1.3,
        ("Tinh chất", "Kem chống nắng", "Sữa rửa mặt"),
    ),
    Category(
        "Kem chống nắng",
        200,
        ("30ml", "50ml", "60g"),
        "dạng sữa",
        "Thoa trước khi ra nắng 15 phút và thoa lại sau mỗi ba giờ nếu ở ngoài trời.",
        1.5,
        ("Nước tẩy trang", "Sữa rửa mặt", "Kem dưỡng ẩm"),
    ),
    Category(
        "Mặt nạ giấy",
        25,
        ("1 miếng", "5 miếng", "10 miếng"),
        "dạng miếng",
        "Đắp lên da sạch từ 15 đến 20 phút, gỡ ra và vỗ phần dưỡng chất còn lại cho thấm.",
        1.1,
        ("Tinh chất", "Nước hoa hồng", "Mặt nạ giấy"),
    ),
    Category(
        "Tẩy tế bào chết",
        120,
        ("60g", "100g", "150g"),
        "dạng gel kỳ",
        "Lau khô da, thoa một lớp mỏng, mát-xa vòng tròn một phút rồi rửa sạch. Mỗi tuần hai lần.",
        0.7,
        ("Mặt nạ giấy", "Sữa rửa mặt", "Sữa tắm"),
    ),
    Category(
        "Son dưỡng môi",
        75,
        ("3g", "4g", "9g"),
        "dạng thỏi",
        "Thoa một lớp mỏng lên môi khi môi khô hoặc trước khi đi ngủ.",
        0.8,
        ("Kem chống nắng", "Mặt nạ giấy"),
    ),
    Category(
        "Sữa tắm",
        130,
        ("250ml", "500ml", "900ml"),
        "dạng sữa",
        "Cho ra bông tắm, tạo bọt, mát-xa khắp cơ thể rồi tắm lại bằng nước sạch.",
        0.9,
        ("Sữa dưỡng thể", "Tẩy tế bào chết"),
    ),
    Category(
        "Sữa dưỡng thể",
        150,
        ("200ml", "350ml", "500ml"),
        "dạng sữa",
        "Thoa đều lên cơ thể sau khi tắm, mát-xa nhẹ để dưỡng chất thấm nhanh.",
        0.8,
        ("Sữa tắm", "Kem chống nắng"),
    ),
    Category(
        "Bông tẩy trang",
        35,
        ("80 miếng", "120 miếng", "180 miếng"),
        "dạng miếng",
        "Dùng với nước tẩy trang hoặc nước hoa hồng, lau nhẹ theo một chiều.",
        0.6,
        ("Nước tẩy trang", "Nước hoa hồng"),
    ),
)

CONCERNS = (
    Concern(
        "da dầu mụn",
        ("kiềm dầu", "ngừa mụn", "sạch sâu lỗ chân lông", "giảm bã nhờn", "se khít lỗ chân lông"),
        ("tràm trà", "BHA", "kẽm PCA", "than tre", "diếp cá"),
        "Bề mặt da ráo mịn suốt ngày dài, nốt mụn sưng dịu lại và mụn đầu đen giảm dần.",
        0.34,
    ),
    Concern(
        "da khô",
        ("cấp ẩm sâu", "dưỡng mềm da", "khóa ẩm", "phục hồi da khô", "cấp nước tức thì"),
        ("hyaluronic acid", "ceramide", "bơ hạt mỡ", "mật ong", "glycerin"),
        "Làn da căng mọng, hết bong tróc và giữ nước tốt hơn cả khi ngồi phòng máy lạnh.",
        0.18,
    ),
    Concern(
        "da nhạy cảm",
        ("làm dịu da", "giảm mẩn đỏ", "phục hồi da", "dịu nhẹ lành tính", "củng cố hàng rào da"),
        ("rau má", "vitamin B5", "yến mạch", "cúc La Mã", "allantoin"),
        "Công thức không cồn, không hương liệu, giúp da bớt ửng đỏ và khỏe lên từng ngày.",
        0.20,
    ),
    Concern(
        "da sạm thâm",
        ("sáng da", "mờ thâm", "đều màu da", "giảm xỉn màu", "nâng tông tự nhiên"),
        ("vitamin C", "niacinamide", "arbutin", "cam thảo", "nước gạo"),
        "Vết thâm mờ dần sau bốn tuần, da sáng khỏe tự nhiên mà không bị bào mòn.",
        0.18,
    ),
    Concern(
        "da lão hóa",
        ("săn chắc da", "mờ nếp nhăn", "ngừa lão hóa", "tăng đàn hồi", "nâng cơ"),
        ("retinol", "collagen", "peptide", "nhân sâm", "coenzyme Q10"),
        "Nếp nhăn li ti được làm đầy, da săn chắc và đàn hồi hơn ở tuổi ngoài ba mươi.",
        0.10,
    ),
)

OPENINGS = (
    "{kind} {brand} là lựa chọn quen thuộc của những ai đang tìm sản phẩm {benefit} cho {skin}.",
    "Được nghiên cứu riêng cho {skin}, {kind} {brand} giúp {benefit} mỗi ngày.",
    "{brand} mang đến {kind} {benefit}, kết cấu {texture} nhẹ mặt và không để lại cảm giác nhờn.",
    "Bạn có {skin} và chưa biết bắt đầu từ đâu? {kind} {brand} {benefit} là gợi ý đáng thử.",
    "{kind} {brand} đến từ {origin}, phù hợp với khí hậu nóng ẩm của Việt Nam và {skin}.",
)

INGREDIENT_SENTENCES = (
    "Thành phần chính là {first}, kết hợp cùng {second}, giúp {benefit} rõ rệt.",
    "Chiết xuất {first} được giữ ở nồng độ vừa đủ, thêm {second} để cân bằng cho da.",
    "Bảng thành phần gọn gàng với {first} và {second}, không paraben, không dầu khoáng.",
    "Nhờ {first} hàm lượng cao và {second}, sản phẩm hỗ trợ {benefit} ngay từ tuần đầu.",
)

CLOSINGS = (
    "Bảo quản nơi khô ráo, tránh ánh nắng trực tiếp.",
    "Hạn sử dụng ba năm kể từ ngày sản xuất, dùng trong 12 tháng sau khi mở nắp.",
    "Shop cam kết hàng chính hãng, đổi trả trong bảy ngày nếu có lỗi từ nhà sản xuất.",
    "Nên thử trước ở vùng da nhỏ sau tai nếu da bạn dễ kích ứng.",
    "Sản phẩm không phải là thuốc và không thay thế thuốc chữa bệnh.",
    "Hiệu quả có thể khác nhau tùy cơ địa của từng người.",
    "Hàng có sẵn, giao nhanh trong ngày ở nội thành.",
)

CITIES = ("tp. hồ chí minh", "hà nội", "đà nẵng", "cần thơ", "bình dương")
"""Where parcels are sent from, the most common first."""
