"""The server's image brings the Windows bundle, in a place that no volume covers."""

from pathlib import Path

from server.settings import load_settings
from tests.packaging.test_containers import DOCKERFILE, instructions


def test_the_image_builds_the_bundle_where_its_server_looks() -> None:
    (command,) = [line for line in instructions("RUN") if line.startswith("handlewatch downloads build")]
    folder = command.split("--dir ")[1]
    words = " ".join(instructions("ENV")).split()
    environment = dict(word.split("=", 1) for word in words)
    settings = load_settings(environment)
    assert settings.downloads_dir == Path(folder)
    assert not settings.downloads_dir.is_relative_to(settings.data_dir)
    text = DOCKERFILE.read_text()
    assert text.index("downloads build") < text.index("\nUSER ")
