"""`python -m server` is `handlewatch`."""

from server.cli import main

main()
