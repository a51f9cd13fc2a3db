# SPDX-License-Identifier: MIT
"""The harness is tested, not the speed: a method that sleeps takes as long as it sleeps, and calls are counted."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from toy_chains import Sleeper
from toy_faces import Nothing, Painter, toy_faces
from toy_runs import TOY

from faceeval.errors import InputError
from faceeval.protocols import timing
from faceeval.protocols.chosen import choose
from faceeval.protocols.clock import Clock
from faceeval.protocols.outside import EditedFolder
from faceeval.protocols.timing import LEAST, TIMING_MEASURES, machine, run, time_calls
from faceeval.sweep import score_timing


def timed(methods, **options):
    return score_timing(methods, toy_faces(), "Eyeglasses", benchmark=TOY, **{"timed": 5} | options)


@pytest.fixture(scope="module")
def made():
    return timed([Sleeper(), Nothing()])


def test_a_method_that_sleeps_ten_milliseconds_takes_ten_milliseconds(made):
    alone, many = made.curve("sleeper").points
    assert made.summary.axis.places == (1.0, 32.0)
    assert alone.values["call_ms"].value >= 10
    assert many.values["call_ms"].value >= 10
    for point, batch in ((alone, 1), (many, 32)):
        values = point.values
        assert set(values) == set(TIMING_MEASURES)
        assert values["image_ms"].value == pytest.approx(values["call_ms"].value / batch)
        assert values["images_per_second"].value == pytest.approx(1000 / values["image_ms"].value)
        assert values["image_ms_p95"].value >= values["image_ms"].value
        assert values["call_ms"].low <= values["call_ms"].value <= values["call_ms"].high
        assert values["images_per_second"].low <= values["images_per_second"].value
        assert values["call_ms"].n == 5


def test_every_call_is_written_down(made):
    calls = made.per_image("sleeper", "call_ms")
    assert [line.name for line in made.images] == [f"call {number}" for number in range(1, 6)]
    assert calls.shape == (5, 2)
    assert np.median(calls[:, 0]) == pytest.approx(made.curve("sleeper").points[0].values["call_ms"].value, abs=1e-3)


def test_what_the_times_hold_for_is_said(made):
    settings = made.summary.settings
    assert settings["machine"] == machine()
    assert settings["threads"] >= 1
    assert (settings["warm_up"], settings["timed"], settings["end_to_end"]) == (20, 5, False)
    assert "torch" in made.summary.run.versions
    assert any("never compare" in notice for notice in made.summary.notices)
    assert made.summary.judges == {}


def test_calls_to_warm_up_are_made_and_not_counted():
    sleeper, chosen = Sleeper(0), choose(toy_faces(), "Eyeglasses", 32)
    assert len(time_calls(sleeper, chosen, 4, warm_up=3, timed=6)) == 6
    assert [size for size, _ in sleeper.calls] == [4] * 9
    assert {share for _, share in sleeper.calls} == {0.5}  # both directions in every call


def test_what_is_slow_is_timed_by_fewer_calls():
    sleeper, chosen = Sleeper(0.02), choose(toy_faces(), "Eyeglasses", 4)
    spent = time_calls(sleeper, chosen, 1, warm_up=10, timed=50, seconds=0.01)
    assert len(spent) == LEAST
    assert len(sleeper.calls) == LEAST + 1  # one call warms up what is slow


def test_a_batch_that_would_outlast_its_time_is_not_begun():
    found = run([Sleeper(0.02)], toy_faces(), "Eyeglasses", seconds=0.1, warm_up=0, timed=4, clock=Clock())
    alone, many = found.curves[0].points
    assert alone.values
    assert many.values == {}
    assert "longer than the time" in many.absent["image_ms"]
    assert any("sleeper is slow" in notice for notice in found.notices)


def test_reading_counts_only_from_end_to_end(monkeypatch):
    faces, now = toy_faces(), [0.0]
    monkeypatch.setattr(timing, "time", SimpleNamespace(perf_counter=lambda: now[0]))

    def read(indices):
        now[0] += 5
        return faces.read(indices)

    class Clocked(Nothing):
        def edit(self, images, attribute, value):
            now[0] += 1
            return images

    chosen = choose(replace(faces, read=read), "Eyeglasses", 4)
    options = {"warm_up": 1, "timed": 4, "seconds": 1000}
    assert time_calls(Clocked(), chosen, 1, **options).tolist() == [1] * 4
    assert time_calls(Clocked(), chosen, 1, end_to_end=True, **options).tolist() == [6] * 4


def test_a_method_of_one_direction_is_asked_for_that_one_only():
    sleeper = Sleeper(0)
    sleeper.card = replace(Sleeper.card, directions={"Eyeglasses": (0,)})
    time_calls(sleeper, choose(toy_faces(), "Eyeglasses", 4), 4, warm_up=1, timed=3)
    assert {share for _, share in sleeper.calls} == {0.0}


@pytest.mark.parametrize(
    ("methods", "options", "message"),
    [
        ([], {}, "each once"),
        ([Painter(), Painter()], {}, "each once"),
        ([Painter()], {"timed": 2}, "timed calls"),
    ],
)
def test_what_cannot_be_timed_is_refused(methods, options, message):
    with pytest.raises(InputError, match=message):
        timed(methods, **options)


def test_what_does_not_suit_is_refused(tmp_path):
    with pytest.raises(InputError, match="edits made elsewhere"):
        timed([EditedFolder(tmp_path)])
    with pytest.raises(InputError, match="Mouth_Slightly_Open"):
        score_timing([Painter()], toy_faces(), "Mouth_Slightly_Open", benchmark=TOY)
    with pytest.raises(InputError, match="ascending"):
        run([Nothing()], toy_faces(), "Eyeglasses", batches=(4, 1), clock=Clock())
