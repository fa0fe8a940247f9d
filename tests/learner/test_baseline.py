import numpy as np
import pytest

from service.errors import Invalid
from workers import baseline

E = np.array([[1, 0], [0.9, 0.1], [0, 1], [0.1, 0.9]], np.float16)
ONES = np.ones(4, np.float32)


def test_two_classes_agree_with_the_logistic_function() -> None:
    coefficients, intercepts = baseline.fit(E, np.array([0, 0, 1, 1]), ONES, 2)
    probabilities = baseline.predict(coefficients, intercepts, E)

    margin = E.astype(np.float32) @ coefficients[1] + intercepts[1]
    assert coefficients[0].tolist() == [0, 0]
    assert probabilities[:, 1] == pytest.approx(1 / (1 + np.exp(-margin)))
    assert probabilities.argmax(1).tolist() == [0, 0, 1, 1]


def test_a_class_without_labels_keeps_its_column() -> None:
    probabilities = baseline.fit_predict(E, np.array([0, 0, 3, 2]), ONES, E, 5)

    assert probabilities.shape == (4, 5)
    assert probabilities.sum(1) == pytest.approx(1)
    assert probabilities.argmax(1).tolist() == [0, 0, 3, 2]
    assert probabilities[:, [1, 4]].max() < 1e-20


def test_one_class_is_certain() -> None:
    assert baseline.fit_predict(E, np.full(4, 2), ONES, E[:1], 3)[0] == pytest.approx([0, 0, 1], abs=1e-20)


def test_weights_count_as_copies_do() -> None:
    labels = np.array([0, 1, 1, 0])
    copied = baseline.fit_predict(
        E[[0, 1, 2, 3, 3, 0]], labels[[0, 1, 2, 3, 3, 0]], np.ones(6, np.float32), E, 2
    )
    # Two of three weights doubled: 1.5 is their average, which C is scaled by, so C is matched by hand.
    weighted = baseline.predict(
        *baseline.fit(E, labels, np.array([2, 1, 1, 2], np.float32), 2, inverse_penalty=50.0 * 1.5), E
    )

    assert weighted == pytest.approx(copied, abs=1e-3)


def test_weight_zero_is_as_if_absent() -> None:
    kept = baseline.fit_predict(E[:3], np.array([0, 0, 1]), ONES[:3], E, 3)
    zeroed = baseline.fit_predict(E, np.array([0, 0, 1, 2]), np.array([1, 1, 1, 0], np.float32), E, 3)

    assert zeroed.tolist() == kept.tolist()


def test_nothing_to_learn_from_is_refused() -> None:
    with pytest.raises(Invalid, match="no label with a weight above zero"):
        baseline.fit(E, np.zeros(4, int), np.zeros(4, np.float32), 2)


def test_softmax_of_large_logits() -> None:
    assert baseline.softmax(np.array([[1_000.0, 1_000.0], [0.0, np.log(3)]])).tolist() == [
        [0.5, 0.5],
        pytest.approx([0.25, 0.75]),
    ]
