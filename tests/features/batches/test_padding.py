import numpy as np
import pytest
import torch

from merflow.features.batches import padding
from merflow.features.batches.padding import Blanks, Piece, padded
from merflow.features.batches.standardize import Scale

MEAN, DEVIATION = np.array([[1.0, -2.0, 0.5]] * 2, dtype=np.float32), np.array([[3.0, 0.7, 1.1]] * 2, dtype=np.float32)
SCALE = Scale(torch.from_numpy(MEAN), torch.from_numpy(DEVIATION))


@pytest.mark.parametrize("block_bytes", [1, 100, 1 << 20])
@pytest.mark.parametrize("scale", [None, SCALE])
def test_sequences_equal_a_slow_loop_whatever_is_done_at_once(
    monkeypatch: pytest.MonkeyPatch, block_bytes: int, scale: Scale | None
) -> None:
    monkeypatch.setattr(padding, "_BLOCK_BYTES", block_bytes)
    random = np.random.default_rng(0)
    lengths = [4, 0, 1, 7, 0, 3]
    entries = [random.standard_normal((length, 2, 3)).astype(np.float16) for length in lengths]
    present = np.arange(7) < np.array(lengths)[:, None]
    pieces = [Piece(number, 0, entry) for number, entry in enumerate(entries) if len(entry)]
    batch = padded(pieces, present=present, entry_shape=(2, 3), scale=scale, blanks=Blanks())
    assert batch.dtype == torch.float32
    expected = np.zeros((6, 7, 2, 3), dtype=np.float32)
    for number, entry in enumerate(entries):
        values = entry.astype(np.float32)
        expected[number, : len(entry)] = values if scale is None else (values - MEAN) / DEVIATION
    assert np.array_equal(batch.numpy(), expected)


def test_turns_stand_where_they_belong() -> None:
    first, second = (np.full((1, 2), value, dtype=np.float16) for value in (5.0, 7.0))
    present = np.array([[False, True, True], [False, False, False], [True, False, False]])
    pieces = [Piece(0, 1, first), Piece(0, 2, second), Piece(2, 0, second)]
    batch = padded(pieces, present=present, entry_shape=(2,), scale=None, blanks=Blanks())
    assert batch[..., 0].tolist() == [[0.0, 5.0, 7.0], [0.0, 0.0, 0.0], [7.0, 0.0, 0.0]]


def test_what_is_not_a_number_in_unused_memory_never_shows(monkeypatch: pytest.MonkeyPatch) -> None:
    empty = np.empty

    def spoiled(*shape: object, **settings: object) -> np.ndarray:
        array: np.ndarray = empty(*shape, **settings)  # type: ignore[call-overload]
        array.fill(np.nan)
        return array

    monkeypatch.setattr(np, "empty", spoiled)
    present = np.array([[True, False], [False, False]])
    batch = padded(
        [Piece(0, 0, np.ones((1, 3), np.float16))], present=present, entry_shape=(3,), scale=None, blanks=Blanks()
    )
    assert batch.tolist() == [[[1.0] * 3, [0.0] * 3], [[0.0] * 3] * 2]


def test_memory_is_given_out_again_when_nothing_holds_its_batch() -> None:
    blanks = Blanks()

    def made(places: int, value: float) -> torch.Tensor:
        piece = Piece(0, 0, np.full((places, 3), value, dtype=np.float16))
        present = np.ones((1, places), dtype=bool)
        return padded([piece], present=present, entry_shape=(3,), scale=None, blanks=blanks)

    first = made(4, 1.0)
    place = first.data_ptr()
    del first
    second = made(2, 2.0)
    assert second.data_ptr() == place
    row = second[:, 1]
    del second
    third = made(4, 3.0)
    assert third.data_ptr() != place, "a part of the second batch is still held"
    longer = made(5, 5.0)
    assert row.tolist() == [[2.0] * 3]
    assert third.tolist() == [[[3.0] * 3] * 4]
    assert longer.tolist() == [[[5.0] * 3] * 5]


def test_two_batches_in_turn_need_no_fresh_memory() -> None:
    blanks = Blanks()
    before = blanks.empty((2, 3))
    places = set()
    for _ in range(6):
        following = blanks.empty((3, 2))
        places.add(following.ctypes.data)
        before = following
    assert len(places) == 2
    assert before.shape == (3, 2)


def test_what_a_gradient_needs_is_held() -> None:
    blanks = Blanks()
    present = np.ones((1, 1), dtype=bool)
    pieces = [[Piece(0, 0, np.full((1, 1), value, dtype=np.float16))] for value in (2.0, 5.0)]
    weight = torch.ones(1, requires_grad=True)
    loss = (weight * padded(pieces[0], present=present, entry_shape=(1,), scale=None, blanks=blanks)).sum()
    assert padded(pieces[1], present=present, entry_shape=(1,), scale=None, blanks=blanks).item() == 5.0
    loss.backward()  # type: ignore[no-untyped-call]
    assert weight.grad is not None
    assert weight.grad.item() == 2.0
