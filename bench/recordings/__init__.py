"""Real programs, behaving well and badly, recorded by the real collector."""
