"""Every message that the code raises is read from the code and asked for its twin."""

import ast
from pathlib import Path

import pytest

import viecomrec
from viecomrec import errors
from viecomrec.domain.checks import _REASONS
from viecomrec.domain.deployment import golden_problem
from viecomrec.domain.deployment_watch import TrafficSeen, WatchLimits, what_got_worse
from viecomrec.domain.language_models import PHOBERT
from viecomrec.domain.schedules import parse_schedule
from viecomrec.pipelines.job_runs import LOST
from viecomrec.service.console.messages import read_twins, twin_of
from viecomrec.service.console.words import Language

ROOT = Path(viecomrec.__file__).parent
OURS = {name for name, one in vars(errors).items() if isinstance(one, type)}

NEVER_ON_A_PAGE = (
    "paths.py",
    "adapters/demo_shop.py",
    "adapters/door_process.py",
    "adapters/listening.py",
    "adapters/backup_archive.py",
    "adapters/erased_users.py",
    "domain/backup.py",
    "domain/kubernetes_export.py",
    "domain/schedule_export.py",
    "pipelines/backup.py",
    "pipelines/demo.py",
    "pipelines/deployment_history.py",
    "pipelines/event_ingest.py",
    "service/routes_ingest.py",
    "service/console/words.py",
)
"""What these say stands on the terminal of whoever typed it, or in an answer of the API."""

ONLY_QUOTES = {
    ("adapters/alert_channels.py", "X1: X1"),
    ("adapters/data_source.py", "X1: X1"),
    ("adapters/object_store.py", "X1 (X1 X1)"),
    ("adapters/postgres.py", "X1."),
    ("adapters/postgres.py", "X1. X1"),
    ("adapters/ranking_file.py", "config/X1: X1"),
    ("pipelines/encoder_choice.py", "X1 Run: X1"),
    ("pipelines/scorer_choice.py", "X1 Run: X1"),
}
"""What a library found in a file, and messages around another one, which has its own twin."""


def constants(tree: ast.Module) -> dict[str, str]:
    """The texts that a module names at its top."""
    found = {}
    for node in tree.body:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            try:
                value = ast.literal_eval(node.value)
            except ValueError:
                continue
            if isinstance(value, str):
                found[node.targets[0].id] = value
    return found


def spoken(node: ast.expr, known: dict[str, str]) -> str | None:
    """The text of a message, X1 for each thing that it quotes; None for a text made elsewhere."""
    if isinstance(node, ast.Constant):
        return str(node.value)
    if isinstance(node, ast.FormattedValue):
        return known.get(ast.unparse(node.value), "X1")
    if isinstance(node, ast.JoinedStr):
        return "".join(spoken(value, known) for value in node.values)
    return None


def raised() -> list[tuple[str, str]]:
    """File and message of every error of ours that the code makes."""
    found = []
    for file in sorted(ROOT.rglob("*.py")):
        name = file.relative_to(ROOT).as_posix()
        tree = ast.parse(file.read_text(encoding="utf-8"))
        known = constants(tree)
        for node in ast.walk(tree):
            is_ours = (
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Name)
                and node.func.id in OURS
                and bool(node.args)
            )
            message = spoken(node.args[0], known) if is_ours else None
            if message is not None and name not in NEVER_ON_A_PAGE:
                found.append((name, message))
    return found


def test_errors_that_a_page_can_show_have_twins_that_quote_as_much():
    messages = raised()
    assert len(messages) > 100
    without, poorer = [], []
    for file, message in messages:
        twin = twin_of(message, Language.VI)
        if twin is None and (file, message) not in ONLY_QUOTES:
            without.append((file, message))
        elif twin is not None and twin.count("X1") != message.count("X1"):
            poorer.append((file, message, twin))
    assert (without, poorer) == ([], [])


@pytest.mark.parametrize("rule", _REASONS)
def test_every_reason_of_quarantine_has_a_twin(rule):
    row = {"event_id": "e1", "kind": "gift", "rating": "9", "at": "31/02/2026"}
    reason = _REASONS[rule].format(**row)
    twin = twin_of(reason, Language.VI)
    assert twin is not None
    assert all(value in twin for value in row.values() if value in reason)


