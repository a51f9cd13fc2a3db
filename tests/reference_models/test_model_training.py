# SPDX-License-Identifier: MIT
from __future__ import annotations

import copy
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from configurations import MICRO_CHANGES, MICRO_CYCLEGAN, MICRO_FAI, TINY_CYCLEGAN, TINY_FAI
from drawn import drawn_faces
from PIL import Image
from tiny_teacher import TinyTeacher
from torch.nn import functional

from faceeval.data.aids import read_aids
from faceeval.errors import CheckpointError, InputError, OutputError, UnknownNameError
from reference_models import cyclegan, fai, load_method
from reference_models.loop import Drawn, Loop, average_gradients, rate
from reference_models.sampling import Draw
from reference_models.training import configure, train

FACES = drawn_faces(24, 16)
HERE = Path(__file__).parent
METHODS = ["fai", "cyclegan"]
EVERY = [*METHODS, "diat", "maae", "residual_gan", "unit"]  # the order of their updates is tested beside each
RUNNER = """
import sys, time
sys.path.insert(0, {here!r})
import torch
torch.set_num_threads(1)
from configurations import MICRO_CHANGES
from drawn import drawn_faces
from tiny_teacher import TinyTeacher
from reference_models.training import train
import os
from pathlib import Path
from reference_models import loop
plain_step = loop.Loop.step
def traced_step(self, images):
    losses = plain_step(self, images)
    total = sum(float(p.double().sum()) for network in self.state.networks.values() for p in network.parameters())
    with (Path(sys.argv[2]) / f"rank{os.environ['RANK']}.txt").open("a") as stream:
        stream.write(repr(total) + "|")
    return losses
if "RANK" in os.environ:
    loop.Loop.step = traced_step
method, out, steps, pause = sys.argv[1], sys.argv[2], int(sys.argv[3]), float(sys.argv[4])
def progress(step, total, losses):
    print(step, flush=True)
    time.sleep(pause)
train(method, drawn_faces(24, 16), "Eyeglasses", out=out, steps=steps, overrides=MICRO_CHANGES[method],
      teacher=TinyTeacher(), checkpoint_every=3, sample_every=0, log_every=1, progress=progress)
"""


def run(method, out, **options):
    options = {"steps": 4, "sample_every": 0, "log_every": 1, "overrides": MICRO_CHANGES[method], **options}
    return train(method, FACES, "Eyeglasses", out=out, teacher=TinyTeacher(), **options)


def start(method, out, steps, pause=0.0, launcher=()):
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(HERE.parents[1])}
    command = [sys.executable, *launcher, "-c" if not launcher else str(out / "runner.py")]
    source = RUNNER.replace("{here!r}", repr(str(HERE)))
    if launcher:
        out.mkdir(parents=True, exist_ok=True)
        (out / "runner.py").write_text(source)
    else:
        command.append(source)
    arguments = [method, str(out), str(steps), str(pause)]
    return subprocess.Popen(command + arguments, env=environment, stdout=subprocess.PIPE, text=True)


def loop_of(method, tmp_path, monkeypatch, **changes):
    """Stops before the first step and returns the loop."""
    caught = []

    def stop(self):
        caught.append(self)
        return iter(())

    with monkeypatch.context() as patch:
        patch.setattr(Loop, "batches", stop)
        run(method, tmp_path / "unused", overrides={**MICRO_CHANGES[method], **changes})
    return caught[0]


def one_batch():
    images = torch.from_numpy(np.array(FACES.read(np.arange(24))))
    labels = FACES.attributes["Eyeglasses"]
    chosen = np.concatenate([np.flatnonzero(labels == value)[:2] for value in (0, 1)])
    aids = read_aids(("background",), FACES, chosen, ("Eyeglasses",))
    return Drawn(Draw(chosen, np.zeros(4, np.int64), 2), images[chosen], aids)


def weights_of(networks):
    return {name: torch.cat([p.detach().flatten() for p in net.parameters()]) for name, net in networks.items()}


