"""Readers of dump files, pure: bytes in, what they say out. One module a format; nothing here knows the store."""
