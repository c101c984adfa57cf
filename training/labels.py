"""What a data set says of its test images, without a look at these where it is said without."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from blockfront.errors import UsageError
from blockfront.training.boxed_pictures import BoxedPictures
from blockfront.training.datasets import Dataset, Tensors, find_source
from blockfront.training.survey import complaint


def labels_of_tests(dataset: Dataset) -> Iterator[Any]:
    """That of each test image in turn; of pictures with boxes the rows alone.

    Raises `UsageError` naming a picture that cannot be read.
    """
    images = find_source(dataset.ref).open(dataset)[1]
    if isinstance(images, Tensors):
        yield from images.labels
    elif isinstance(images, BoxedPictures):
        yield from (one.rows for one in images.pictures)
    else:
        for index in range(len(images)):
            try:
                label = images[index][1]
            except UsageError:
                raise
            except Exception as error:
                raise UsageError(complaint(images, index, error)) from error
            yield label