@pytest.mark.parametrize("method", METHODS)
def test_each_update_changes_its_own_networks_only(method, tmp_path, monkeypatch):
    loop = loop_of(method, tmp_path, monkeypatch)
    descend, seen = Loop.descend, []

    def watch(self, networks, group, losses, terms):
        before = weights_of(self.state.networks)
        descend(self, networks, group, losses, terms)
        after = weights_of(self.state.networks)
        changed = {name for name in before if not torch.equal(before[name], after[name])}
        seen.append((group, changed, set(networks)))

    monkeypatch.setattr(Loop, "descend", watch)
    for _ in range(3):
        loop.step(one_batch())
    order = {"fai": ["discriminator", "generator"], "cyclegan": ["generators", "discriminators"]}[method]
    assert [group for group, _, _ in seen] == order * 3  # one to one, in the method's own order
    assert all(changed == own for _, changed, own in seen)


@pytest.mark.parametrize("method", [*EVERY, "inpainting"])
def test_the_same_step_gives_the_same_bits(method, tmp_path, monkeypatch):
    first, second = (loop_of(method, tmp_path / name, monkeypatch) for name in "ab")
    losses = first.step(one_batch()), second.step(one_batch())
    assert losses[0] == losses[1]
    one, other = first.state.tensors(), second.state.tensors()
    assert one.keys() == other.keys()
    assert all(torch.equal(one[key], other[key]) for key in one)


@pytest.mark.parametrize("method", EVERY)
def test_two_micro_batches_descend_the_gradient_of_one(method, tmp_path, monkeypatch):
    changes = {"precision": "no", "flip": False, "lambda_same": 0.0}
    whole = loop_of(method, tmp_path / "whole", monkeypatch, **changes)
    cut = loop_of(method, tmp_path / "cut", monkeypatch, accumulate=2, **changes)
    one, two = whole.step(one_batch()), cut.step(one_batch())
    assert one.keys() == two.keys()
    assert all(one[name] == pytest.approx(two[name], rel=1e-4) for name in one)
    for name in whole.state.networks:
        for p, q in zip(whole.state.networks[name].parameters(), cut.state.networks[name].parameters(), strict=True):
            torch.testing.assert_close(p.grad, q.grad, rtol=1e-3, atol=1e-5)


def test_warm_up_trains_the_generator_alone(tmp_path, monkeypatch):
    loop = loop_of("fai", tmp_path, monkeypatch, warmup_steps=1)
    before = weights_of(loop.state.networks)
    assert set(loop.step(one_batch())) == {"g_warmup"}
    after = weights_of(loop.state.networks)
    assert torch.equal(before["discriminator"], after["discriminator"])
    assert not torch.equal(before["generator"], after["generator"])
    assert "d_class" in loop.step(one_batch())


@pytest.mark.parametrize("method", METHODS)
def test_head_start_trains_the_discriminators_alone(method, tmp_path, monkeypatch):
    loop = loop_of(method, tmp_path, monkeypatch, head_start=1)
    before = weights_of(loop.state.networks)
    assert all(name.startswith("d_") for name in loop.step(one_batch()))
    after = weights_of(loop.state.networks)
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert changed == set(before) - set(loop.recipe.averaged)
    assert "g_cycle" in loop.step(one_batch())


def test_average_follows_the_weights_and_is_what_is_published(tmp_path, monkeypatch):
    loop = loop_of("fai", tmp_path, monkeypatch, lr=0.1)
    first = weights_of(loop.state.averaged)["generator"]
    loop.step(one_batch())
    fresh = weights_of(loop.state.networks)["generator"]
    share = 1 - min(0.9, 2 / 11)
    torch.testing.assert_close(weights_of(loop.state.averaged)["generator"], first + share * (fresh - first))
    assert torch.equal(weights_of(loop.state.published())["generator"], weights_of(loop.state.averaged)["generator"])


def test_step_size_is_constant_then_falls_to_zero():
    assert [rate(step, 10, 0.5) for step in (0, 5, 6, 9)] == [1.0, 1.0, 0.8, 0.2]
    assert rate(9, 10, 1.0) == 1.0


def test_gradients_are_clipped(tmp_path, monkeypatch):
    loop = loop_of("fai", tmp_path, monkeypatch, clip_norm=1e-3)
    loop.step(one_batch())
    norm = torch.cat([p.grad.flatten() for p in loop.state.networks["generator"].parameters()]).norm()
    assert norm.item() <= 1.001e-3


