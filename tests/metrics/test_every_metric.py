# SPDX-License-Identifier: MIT
"""Every row of METRICS goes through the same tests; a new row fails here until it has a case and tests of its own."""

import inspect
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch

import faceeval.metrics
from faceeval.errors import InputError
from faceeval.metrics import METRICS, MLPSettings

ROOT = Path(__file__).parents[2]
DIRECTIONS = {"higher", "lower", "near 1"}


@dataclass(frozen=True)
class Case:
    """Arguments that run over images, what they give when perfect, and arguments that do not."""

    arguments: tuple[np.ndarray, ...]
    perfect: float | np.ndarray
    fixed: tuple[object, ...] = ()
    paired: bool = True
    field: str = ""  # the number among several that function gives

    def call(self, function: Callable, *arguments):
        value = function(*(arguments or self.arguments), *self.fixed)
        return getattr(value, self.field) if self.field else value


def normal(*shape):
    return np.random.default_rng(7).standard_normal(shape)


def pictures():
    return np.random.default_rng(8).integers(0, 256, (5, 3, 12, 12), dtype=np.uint8)


def regions():
    return np.random.default_rng(9).integers(0, 2, (5, 12, 12)).astype(bool)


FEATURES, LOGITS, CLASSES = normal(40, 4), normal(8, 5), np.array([0, 1, 1, 2, 2, 2])
APART = np.arange(12) % 2 + normal(12) / 10
KINDS = np.arange(40) % 3
CLUSTERS = FEATURES + 50.0 * np.eye(4)[KINDS]
ATTACKED = normal(12, 3) + 9.0 * (np.arange(12) % 2)[:, None]
AFFECT, RANKS = (np.sin(FEATURES[:, :2]) + 1) / 2, np.tile([2, 1, 3], (6, 1))
EVEN = normal(8, 1, 3) + np.arange(5)[:, None] * normal(8, 1, 1)
PROBE = MLPSettings(hidden=(8,), epochs=30, batch=16, learning_rate=0.01)
NOT_PER_IMAGE = {"per_class_recall", "one_vs_rest_auc", "rank_score"}  # one value for each class or method
CASES = {
    "frechet_distance": Case((FEATURES, FEATURES), 0, paired=False),
    "frechet_distance_pca": Case((FEATURES, FEATURES), 0, (2,), paired=False),
    "frechet_distance_infinity": Case((np.ones((40, 4)), np.ones((40, 4))), 0, paired=False),
    "kernel_distance": Case((np.ones((40, 4)), np.ones((40, 4))), 0, paired=False),
    "manifold_precision": Case((FEATURES, FEATURES), 1, paired=False),
    "manifold_recall": Case((FEATURES, FEATURES), 1, paired=False),
    "manifold_density": Case((FEATURES, FEATURES), 1, paired=False),
    "manifold_coverage": Case((FEATURES, FEATURES), 1, paired=False),
    "dfn_ratios": Case((FEATURES, FEATURES), 1),
    "flip_accuracy": Case((LOGITS[:, 0], LOGITS[:, 0] > 0), 1),
    "preservation_accuracy": Case((LOGITS, LOGITS), 1, ([1],)),
    "preservation_accuracy_to_labels": Case((LOGITS > 0, LOGITS), 1, ([1],)),
    "preservation_error": Case((LOGITS, LOGITS), 0, ([1],)),
    "preservation_error_to_labels": Case((LOGITS > 0, LOGITS), 0, ([1],)),
    "strength_monotonicity": Case((np.sort(LOGITS, axis=1),), 1),
    "path_straightness": Case((EVEN,), 1),
    "path_evenness": Case((EVEN,), 1),
    "balanced_accuracy": Case((CLASSES, CLASSES), 1),
    "per_class_recall": Case((CLASSES, CLASSES), 1),
    "identity_similarity": Case((FEATURES, FEATURES), 1),
    "verification_auc": Case((LOGITS[:, 0], LOGITS[:, 0] > 0), 1),
    "verification_accuracy": Case((APART, APART > 0.5, np.arange(12) // 4), 1),
    "equal_error_rate": Case((LOGITS[:, 0], LOGITS[:, 0] > 0), 0),
    "tar_at_far": Case((LOGITS[:, 0], LOGITS[:, 0] > 0), 1, (0.5,)),
    "rank_k_accuracy": Case((FEATURES, np.arange(40), FEATURES, np.arange(40)), 1),
    "retrieval_precision": Case((CLUSTERS, KINDS), 1, (3,)),
    "retrieval_attribute_accuracy": Case((CLUSTERS, np.eye(3)[KINDS]), 1, (3,)),
    "retrieval_angle_error": Case((CLUSTERS, 50.0 * np.eye(3)[KINDS]), 0, (3,)),
    "pixel_rmse": Case((pictures(), pictures()), 0),
    "pixel_l1_error": Case((pictures(), pictures()), 0),
    "psnr": Case((pictures(), pictures()), np.inf),
    "ssim": Case((pictures(), pictures()), 1),
    "rmse_pixel_global": Case((pictures(), pictures()), 0),
    "rmse_pixel_mean": Case((pictures(), pictures()), 0),
    "rms_of_image_l1": Case((pictures(), pictures()), 0),
    "perceptual_distance": Case((pictures(), pictures()), 0, (lambda batch: [batch, batch[:, :, ::2, ::2]],)),
    "background_error": Case((pictures(), pictures(), regions()), 0),
    "counterfactual_error": Case((pictures(), pictures(), regions()), 0),
    "fidelity_score": Case((np.zeros(6),), 0.5),
    "cross_fitted_realness": Case((FEATURES, FEATURES), 0.5),
    "detection_accuracy": Case((ATTACKED, np.arange(12) % 2, np.arange(12) // 4), 1),
    "reconstruction_distance": Case((FEATURES, FEATURES), 0),
    "identity_leakage": Case((CLUSTERS, KINDS, CLUSTERS, np.arange(40)), 1, (PROBE,), field="leakage"),
    "one_vs_rest_auc": Case((np.eye(3)[KINDS], KINDS), 1),
    "pose_error": Case((100 * FEATURES[:, :3], 100 * FEATURES[:, :3]), 0),
    "expression_distance": Case((AFFECT, KINDS, AFFECT, KINDS), 0),
    "triplet_accuracy": Case((FEATURES, FEATURES, FEATURES + 1), 1),
    "rank_score": Case((RANKS,), np.array([50.0, 100.0, 0.0])),
    "kendall_w": Case((RANKS,), 1),
}
each = pytest.mark.parametrize("name", METRICS)


def test_every_row_has_a_case_and_every_case_a_row():
    assert set(CASES) == set(METRICS)


@each
def test_perfect_input_gives_the_known_value(name):
    value = np.asarray(CASES[name].call(METRICS[name].function))
    assert value.dtype == np.float64
    assert np.isclose(value, CASES[name].perfect, atol=1e-9, rtol=0).all()


@each
def test_order_of_images_does_not_matter(name):
    case, function = CASES[name], METRICS[name].function
    order = np.random.default_rng(1).permutation(len(case.arguments[0]))
    first = [
        np.roll(case.arguments[0], 1, axis=0),
        *case.arguments[1:],
    ]  # not perfect, so that there is an order to lose
    value, moved = (np.asarray(case.call(function, *a)) for a in (first, [x[order] for x in first]))
    per_image = value.ndim and name not in NOT_PER_IMAGE
    assert moved == pytest.approx(value[order] if per_image else value, rel=1e-9, abs=1e-9)


@each
def test_torch_tensors_are_welcome(name):
    case = CASES[name]
    value = case.call(METRICS[name].function, *(torch.from_numpy(np.array(a)) for a in case.arguments))
    assert type(value) in (float, np.ndarray)
    assert np.array_equal(value, case.call(METRICS[name].function))


@each
def test_not_a_number_is_refused(name):
    case = CASES[name]
    for position, argument in enumerate(case.arguments):
        broken = argument.astype(np.float64)
        broken[-1] = np.nan
        with pytest.raises(InputError, match=r"expected: .*\ngot: .*\nto do: "):
            case.call(METRICS[name].function, *case.arguments[:position], broken, *case.arguments[position + 1 :])


@each
def test_no_images_are_refused(name):
    case = CASES[name]
    with pytest.raises(InputError):
        case.call(METRICS[name].function, *(a[:0] for a in case.arguments))


@each
def test_text_objects_and_ragged_lists_are_refused(name):
    case = CASES[name]
    for bad in (np.array(["a", "b"]), np.array([None, {}]), [[1.0], [1.0, 2.0]], "images", None):
        with pytest.raises(InputError):
            case.call(METRICS[name].function, bad, *case.arguments[1:])


@each
def test_lengths_that_do_not_pair_are_refused(name):
    case = CASES[name]
    for position, argument in enumerate(case.arguments if case.paired else ()):
        if len(case.arguments) > 1:
            shorter = [argument[:-1] if i == position else a for i, a in enumerate(case.arguments)]
            with pytest.raises(InputError):
                case.call(METRICS[name].function, *shorter)


@each
def test_arguments_are_left_as_they_were(name):
    case = CASES[name]
    before = [a.copy() for a in case.arguments]
    case.call(METRICS[name].function)
    assert all(np.array_equal(a, b) for a, b in zip(case.arguments, before, strict=True))


@each
def test_row_is_complete(name):
    spec = METRICS[name]
    assert spec.function.__name__ == name
    assert spec.question.endswith("?")
    assert spec.direction in DIRECTIONS
    assert spec.version >= 1
    assert spec.unit
    assert spec.source
    assert spec.needs


@each
def test_has_tests_of_its_own(name):
    others = [p for p in Path(__file__).parent.glob("test_*.py") if p != Path(__file__)]
    assert any(re.search(rf"\b{name}\(", p.read_text()) for p in others)


PUBLIC = [n for n in faceeval.metrics.__all__ if inspect.isfunction(getattr(faceeval.metrics, n))]


@pytest.mark.parametrize("name", PUBLIC)
def test_docstring_says_what_a_user_must_know(name):
    text = inspect.getdoc(getattr(faceeval.metrics, name))
    for section in ("Args:", "Returns:", "Raises:", "References:", "Example:\n    >>> "):
        assert section in text, section
    for file in re.findall(r"tests/[\w/]+\.py", text):
        assert (ROOT / file).is_file(), file
        assert f"{name}(" in (ROOT / file).read_text(), file


def test_everything_named_is_there_and_sorted_rows_are_public():
    assert all(hasattr(faceeval.metrics, n) for n in faceeval.metrics.__all__)
    assert set(METRICS) <= set(PUBLIC)
