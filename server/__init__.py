"""The Handlewatch server: takes snapshots, keeps their history, judges it and shows it."""

__version__ = "0.1.0"