def test_one_process_leaves_gradients_alone(tmp_path, monkeypatch):
    loop = loop_of("fai", tmp_path, monkeypatch)
    loop.step(one_batch())
    parameters = list(loop.state.networks["generator"].parameters())
    before = [p.grad.clone() for p in parameters]
    average_gradients(parameters, loop.accelerator)
    assert all(torch.equal(b, p.grad) for b, p in zip(before, parameters, strict=True))


@pytest.mark.parametrize(
    ("recipe", "config", "steps", "lr", "objective"),
    [
        (fai, TINY_FAI, 60, 1e-3, lambda g, x: (g(x) + x).abs().mean()),
        (fai, TINY_FAI, 80, 1e-3, lambda g, x: (g(g(x)) - x).abs().mean()),
        (cyclegan, TINY_CYCLEGAN, 50, 1e-3, lambda g, x: (g(x) - x).abs().mean()),
    ],
)
def test_generators_can_learn_four_images_by_heart(recipe, config, steps, lr, objective):
    noise = torch.rand(4, 3, 8, 8, generator=torch.Generator().manual_seed(0)) * 2 - 1
    images = functional.interpolate(noise, size=64, mode="bicubic").clamp(-1, 1)
    generator = recipe.build(config, 0)[recipe.AVERAGED[0]]
    optimiser = torch.optim.Adam(generator.parameters(), lr, betas=(0.5, 0.999))
    values = []
    for _ in range(steps):
        loss = objective(generator, images)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        values.append(loss.item())
    assert values[-1] / values[0] < 0.4


@pytest.mark.parametrize("method", EVERY)
def test_a_run_leaves_log_samples_checkpoint_and_weights(method, tmp_path):
    told, scored = [], []
    path = run(
        method, tmp_path, steps=5, checkpoint_every=2, sample_every=4, notes={"command": "here"},
        progress=lambda *report: told.append(report), on_checkpoint=lambda step, editor: scored.append((step, editor)),
    )  # fmt: skip
    lines = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == [1, 2, 3, 4, 5]
    assert all(np.isfinite(list(line.values())).all() for line in lines)
    assert [report[:2] for report in told] == [(step, 5) for step in range(1, 6)]
    assert [entry.name for entry in sorted((tmp_path / "samples").iterdir())] == ["0000004.png", "0000005.png"]
    assert Image.open(tmp_path / "samples" / "0000004.png").size[1] == 4 * 16
    assert [step for step, _ in scored] == [2, 4, 5]
    images = torch.zeros(2, 3, 16, 16, dtype=torch.uint8)
    assert scored[0][1].edit(images, "Eyeglasses", torch.ones(2)).shape == images.shape
    loaded = load_method(method, attribute="Eyeglasses", size=16, checkpoint=path)
    assert loaded.card.notes["steps"] == 5
    assert loaded.card.notes["command"] == "here"
    assert not [entry for entry in tmp_path.rglob("*") if "tmp" in entry.name]


@pytest.mark.parametrize("method", METHODS)
def test_a_run_killed_outright_ends_in_the_same_bits(method, tmp_path):
    whole = run(method, tmp_path / "whole", steps=10, checkpoint_every=3)
    process = start(method, tmp_path / "killed", 10, pause=0.3)
    for line in process.stdout:
        if int(line) >= 7:
            os.kill(process.pid, signal.SIGKILL)
            break
    assert process.wait() == -signal.SIGKILL
    assert not (tmp_path / "killed" / whole.name).exists()
    resumed, steps = tmp_path / "killed", []
    again = run(method, resumed, steps=10, checkpoint_every=3, progress=lambda step, *_: steps.append(step))
    assert steps[0] == 7  # goes on after the checkpoint of step 6
    assert again.read_bytes() == whole.read_bytes()
    lines = (resumed / "log.jsonl").read_text().splitlines()
    assert [json.loads(line)["step"] for line in lines] == list(range(1, 11))


def test_a_finished_run_is_not_run_again(tmp_path):
    path, steps = run("fai", tmp_path), []
    before = path.read_bytes()
    run("fai", tmp_path, progress=lambda step, *_: steps.append(step))
    assert steps == []
    assert path.read_bytes() == before


