"""The Handlewatch collector: reads this machine's handles and pushes them. Never imports the server."""

__version__ = "0.1.0"
