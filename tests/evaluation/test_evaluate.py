"""The detector is run over a folder of labelled histories, and its worth is printed."""

from pathlib import Path

import numpy as np
from typer.testing import CliRunner

from server.analysis.instants import DAY, HOUR
from server.cli import app
from server.evaluation.histories import write
from server.evaluation.judging import evaluate
from server.evaluation.labels import Label, LabelledHost
from tests.analysis.lives import DAYS, START, frame_of, noisy

FINE = Label("calm.exe", "calm", False)
LEAK = Label("leaky.exe", "steady", True, onset_us=START + 5 * DAY, rate_per_hour=4.0)


def host(name: str) -> LabelledHost:
    hours = np.arange(DAYS * 24)
    leaking = noisy(500) + 4 * np.maximum(hours - 5 * 24, 0)
    frame = frame_of({"calm.exe": noisy(700), "leaky.exe": leaking})
    return LabelledHost(name, "windows", 0.0, frame, [FINE, LEAK], np.arange(len(frame.times)))


def test_a_plain_leak_is_found_and_a_calm_program_left_alone() -> None:
    report = evaluate([host("H1"), host("H2")])
    assert (report.f1, report.false_alarms_per_host_week) == (1.0, 0.0)
    assert report.delay(1.0) < 5 * DAY / HOUR
    assert report.rate_error < 0.05
    assert report.lasting_open_share == 1.0


def test_the_command_prints_what_was_found_by_behaviour(tmp_path: Path) -> None:
    write(tmp_path, [host("H1")])
    result = CliRunner().invoke(app, ["evaluate", str(tmp_path)])
    assert result.exit_code == 0
    assert "Handlewatch" in result.output
    assert "steady" in result.output


def test_a_folder_without_labels_is_refused(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["evaluate", str(tmp_path)])
    assert result.exit_code == 1
    assert "labels.json" in str(result.exception)
