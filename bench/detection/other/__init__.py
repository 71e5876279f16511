"""A second corpus, drawn by another hand from the same description of how programs leak and live, so that a detector
tuned to the first can be seen to be tuned."""
