"""Vietnamese twins of the messages of the pipelines, which are English on record.

The twins stand in `messages.vi.json`; `{}` is whatever a message quotes, in the same order. A test
reads every error that the code raises and asks for its twin.
"""

import json
import re
from collections.abc import Sequence
from functools import cache, lru_cache
from pathlib import Path

from markupsafe import Markup, escape

from viecomrec.service.console.words import WORDS, Language, name_of, translate

TWINS = Path(__file__).with_name("messages.vi.json")
MAX_CHARACTERS = 4_000
"""Nothing that a person wrote is longer; a log that got into a message is not searched."""

FOREIGN = re.compile(r"[A-Z]\w*(?:Error|Exception|Exit|Interrupt): ")
"""How the words of another program are recorded: they are never taken for ours."""

JOBS = frozenset(
    {
        "data_refresh",
        "bert_embeddings",
        "model_training",
        "model_deployment",
        "health_check",
        "drift_detection",
        "cleanup",
    }
)
UNITS = {"days": "ngày", "h": "giờ", "min": "phút", "s": "giây"}


def twin_of(message: str | None, language: Language) -> str | None:
    """The Vietnamese of a known message; None in English and for a message that is not known.

    What a message quotes (a path, a number, another message) stays, or gets its own twin.
    """
    if language is not Language.VI or not message or len(message) > MAX_CHARACTERS:
        return None
    return _vietnamese(message)


def say(message: str | None, language: Language) -> Markup:
    """A message for a page: its twin, else its own words, on Vietnamese pages named as such."""
    if not message:
        return Markup("")
    if twin := twin_of(message, language):
        return escape(twin)
    own = Markup('<span lang="en">{}</span>').format(message)
    if language is Language.EN:
        return own
    return Markup('<span class="original">{}:</span> {}').format(
        translate("original_words", language), own
    )


def reason_of(text: str | None, language: Language) -> str:
    """Why a time did not run: the kind of reason in words, then what was noted, in brackets."""
    kind, _, noted = (text or "").partition(":")
    words, noted = name_of("reason", kind.strip(), language), noted.strip()
    if not noted:
        return words
    return f"{words} ({twin_of(noted, language) or name_of('', noted, language)})"


@lru_cache(maxsize=4096)
def _vietnamese(message: str) -> str | None:
    if number := re.fullmatch(r"([+-]?\d+)\.(\d+)", message):
        return f"{number[1]},{number[2]}"
    if age := re.fullmatch(r"(\d+) (days|h|min|s)", message):
        return f"{age[1]} {UNITS[age[2]]}"
    if between := re.fullmatch(r"(\d+) to (\d+)", message):
        return f"{between[1]} đến {between[2]}"
    if FOREIGN.match(message):
        return None
    for parts, twin in _twins():
        quoted = _quoted(parts, message)
        if quoted is not None:
            return twin.format(*(_vietnamese(one) or _named(one) for one in quoted))
    return _vietnamese_list(message)


def _named(quoted: str) -> str:
    """The name of a job, or of the check of a job that an incident is about; else as it is."""
    job, _, part = quoted.partition("/")
    if job not in JOBS:
        return quoted
    check = part.rpartition("/")[2].partition(":")[0]
    names = [name_of("", job, Language.VI), check and name_of("check", check, Language.VI)]
    return " · ".join(filter(None, names))


def _vietnamese_list(message: str) -> str | None:
    """A list of known messages: each of them."""
    parts = message.split("; ")
    twins = [_vietnamese(part) for part in parts] if len(parts) > 1 else [None]
    known = [twin for twin in twins if twin is not None]
    return "; ".join(known) if len(known) == len(twins) else None


def _quoted(parts: Sequence[str], message: str) -> tuple[str, ...] | None:
    """What stands between the fixed parts of a message; None where they are not all there."""
    first, last = parts[0], parts[-1]
    if len(parts) == 1:
        return () if message == first else None
    if not message.startswith(first) or not message.endswith(last):
        return None
    quoted, at = [], len(first)
    for part in parts[1:-1]:
        end = message.find(part, at + 1)
        if end < 0:
            return None
        quoted.append(message[at:end])
        at = end + len(part)
    end = len(message) - len(last)
    return (*quoted, message[at:end]) if end > at else None


@cache
def _twins() -> tuple[tuple[tuple[str, ...], str], ...]:
    """The fixed parts of each message with its twin; what says more is tried before."""
    known = [pair for part in read_twins().values() for pair in part.items()]
    split = [(tuple(message.split("{}")), twin) for message, twin in known]
    return tuple(sorted(split, key=lambda one: -sum(map(len, one[0]))))


def read_twins() -> dict[str, dict[str, str]]:
    """English message -> Vietnamese twin, by what they are about."""
    twins: dict[str, dict[str, str]] = json.loads(TWINS.read_text(encoding="utf-8"))
    # A test alert is sent in the language of the page, so both are on record.
    twins["alerts"] = dict.fromkeys(WORDS["test_message"], WORDS["test_message"][0])
    return twins
