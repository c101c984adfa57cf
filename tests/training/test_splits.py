from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from blockfront.training.splits import stratified_split

LABELS = st.lists(st.integers(0, 4), min_size=1, max_size=60)


@given(LABELS, st.floats(0.05, 0.5))
def test_every_class_gives_its_share_and_no_image_is_in_both_parts(labels: list[int], share: float) -> None:
    train, test = stratified_split([str(i).encode() for i in range(len(labels))], labels, share)
    assert sorted(train + test) == list(range(len(labels)))
    given_away = Counter(labels[i] for i in test)
    assert given_away == {label: max(1, round(share * n)) for label, n in Counter(labels).items()}


@given(LABELS, st.randoms(use_true_random=False))
def test_the_order_in_which_files_are_found_changes_nothing(labels: list[int], random) -> None:  # type: ignore[no-untyped-def]
    items = [(str(i).encode(), label) for i, label in enumerate(labels)]
    shuffled = random.sample(items, len(items))

    def test_keys(pairs: list[tuple[bytes, int]]) -> set[bytes]:
        keys, classes = zip(*pairs, strict=True)
        return {keys[i] for i in stratified_split(keys, classes, 0.25)[1]}

    assert test_keys(items) == test_keys(shuffled)
