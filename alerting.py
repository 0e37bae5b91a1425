"""The guide's `alerting.py`: alerts of the pipelines, for scripts beside the project."""

from scripts.utils import send_pipeline_alert

__all__ = ["send_pipeline_alert"]
