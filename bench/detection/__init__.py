"""A corpus of labelled histories, leaking and healthy, and what detectors are worth on it."""
