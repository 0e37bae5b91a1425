"""`config/ranking.json`, the shop's own rules for lists."""

from pathlib import Path

from pydantic import ValidationError

from viecomrec.domain.ranking_rules import RankingRules
from viecomrec.errors import ConfigurationError


def read_ranking_rules(file: Path) -> RankingRules:
    """The rules of the file; the defaults where there is none. ConfigurationError names the key."""
    try:
        content = file.read_bytes()
    except FileNotFoundError:
        return RankingRules()
    try:
        return RankingRules.model_validate_json(content)
    except ValidationError as error:
        problems = "; ".join(
            f"{'.'.join(map(str, one['loc'])) or 'file'}: {one['msg']}" for one in error.errors()
        )
        raise ConfigurationError(f"config/{file.name}: {problems}") from error
