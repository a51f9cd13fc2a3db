# SPDX-License-Identifier: MIT
"""Tensors as training loops hold them: with gradients, in half precision, as parameters, on an accelerator."""

import sys

import numpy as np
import pytest
import torch
from test_every_metric import CASES

from faceeval.errors import InputError
from faceeval.metrics import METRICS
from faceeval.metrics.arrays import images, matrix, numbers

EIGHT_BIT = [getattr(torch, name) for name in ("float8_e4m3fn", "float8_e5m2") if hasattr(torch, name)]
each = pytest.mark.parametrize("name", METRICS)


def rounded(argument: np.ndarray, dtype: torch.dtype) -> torch.Tensor:
    """The argument as a tensor of that float type where it holds floats, and of its own where it does not."""
    tensor = torch.from_numpy(np.array(argument))
    return tensor.to(dtype) if tensor.is_floating_point() else tensor


@each
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float32], ids=str)
def test_every_metric_takes_any_float_type(name, dtype):
    case, function = CASES[name], METRICS[name].function
    tensors = [rounded(argument, dtype) for argument in case.arguments]
    # 64 bits hold what the tensor holds, so the same numbers go in
    same = [t.to(torch.float64).numpy() if t.is_floating_point() else t.numpy() for t in tensors]
    np.testing.assert_allclose(case.call(function, *tensors), case.call(function, *same), rtol=1e-12, atol=1e-12)


@each
def test_every_metric_takes_tensors_with_gradients(name):
    case, function = CASES[name], METRICS[name].function
    tensors = [rounded(argument, torch.float64) for argument in case.arguments]
    tensors = [t.requires_grad_() if t.is_floating_point() else t for t in tensors]
    assert np.array_equal(case.call(function, *tensors), case.call(function))
    assert all(t.requires_grad for t in tensors if t.is_floating_point())


@pytest.mark.gpu
@each
def test_every_metric_takes_tensors_of_an_accelerator(name):
    if not torch.cuda.is_available():
        pytest.skip("no accelerator")
    case, function = CASES[name], METRICS[name].function
    tensors = [torch.from_numpy(np.array(argument)).cuda() for argument in case.arguments]
    assert np.array_equal(case.call(function, *tensors), case.call(function))


@pytest.mark.parametrize("dtype", [torch.bfloat16, *EIGHT_BIT], ids=str)
def test_types_numpy_lacks_become_float32_without_loss(dtype):
    tensor = torch.tensor([[0.1, -3.0, 448.0]]).to(dtype)
    array = matrix("features", tensor)
    assert array.dtype == np.float32
    assert array.tolist() == tensor.double().tolist()


def test_types_numpy_has_are_kept_and_memory_is_shared():
    for dtype in (torch.float16, torch.float32, torch.float64, torch.int64, torch.uint8, torch.bool):
        tensor = torch.ones(2, 3).to(dtype)
        array = numbers("values", tensor)
        assert array.dtype == tensor.numpy().dtype
        assert np.shares_memory(array, tensor.numpy())


def test_parameters_views_and_results_of_networks_are_tensors_too():
    layer = torch.nn.Linear(3, 2)
    assert np.array_equal(matrix("weights", layer.weight), layer.weight.detach().numpy())
    assert np.array_equal(matrix("weights", layer.weight.T[::2]), layer.weight.detach().numpy().T[::2])
    assert matrix("features", layer(torch.ones(4, 3))).shape == (4, 2)
    with torch.inference_mode():
        assert matrix("features", layer(torch.ones(4, 3))).shape == (4, 2)


def test_uint8_images_come_as_tensors():
    pictures = torch.zeros(2, 3, 4, 4, dtype=torch.uint8)
    assert images("source", pictures).dtype == np.uint8
    with pytest.raises(InputError, match="as uint8"):
        images("source", pictures.to(torch.bfloat16))


@pytest.mark.parametrize(
    "bad",
    [
        torch.eye(3).to_sparse(),
        torch.empty(2, 2, device="meta"),
        [torch.ones(2, requires_grad=True), torch.ones(2, requires_grad=True)],
        torch.ones(2, 2, dtype=torch.complex64),
        torch.tensor([[1.0, float("nan")]], dtype=torch.bfloat16),
    ],
    ids=["sparse", "without memory", "list with gradients", "complex", "not a number"],
)
def test_tensors_that_are_no_numbers_are_refused(bad):
    with pytest.raises(InputError, match=r"expected: features"):
        matrix("features", bad)


def test_nothing_is_a_tensor_where_torch_is_not_loaded(monkeypatch):
    monkeypatch.delitem(sys.modules, "torch")
    assert numbers("values", [1, 2]).tolist() == [1, 2]
