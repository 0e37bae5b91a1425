"""A Spark session, opened for one piece of work; every failure of Spark becomes one of ours."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from viecomrec.errors import ConfigurationError, EngineError

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

OLDEST_JAVA = 17
JAVA_SECONDS = 60.0
ROWS_AT_ONCE = 50_000

DEEP_STACK = "-Xss16m"
"""Each iteration of ALS makes its plan deeper, and Java writes a plan by recursion: with its usual
stack of 1 MB the fifteen of the guide once were too many, and thirty, forty and sixty each time."""


@dataclass(frozen=True)
class SparkOptions:
    """Where Spark runs and what its driver may use; `more` are further settings of Spark."""

    master: str
    driver_memory: str
    more: tuple[tuple[str, str], ...] = ()


def require_spark(environment: MutableMapping[str, str]) -> None:
    """Raise ConfigurationError where pyspark or a Java that it can use is missing."""
    if find_spec("pyspark") is None or find_spec("pyarrow") is None:
        raise ConfigurationError(
            "--engine spark needs pyspark, which is not installed. "
            'Install it with: pip install "viecomrec[spark]"'
        )
    home = environment.get("JAVA_HOME")
    # Spark starts the one of JAVA_HOME where that is set, whatever else is there.
    where = str(Path(home) / "bin") if home else environment.get("PATH", "")
    java = shutil.which("java", path=where)
    if java is None and home:
        raise ConfigurationError(
            f"--engine spark needs Java {OLDEST_JAVA} or later, and JAVA_HOME is {home}, which has "
            "no bin/java. Set JAVA_HOME to the folder of a Java, or unset it."
        )
    if java is None:
        raise ConfigurationError(
            f"--engine spark needs Java {OLDEST_JAVA} or later, and no `java` was found. "
            "Install it (Debian: apt-get install openjdk-17-jre-headless), or set JAVA_HOME."
        )
    version = _java_version(java)
    if version < OLDEST_JAVA:
        raise ConfigurationError(
            f"--engine spark needs Java {OLDEST_JAVA} or later; {java} is version {version}. "
            "Install a newer one, or set JAVA_HOME to it."
        )


def _java_version(java: str) -> int:
    """The feature release, such as 17; 0 where it does not say."""
    done = subprocess.run(  # noqa: S603 - found on the owner's own path
        [java, "-version"], capture_output=True, text=True, timeout=JAVA_SECONDS, check=False
    )
    found = re.search(r'version "(?:1\.)?(\d+)', done.stderr + done.stdout)
    return int(found.group(1)) if found else 0


@contextmanager
def spark_session(
    options: SparkOptions, scratch: Path, environment: MutableMapping[str, str] = os.environ
) -> Iterator["SparkSession"]:
    """A session that is stopped at the end.

    Raises ConfigurationError where it cannot start and EngineError where the work in it fails.
    """
    require_spark(environment)
    from py4j.protocol import Py4JError
    from pyspark.errors import PySparkException

    # Workers on this machine are this Python; a cluster's may be named beforehand.
    environment.setdefault("PYSPARK_PYTHON", sys.executable)
    # There is a worker for each core already.
    environment.setdefault("POLARS_MAX_THREADS", "1")
    try:
        session = _start(options, scratch)
    except (PySparkException, Py4JError, OSError, ValueError) as error:
        raise ConfigurationError(
            f"Spark does not start with the master {options.master!r}: {_reason(error)}. Correct "
            "spark.master in config/settings.json (local[*], spark://host:7077, yarn, k8s://...)."
        ) from error
    try:
        yield session
    except (PySparkException, Py4JError) as error:
        raise EngineError(
            f"Spark gave up: {_reason(error)}. Nothing was changed; what was in force stays so."
        ) from error
    finally:
        session.stop()


def _start(options: SparkOptions, scratch: Path) -> "SparkSession":
    from pyspark.sql import SparkSession

    settings = {
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
        "spark.log.level": "ERROR",
        "spark.driver.memory": options.driver_memory,
        "spark.driver.extraJavaOptions": DEEP_STACK,
        "spark.executor.extraJavaOptions": DEEP_STACK,
        "spark.local.dir": str(scratch),
        "spark.sql.execution.arrow.maxRecordsPerBatch": str(ROWS_AT_ONCE),
        "spark.sql.session.timeZone": "UTC",
        "spark.executorEnv.POLARS_MAX_THREADS": "1",
        # The number of partitions is ours: whole users stay together, and memory stays bounded.
        "spark.sql.adaptive.enabled": "false",
        **dict(options.more),
    }
    builder: Any = SparkSession.builder.appName("viecomrec").master(options.master)
    for name, value in settings.items():
        builder = builder.config(name, value)
    session: SparkSession = builder.getOrCreate()
    return session


def _reason(error: Exception) -> str:
    """The line of a long trace that a person can use."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    told = [line for line in lines if re.search(r"(Error|Exception)\b.*: ", line)]
    return (told or lines or [type(error).__name__])[-1][:500].rstrip(".")
