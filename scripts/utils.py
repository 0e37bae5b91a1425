"""The guide's imports; each name is built in `viecomrec.bootstrap`, none holds logic here."""

# The guide writes the first two like classes; they are functions that open the installation.
from viecomrec.adapters.retry import retry
from viecomrec.bootstrap import pipeline_lock as PipelineLock  # noqa: N812
from viecomrec.bootstrap import pipeline_tracker as PipelineTracker  # noqa: N812
from viecomrec.bootstrap import send_pipeline_alert

__all__ = ["PipelineLock", "PipelineTracker", "retry", "send_pipeline_alert"]
