"""VieComRec: a recommender that keeps itself trained, deployed, watched and fresh."""

__version__ = "0.1.0"
