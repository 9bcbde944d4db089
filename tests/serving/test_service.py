"""What many ask at once is predicted together, and each gets its own answer."""

from __future__ import annotations

import io
from collections.abc import Iterator

import numpy as np
import pytest
from PIL import Image
from support.serving import Shades, png

from cellcls.serving.service import Asked, Service


@pytest.fixture
def shades() -> Shades:
    return Shades()


@pytest.fixture
def service(shades: Shades) -> Iterator[Service]:
    made = Service(shades, "shades 1", "a card")
    yield made
    made.close()


def test_each_image_gets_its_own_answer_whatever_its_size(service: Service, shades: Shades) -> None:
    shades.gate.clear()
    held = service.ask(Asked(name="first", data=png(0)))
    assert shades.started.wait(10)
    asked = [
        Asked(name=f"{number}", data=png(255 * (number % 2), size=8 + 8 * (number % 3 == 0))) for number in range(12)
    ]
    asked[5] = Asked(name="broken", data=b"no image")
    futures = [service.ask(one) for one in asked]
    shades.gate.set()
    assert held.result(10).prediction.predicted == "dark"
    found = [future.result(10).prediction for future in futures]
    assert [one.image for one in found] == [one.name for one in asked]
    assert "broken: cannot be read" in str(found.pop(5).error)
    assert [one.predicted for one in found] == [("dark", "light")[int(one.image) % 2] for one in found]
    assert shades.batches == [1, 4, 7]  # the first alone, then all of a size together


def test_a_map_is_a_picture_of_the_image(service: Service) -> None:
    answer = service.ask(Asked(name="a", data=png(255), heat=True)).result(10)
    assert answer.heat is not None
    assert Image.open(io.BytesIO(answer.heat)).size == (8, 8)
    assert str(answer.to_data()["heat"]).startswith("data:image/png;base64,")
    assert service.ask(Asked(name="a", data=png(255))).result(10).to_data()["heat"] is None


def test_the_model_is_told(service: Service) -> None:
    assert (service.about.name, service.about.classes, service.about.card) == ("shades 1", ("dark", "light"), "a card")


def test_a_hostile_image_is_one_error(service: Service) -> None:
    bomb = io.BytesIO()
    Image.new("1", (10_000, 10_000)).save(bomb, "PNG")
    assert len(bomb.getvalue()) < 100_000
    answer = service.ask(Asked(name="bomb", data=bomb.getvalue())).result(10)
    assert answer.prediction.error
    assert service.ask(Asked(name="a", data=png(0))).result(10).prediction.predicted == "dark"
    assert np.isclose(service.ask(Asked(name="a", data=png(0))).result(10).prediction.probability, 1)
