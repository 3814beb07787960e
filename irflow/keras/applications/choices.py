"""What the applications share: their arguments, the input, where weights come from."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from typing import Any

from irflow.errors import UsageError, nearest
from irflow.keras import activations, config, layers
from irflow.keras.engine.context import to_be_filled
from irflow.keras.engine.symbolic import KerasTensor
from irflow.keras.engine.tracking import unique
from irflow.keras.models.model import Model
from irflow.keras.utils.files import get_file
from irflow.records import dataclass

Shape = tuple[int | None, ...]
Weights = str | os.PathLike[str] | None

IMAGENET = "imagenet"
IMAGENET_CLASSES = 1000
LEAST = 32
SIZE = 224


@dataclass(frozen=True, slots=True)
class Published:
    """Files with weights of ImageNet, at the addresses that Keras's source names.

    Attributes:
        folder: the address without the name of the file.
        file: with the classifier.
        file_without_top: without it.
        digest: MD5 of `file`, None where Keras's source names none.
        digest_without_top: MD5 of `file_without_top`, as `digest`.
    """

    folder: str
    file: str
    file_without_top: str
    digest: str | None = None
    digest_without_top: str | None = None

    def fetched(self, include_top: bool) -> str:
        """The path of the file in the cache, downloaded if it is not there.

        Raises:
            UsageError: there is no checksum to tell whether the download is right.
            ArtifactError: the download fails, or has another checksum.
        """
        name = self.file if include_top else self.file_without_top
        digest = self.digest if include_top else self.digest_without_top
        if digest is None:
            raise UsageError(
                "weights='imagenet': no checksum of the published file is known, so it is not "
                "downloaded",
                facts=[("file", self.folder + name)],
                hint="download it yourself and pass its path as weights=",
            )
        return get_file(name, self.folder + name, digest, cache_subdir="models")


@dataclass(frozen=True, slots=True)
class Choices:
    """The arguments that all applications take, checked.

    Attributes:
        include_top: whether the classifier at the end belongs to the model.
        weights: None for random ones, `"imagenet"` for those that Keras publishes, or a file.
        input_tensor: a KerasTensor that takes the place of the input.
        input_shape: of an image, without the batch.
        pooling: `"avg"` or `"max"` over the image at the end, where there is no classifier.
        classes: how many the classifier knows.
        classifier_activation: `"softmax"`, or None for logits.

    Raises:
        UsageError: an argument is wrong, or does not go with the weights.
        UnknownNameError: another name for `pooling`.
    """

    include_top: bool
    weights: Weights
    input_tensor: KerasTensor | None
    input_shape: Sequence[int | None] | None
    pooling: str | None
    classes: int
    classifier_activation: Any

    def __post_init__(self) -> None:
        if self.pooling is not None and self.pooling not in ("avg", "max"):
            raise nearest(str(self.pooling), ("avg", "max"), "pooling")
        if self.input_tensor is not None and not isinstance(self.input_tensor, KerasTensor):
            raise UsageError(
                "input_tensor is no KerasTensor",
                facts=[("given", type(self.input_tensor).__name__)],
                hint="keras.Input makes one; give arrays to the model",
            )
        if self.weights is not None:
            self._check_weights(self.weights)

    def _check_weights(self, weights: str | os.PathLike[str]) -> None:
        if weights != IMAGENET and not os.path.isfile(weights):
            raise UsageError(
                f"weights={os.fspath(weights)!r}: there is no such file",
                hint="weights= is None, 'imagenet' or the path of a file",
            )
        if weights == IMAGENET and self.include_top and self.classes != IMAGENET_CLASSES:
            raise UsageError(
                f"weights='imagenet' are for {IMAGENET_CLASSES} classes, not {self.classes}",
                hint="include_top=False leaves the classifier away",
            )
        known = [activations.get("softmax"), activations.get(None)]
        if self.include_top and activations.get(self.classifier_activation) not in known:
            raise UsageError(
                "weights of a file go with classifier_activation 'softmax' or None",
                facts=[("classifier_activation", self.classifier_activation)],
            )

    @contextmanager
    def filled(self, published: Published) -> Iterator[str | None]:
        """Build the model inside; the file that its weights come from, None for random ones."""
        path: str | None = None
        if self.weights is not None:
            is_path = self.weights != IMAGENET
            path = os.fspath(self.weights) if is_path else published.fetched(self.include_top)
        with to_be_filled() if path is not None else nullcontext():
            yield path

    def shape(self, default_size: int = SIZE) -> Shape:
        """The shape of an image, without the batch.

        Raises:
            UsageError: there are not three sizes, one is too small, or one that the classifier
                or the weights need is not known.
        """
        is_first = config.image_data_format() == "channels_first"
        given = None if self.input_shape is None else tuple(self.input_shape)
        if given is not None and len(given) != 3:
            raise UsageError("input_shape has three sizes", facts=[("given", given)])
        channels = 3 if given is None else given[0 if is_first else -1]
        if self.weights == IMAGENET and channels != 3:
            raise UsageError("weights='imagenet' are for three channels", facts=[("given", given)])
        image: Shape = (default_size, default_size)
        if given is not None:
            image = given[1:] if is_first else given[:-1]
        elif not self.include_top:
            image = (None, None)
        self._check_image(image, default_size)
        return (channels, *image) if is_first else (*image, channels)

    def _check_image(self, image: Shape, default_size: int) -> None:
        if any(size is not None and size < LEAST for size in image):
            raise UsageError(f"an image has at least {LEAST}x{LEAST} pixels", facts=[("", image)])
        if not self.include_top:
            return
        if None in image:
            raise UsageError("include_top=True needs a known input_shape", facts=[("", image)])
        if self.weights == IMAGENET and image != (default_size, default_size):
            raise UsageError(
                f"weights='imagenet' with the classifier are for {default_size}x{default_size} "
                "pixels",
                facts=[("given", image)],
            )

    def image(self, shape: Shape) -> KerasTensor:
        """The place of the images `[n, *shape]`."""
        return layers.Input(shape) if self.input_tensor is None else self.input_tensor

    def pooled(self, x: Any, avg_name: str | None = None, max_name: str | None = None) -> Any:
        """The features as `pooling` says."""
        if self.pooling == "avg":
            return layers.GlobalAveragePooling2D(name=avg_name)(x)
        return layers.GlobalMaxPooling2D(name=max_name)(x) if self.pooling == "max" else x

    def classified(self, x: Any) -> Any:
        """The probabilities of the classes."""
        top = layers.Dense(self.classes, activation=self.classifier_activation, name="predictions")
        return top(x)

    def model(self, image: KerasTensor, outputs: Any, name: str, path: str | None) -> Model:
        """The model, with the weights of a file if there is one.

        Raises:
            ArtifactError: the file is damaged or of another architecture.
        """
        inputs = [image] if self.input_tensor is None else sources(image)
        model = Model(inputs[0] if len(inputs) == 1 else inputs, outputs, name=name)
        if path is not None:
            model.load_weights(path)
        return model


def channel_axis() -> int:
    """The axis of the channels of batches of images."""
    return 1 if config.image_data_format() == "channels_first" else 3


def sources(tensor: KerasTensor) -> list[KerasTensor]:
    """The inputs that a KerasTensor is computed from."""
    found: list[KerasTensor] = []
    stack, seen = [tensor], set()
    while stack:
        place = stack.pop()
        if id(place) in seen:
            continue
        seen.add(id(place))
        if place.node is None or not place.node.inputs:
            found.append(place)
        else:
            stack.extend(reversed(place.node.inputs))
    return unique(found)
