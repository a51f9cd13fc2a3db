# SPDX-License-Identifier: MIT
"""Facenet's LFW evaluation written out as loops, the way it is published: what ours must equal, and be faster than."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.interpolate import BSpline
from scipy.optimize import brentq
from sklearn.metrics import auc
from sklearn.model_selection import KFold


def pairs_of_people(seed: int, n: int, dim: int, noise: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Unit embeddings of n pairs, one person and two in turn; the second picture of a person is off by ``noise``."""
    rng = np.random.default_rng(seed)
    first, other = rng.standard_normal((2, n, dim))
    same = np.arange(n) % 2 == 0
    second = np.where(same[:, None], first + noise * other, other)
    return *(part / np.linalg.norm(part, axis=1, keepdims=True) for part in (first, second)), same


def distance(one: np.ndarray, other: np.ndarray, cosine: bool) -> np.ndarray:
    if not cosine:
        return np.sum(np.square(np.subtract(one, other)), 1)
    lengths = np.linalg.norm(one, axis=1) * np.linalg.norm(other, axis=1)
    with np.errstate(invalid="ignore"):
        return np.arccos(np.sum(np.multiply(one, other), axis=1) / lengths) / np.pi


def counts(threshold: float, distances: np.ndarray, same: np.ndarray) -> tuple[int, int, int, int]:
    called = np.less(distances, threshold)
    tp = np.sum(np.logical_and(called, same))
    fp = np.sum(np.logical_and(called, np.logical_not(same)))
    tn = np.sum(np.logical_and(np.logical_not(called), np.logical_not(same)))
    fn = np.sum(np.logical_and(np.logical_not(called), same))
    return tp, fp, tn, fn


def accept_rates(threshold: float, distances: np.ndarray, same: np.ndarray) -> tuple[float, float]:
    called = np.less(distances, threshold)
    true = np.sum(np.logical_and(called, same))
    false = np.sum(np.logical_and(called, np.logical_not(same)))
    return float(true) / float(np.sum(same)), float(false) / float(np.sum(np.logical_not(same)))


def old_slinear(fars: np.ndarray, thresholds: np.ndarray, far: float) -> float:
    """What ``interp1d(kind="slinear")`` gave before it refused repeated rates: a spline with those knots."""
    return float(BSpline(np.r_[fars[0], fars, fars[-1]], thresholds, 1)(far))


def published_evaluation(
    first: np.ndarray,
    second: np.ndarray,
    same: np.ndarray,
    cosine: bool = False,
    subtract_mean: bool = False,
    n_folds: int = 10,
    far_target: float = 1e-3,
) -> dict[str, Any]:
    grid, fine = np.arange(0, 4, 0.01), np.arange(0, 4, 0.001)
    tprs, fprs = np.zeros((n_folds, len(grid))), np.zeros((n_folds, len(grid)))
    accuracy, chosen, val, far = (np.zeros(n_folds) for _ in range(4))
    for fold, (train, test) in enumerate(KFold(n_folds, shuffle=False).split(np.arange(len(same)))):
        mean = np.mean(np.concatenate([first[train], second[train]]), axis=0) if subtract_mean else 0.0
        distances = distance(first - mean, second - mean, cosine)
        seen = np.zeros(len(grid))
        for i, threshold in enumerate(grid):
            tp, _, tn, _ = counts(threshold, distances[train], same[train])
            seen[i] = float(tp + tn) / len(train)
        chosen[fold] = grid[np.argmax(seen)]
        for i, threshold in enumerate(grid):
            tp, fp, tn, fn = counts(threshold, distances[test], same[test])
            tprs[fold, i], fprs[fold, i] = float(tp) / float(tp + fn), float(fp) / float(fp + tn)
        tp, _, tn, _ = counts(chosen[fold], distances[test], same[test])
        accuracy[fold] = float(tp + tn) / len(test)
        fars = np.zeros(len(fine))
        for i, threshold in enumerate(fine):
            _, fars[i] = accept_rates(threshold, distances[train], same[train])
        threshold = old_slinear(fars, fine, far_target) if np.max(fars) >= far_target else 0.0
        val[fold], far[fold] = accept_rates(threshold, distances[test], same[test])
    tpr, fpr = np.mean(tprs, 0), np.mean(fprs, 0)
    return {
        "accuracies": tuple(accuracy),
        "thresholds": tuple(chosen),
        "mean": np.mean(accuracy),
        "std": np.std(accuracy),
        "validation_rate": np.mean(val),
        "validation_std": np.std(val),
        "validation_far": np.mean(far),
        "auc": auc(fpr, tpr),
        "equal_error_rate": brentq(lambda x: 1.0 - x - np.interp(x, fpr, tpr), 0.0, 1.0) if fpr[-1] == 1 else None,
        "fpr": tuple(fpr),
        "tpr": tuple(tpr),
    }
