"""Ridge regressions in plain Python, enough for a few dozen inputs and a few thousand rows."""

from collections.abc import Sequence
from math import exp

STEPS = 9


def solve(matrix: Sequence[Sequence[float]], right: Sequence[float]) -> list[float]:
    """Return x of matrix x = right by Gauss-Jordan elimination with partial pivoting."""
    size = len(right)
    work = [[*row, value] for row, value in zip(matrix, right, strict=True)]
    for column in range(size):
        pivot = max(range(column, size), key=lambda row: abs(work[row][column]))
        work[column], work[pivot] = work[pivot], work[column]
        for row in range(size):
            if row != column and (factor := work[row][column] / work[column][column]):
                work[row] = [a - factor * b for a, b in zip(work[row], work[column], strict=True)]
    return [work[place][size] / work[place][place] for place in range(size)]


def newton(inputs: Sequence[Sequence[float]], labels: Sequence[float], *, prior: Sequence[float], ridge: Sequence[float]) -> list[float]:
    """Return the logistic weights that maximise the likelihood of the labels (0 to 1) with a normal prior (mean `prior`, precision `ridge`)."""
    size, weights = len(prior), list(prior)
    sparse = [[(place, value) for place, value in enumerate(row) if value] for row in inputs]
    for _ in range(STEPS):
        gradient = [ridge[i] * (prior[i] - weights[i]) for i in range(size)]
        hessian = [[ridge[i] if i == j else 0.0 for j in range(size)] for i in range(size)]
        for row, label in zip(sparse, labels, strict=True):
            p = 1 / (1 + exp(-max(-30.0, min(30.0, sum(weights[i] * value for i, value in row)))))
            spread = p * (1 - p)
            for place, (i, value) in enumerate(row):
                gradient[i] += (label - p) * value
                line, scaled = hessian[i], spread * value
                for j, other in row[place:]:
                    line[j] += scaled * other
        for i in range(size):
            for j in range(i):
                hessian[i][j] = hessian[j][i]
        weights = [weight + step for weight, step in zip(weights, solve(hessian, gradient), strict=True)]
    return weights


def ridge_line(inputs: Sequence[Sequence[float]], labels: Sequence[float], *, prior: Sequence[float], ridge: float) -> list[float]:
    """Return the linear weights that minimise the squared error with a normal prior (mean `prior`, precision `ridge`)."""
    size = len(prior)
    matrix = [[ridge if i == j else 0.0 for j in range(size)] for i in range(size)]
    right = [ridge * mean for mean in prior]
    for row, label in zip(inputs, labels, strict=True):
        for i, value in enumerate(row):
            if value:
                right[i] += value * label
                line = matrix[i]
                for j, other in enumerate(row):
                    line[j] += value * other
    return solve(matrix, right)
