"""What is minimised, against plain formulas."""

import numpy as np
import pytest
import torch

from zoo.families.ctr.losses import DistillConfig, distilled_loss, labelled_loss


def plain(z: np.ndarray, target: np.ndarray) -> float:
    p = 1 / (1 + np.exp(-z))
    return float(-np.mean(target * np.log(p) + (1 - target) * np.log(1 - p)))


@pytest.fixture
def rows() -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    z, teacher = (2 * torch.randn(50, generator=generator) for _ in range(2))
    return [z, (torch.rand(50, generator=generator) < 0.4).float(), teacher]


def test_labels(rows: list[torch.Tensor]) -> None:
    z, y, _ = rows
    assert labelled_loss(z, y).item() == pytest.approx(plain(z.numpy(), y.numpy()), rel=1e-5)


@pytest.mark.parametrize(("alpha", "tau"), [(0.0, 1.0), (0.3, 1.0), (0.7, 2.0), (1.0, 4.0)])
def test_distillation(rows: list[torch.Tensor], alpha: float, tau: float) -> None:
    z, y, teacher = (part.numpy().astype(np.float64) for part in rows)
    taught = plain(z / tau, 1 / (1 + np.exp(-teacher / tau)))
    expected = (1 - alpha) * plain(z, y) + alpha * tau**2 * taught
    loss = distilled_loss(*rows, DistillConfig("kd", alpha, tau))
    assert loss.item() == pytest.approx(expected, rel=1e-5)


def test_the_teacher_is_where_the_gradient_ends(rows: list[torch.Tensor]) -> None:
    _, y, teacher = rows
    z = teacher.clone().requires_grad_()
    distilled_loss(z, y, teacher, DistillConfig("kd", 1.0, 2.0)).backward()
    assert z.grad is not None
    torch.testing.assert_close(z.grad, torch.zeros(50), atol=1e-7, rtol=0)


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"method": "kdd"}, "method is 'kdd': expected one of kd, vanilla"),
        ({"alpha": 1.2}, "expected 0 <= alpha <= 1 and temperature > 0"),
        ({"temperature": 0.0}, "temperature > 0"),
    ],
)
def test_refused(config: dict[str, float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        DistillConfig(**config)  # type: ignore[arg-type]