def test_control_c_keeps_a_checkpoint_and_publishes_nothing(tmp_path):
    process = start("fai", tmp_path, 400, pause=0.05)
    for line in process.stdout:
        if int(line) == 4:
            process.send_signal(signal.SIGINT)
            break
    process.communicate(timeout=60)
    assert process.returncode != 0
    assert not list(tmp_path.glob("*.safetensors"))
    lines = (tmp_path / "log.jsonl").read_text().splitlines()
    steps = []
    with pytest.raises(ZeroDivisionError):
        run("fai", tmp_path, steps=400, checkpoint_every=3, progress=lambda step, *_: steps.append(step) or 1 / 0)
    assert steps[0] == json.loads(lines[-1])["step"] + 1


def test_another_runs_folder_is_refused_but_may_be_started_over(tmp_path):
    run("fai", tmp_path)
    with pytest.raises(CheckpointError, match="seed"):
        run("fai", tmp_path, seed=1)
    with pytest.raises(CheckpointError, match="config"):
        run("fai", tmp_path, steps=5)
    run("fai", tmp_path, seed=1, resume=False)


def test_a_damaged_checkpoint_is_refused(tmp_path):
    run("fai", tmp_path)
    state = tmp_path / "checkpoint" / "state.safetensors"
    state.write_bytes(state.read_bytes()[:1000])
    with pytest.raises(CheckpointError, match="whole checkpoint"):
        run("fai", tmp_path)


def test_bad_requests_are_refused_before_anything_is_written(tmp_path):
    out = tmp_path / "out"
    for error, method, options in [
        (UnknownNameError, "fay", {}),
        (UnknownNameError, "identity", {}),
        (UnknownNameError, "fai", {"preset": "smal"}),
        (UnknownNameError, "fai", {"overrides": {"widht": 4}}),
        (InputError, "fai", {"preset": "paper"}),
        (InputError, "fai", {"overrides": {"image_size": 16, "batch_size": 1}}),
    ]:
        with pytest.raises(error):
            train(method, FACES, "Eyeglasses", out=out, **options)
    with pytest.raises(UnknownNameError, match="Eyeglasses"):
        train("fai", FACES, "Eyeglases", out=out)
    assert not out.exists()


def test_unwritable_output_is_an_error(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(OutputError):
        run("fai", tmp_path / "file")


@pytest.mark.parametrize("method", [*EVERY, "inpainting"])
@pytest.mark.parametrize("layout", [False, True])
def test_reduced_precision_and_other_memory_layout_train_too(method, layout, tmp_path):
    changes = {**MICRO_CHANGES[method], "precision": "bf16" if layout else "no", "channels_last": layout}
    path = run(method, tmp_path, steps=2, overrides=changes)
    assert path.is_file()


def test_presets_are_what_they_are_called():
    for recipe, name in ((fai, "fai"), (cyclegan, "cyclegan")):
        assert configure(name, "quick").training.steps < configure(name, "small").training.steps
        assert configure(name, "small", steps=7).training.steps == 7
        assert set(recipe.PRESETS) == {"paper", "small", "quick"}


def test_micro_configurations_stay_apart():
    assert copy.deepcopy(MICRO_FAI) == MICRO_FAI
    assert MICRO_CYCLEGAN.image_size == 16


@pytest.mark.parametrize("method", [*EVERY, "attgan", "inpainting", "stargan"])
@pytest.mark.train
def test_two_processes_stay_one_model(method, tmp_path):
    launcher = ("-m", "torch.distributed.run", "--nproc_per_node", "2", "--master_port", "29531")
    process = start(method, tmp_path, 6, launcher=launcher)
    process.communicate(timeout=240)
    assert process.returncode == 0
    (path,) = tmp_path.glob("*.safetensors")
    before = path.read_bytes()
    lines = (tmp_path / "log.jsonl").read_text().splitlines()
    assert len(lines) == 6
    traces = [(tmp_path / f"rank{rank}.txt").read_text().split("|")[:-1] for rank in (0, 1)]
    assert traces[0] == traces[1]
    assert len(set(traces[0])) == 6
    path.unlink()
    process = start(method, tmp_path, 6, launcher=launcher)  # takes up the checkpoint both share
    process.communicate(timeout=240)
    assert path.read_bytes() == before
