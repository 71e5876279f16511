"""Judging the detector by labelled histories: reading and writing them, running it over them, scoring what it says."""
