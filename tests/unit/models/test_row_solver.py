"""The row solve against the normal equations written out in float64."""

import numpy as np
import pytest
from scipy.sparse import csr_array

from viecomrec.models.fold_in import FoldIn
from viecomrec.models.row_solver import RowSolver


def long_and_short_rows(n_columns: int, rng: np.random.Generator) -> csr_array:
    dense = np.zeros((40, n_columns), dtype=np.float32)
    for row in range(40):
        n = int(rng.integers(0, n_columns)) if row % 2 else row % 7
        dense[row, rng.choice(n_columns, n, replace=False)] = rng.uniform(1, 6, n)
    return csr_array(dense)


def written_out(solver: RowSolver, weights: csr_array) -> np.ndarray:
    fixed = solver.fixed.astype(np.float64)
    w0, n_columns = solver.unobserved_weight, len(fixed)
    solution = np.zeros((weights.shape[0], fixed.shape[1]))
    for row, w in enumerate(weights.toarray().astype(np.float64)):
        ridge = solver.strength * (w.sum() + w0 * n_columns) ** solver.exponent
        system = fixed.T @ ((w0 + w)[:, None] * fixed) + ridge * np.eye(fixed.shape[1])
        solution[row] = np.linalg.solve(system, fixed.T @ ((w0 + w) * (w > 0)))
    return solution


@pytest.fixture
def fixed():
    return np.random.default_rng(3).normal(0, 0.3, (1500, 12)).astype(np.float32)


@pytest.mark.parametrize("exponent", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("unobserved", [1.0, 0.003])
@pytest.mark.parametrize("threads", [1, 2])
def test_rows_of_every_length_are_solved_exactly(fixed, exponent, unobserved, threads):
    weights = long_and_short_rows(len(fixed), np.random.default_rng(5))
    solver = RowSolver(fixed, unobserved, 0.1, exponent, threads)
    np.testing.assert_allclose(
        solver.solve(weights), written_out(solver, weights), rtol=2e-3, atol=2e-4
    )


def test_a_row_without_entries_is_zero(fixed):
    weights = csr_array((3, len(fixed)), dtype=np.float32)
    assert not RowSolver(fixed, 1.0, 0.1, 0.0).solve(weights).any()


@pytest.mark.parametrize("exponent", [0.0, 1.0])
def test_fold_in_reproduces_the_row_of_every_training_user(fixed, exponent):
    alpha = 0.7
    confidence = long_and_short_rows(len(fixed), np.random.default_rng(5))
    weights = csr_array(confidence * np.float32(alpha))
    rows = RowSolver(fixed, 0.5, 0.1, exponent).solve(weights)
    solver = {
        "alpha": alpha,
        "unobserved_weight": 0.5,
        "regularization": 0.1,
        "regularization_exponent": exponent,
    }
    fold_in = FoldIn.from_model(fixed, {"solver": solver})
    for user in range(confidence.shape[0]):
        own = slice(confidence.indptr[user], confidence.indptr[user + 1])
        vector = fold_in.user_vector(confidence.indices[own], confidence.data[own])
        assert vector.dtype == np.float32
        np.testing.assert_allclose(vector, rows[user], rtol=1e-3, atol=1e-4)
