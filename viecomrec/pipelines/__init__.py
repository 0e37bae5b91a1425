"""The order of steps: each pipeline loads, decides, computes, saves and reports."""
