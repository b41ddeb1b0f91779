"""A reader finds each equation of the paper by its number."""

import inspect
from pathlib import Path

import pytest

import explainsal
from explainsal.explanation import combination, matching, responses
from explainsal.functional import block_variance, coefficients, log_gabor, reconstruction

WHERE = {
    "Section I": log_gabor.log_gabor_bank,
    "Eq. 1": responses.bank_responses,
    "Eq. 2": matching._compare,
    "Eq. 3": combination.combine_candidates,
    "Eq. 4": matching._combined,
}


@pytest.mark.parametrize("number", WHERE)
def test_the_function_that_computes_an_equation_names_it(number):
    assert number in inspect.getdoc(WHERE[number])


def test_equations_of_the_kernels_are_named_where_they_are_computed():
    assert "Eq. 2" in inspect.getdoc(reconstruction.pairwise_mae)
    assert "Eq. 3" in inspect.getdoc(coefficients.inverse_mae_weights)
    assert "Eq. 4" in inspect.getdoc(reconstruction.fuse_scales)
    assert "Section II-B2" in block_variance.__doc__


def test_the_method_knows_no_device_and_no_compiled_loop():
    for path in (Path(explainsal.__file__).parent / "explanation").glob("*.py"):
        text = path.read_text()
        for word in ("device.type", "is_cuda", "loops_run", "share_runs", "get_num_threads"):
            assert word not in text, f"{path.name}: {word}"