def test_a_refused_model_is_told_with_everything_that_the_message_quotes():
    told = (
        "Golden request 3 of 10 (a known user): a fallback for a known user (no_model) "
        "The service is back on als_20260101_v1."
    )
    assert twin_of(told, Language.VI) == (
        "Câu hỏi thử 3 trong 10 (khách quen): danh sách dự phòng cho khách quen (no_model) "
        "Dịch vụ đã quay lại als_20260101_v1."
    )


@pytest.mark.parametrize(
    "answer",
    [
        {"model_id": "other"},
        {"model_id": "m", "items": []},
        {"model_id": "m", "items": ["x"]},
        {"model_id": "m", "items": [{"product_id": "a"}, {"product_id": "a"}]},
        {"model_id": "m", "items": [{"product_id": "stranger"}]},
        {"model_id": "m", "items": [{"product_id": "a", "score": None}]},
        {"model_id": "m", "items": [{"product_id": "a", "score": 1.0}]},
    ],
)
def test_what_is_wrong_with_an_answer_has_a_twin(answer):
    problem = golden_problem(answer, "m", frozenset({"a"}), is_known=True)
    assert twin_of(problem, Language.VI) is not None


@pytest.mark.parametrize(
    "after",
    [
        TrafficSeen(n_requests=1000, n_errors=900),
        TrafficSeen(n_requests=1000, n_empty=900),
        TrafficSeen(n_requests=1000, latency_ms_p95=5000.0),
    ],
)
def test_what_got_worse_has_a_twin(after):
    before = TrafficSeen(n_requests=1000, latency_ms_p95=10.0)
    worse = what_got_worse(before, after, WatchLimits())
    assert worse is not None
    twin = twin_of(f"Worse than als_1: {worse}.", Language.VI)
    assert "thay vì" in twin
    assert "instead" not in twin


def test_a_lost_run_is_told_with_and_without_its_last_words():
    assert twin_of(LOST, Language.VI).startswith("Lượt chạy không để lại kết quả")
    assert twin_of(f"{LOST} MemoryError", Language.VI).endswith("MemoryError")


def test_a_recovery_names_the_job_and_its_check():
    told = "health_check/data/freshness is well again after 5 min and 2 alert(s)."
    assert twin_of(told, Language.VI) == (
        "Kiểm tra sức khỏe · Độ mới của dữ liệu đã ổn trở lại sau 5 phút và 2 cảnh báo."
    )


def test_missing_weights_are_told_with_the_folder_and_the_remedy():
    text = f"The weights of {PHOBERT.model_id} are not here: ./models/x does not exist."
    assert twin_of(text, Language.VI) == (
        f"Chưa có tệp trọng số của {PHOBERT.model_id}: không có ./models/x."
    )


@pytest.mark.parametrize(
    "words",
    [
        "TypeError: 'NoneType' object is not iterable",
        "OperationalError: the table runs does not exist",
        "could not convert string to float",
    ],
)
def test_the_words_of_a_library_are_nobodys_twin(words):
    assert twin_of(words, Language.VI) is None


def test_a_wrong_field_of_a_schedule_is_told_with_what_is_allowed():
    with pytest.raises(errors.ConfigurationError) as wrong:
        parse_schedule({"hour": 99}, "Lịch")
    assert twin_of(str(wrong.value), Language.VI) == (
        "Lịch: hour là 99; được phép: 0 đến 23, một giá trị, danh sách (a,b), khoảng (a-b) "
        "hoặc bước (*/n)."
    )


def test_every_twin_quotes_as_much_as_its_message_and_is_found_for_it():
    for english, vietnamese in [pair for part in read_twins().values() for pair in part.items()]:
        assert english.count("{}") == vietnamese.count("{}"), english
        found = twin_of(english.replace("{}", "X1"), Language.VI)
        assert found == vietnamese.replace("{}", "X1"), english


def test_a_message_of_any_length_is_answered_at_once():
    assert twin_of("Snapshot " * 100_000, Language.VI) is None
    assert twin_of(" is not " * 480, Language.VI) is None
