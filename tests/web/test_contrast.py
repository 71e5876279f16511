"""The colours of the stylesheet can be told from what they lie on, in both themes (WCAG 2 AA)."""

import re

import pytest

from server.assets import static_dir

TOKENS = dict(
    re.findall(
        r"--([a-z0-9-]+): light-dark\((#[0-9a-f]{6}, #[0-9a-f]{6})\)", (static_dir() / "handlewatch.css").read_text()
    )
)
TEXT = [
    ("text", "bg"), ("text", "surface"), ("text", "surface-2"), ("text-2", "bg"), ("text-2", "surface"),
    ("text-2", "surface-2"), ("accent", "bg"), ("accent", "surface"), ("accent", "accent-soft"),
    ("on-accent", "accent"), ("bad", "surface"), ("bad", "surface-2"), ("bad", "bad-soft"), ("warn", "surface"),
    ("warn", "warn-soft"), ("warn", "surface-2"), ("good", "surface"), ("good", "good-soft"),
]  # fmt: skip
LINES = [(f"c{number}", "surface") for number in range(8)]


def luminance(colour: str) -> float:
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(ink: str, paper: str, theme: int) -> float:
    one, other = sorted(luminance(TOKENS[name].split(", ")[theme]) for name in (ink, paper))
    return (other + 0.05) / (one + 0.05)


@pytest.mark.parametrize("theme", [0, 1], ids=["light", "dark"])
@pytest.mark.parametrize(("ink", "paper"), TEXT)
def test_words_can_be_read(ink: str, paper: str, theme: int) -> None:
    assert contrast(ink, paper, theme) >= 4.5


@pytest.mark.parametrize("theme", [0, 1], ids=["light", "dark"])
@pytest.mark.parametrize(("ink", "paper"), LINES)
def test_lines_of_the_chart_can_be_seen(ink: str, paper: str, theme: int) -> None:
    assert contrast(ink, paper, theme) >= 3
