"""The loops that speed is compared with: what one would write first, in PyTorch and in Keras.

Run as a program of its own, in any environment that has PyTorch or TensorFlow; nothing of incmask is needed.

    python benchmarks/loops.py torch|keras train|label DATA --seconds 20

DATA has ``labelled/images``, ``labelled/masks`` and ``unlabelled/images`` of PNG files. Prints a line of JSON: images
and seconds. ``train``: one student of the U-Net of the paper (section 2.6.1) at width 0.5, batch 32, from PNG files
that are decoded in each epoch. ``label``: two models predict one image at a time, as the paper's published code does,
and where they differ is the inconsistency mask.
"""

import argparse
import json
import time
from pathlib import Path

import numpy as np
from PIL import Image

WIDTH, BATCH, SIDE = 0.5, 32, 256
FILTERS = [int(16 * 2**level * WIDTH) for level in range(5)]
WARM_UP_STEPS = 2


def main() -> None:
    """Measure one loop."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("library", choices=("torch", "keras"))
    parser.add_argument("what", choices=("train", "label"))
    parser.add_argument("data", type=Path)
    parser.add_argument("--seconds", type=float, default=20)
    options = parser.parse_args()
    measure = {
        ("torch", "train"): train_torch,
        ("torch", "label"): label_torch,
        ("keras", "train"): train_keras,
        ("keras", "label"): label_keras,
    }[options.library, options.what]
    num_images, seconds = measure(options.data, options.seconds)
    print(json.dumps({"images": num_images, "seconds": seconds}))


def read(path: Path) -> np.ndarray:
    """Decode a file: uint8, (H, W) or (H, W, 3)."""
    return np.asarray(Image.open(path))


def train_torch(data: Path, seconds: float) -> tuple[int, float]:
    """Contiguous float32, a ``DataLoader`` with two workers, all cores for one student."""
    import torch
    from torch.nn.functional import binary_cross_entropy_with_logits

    class Files(torch.utils.data.Dataset):
        def __init__(self):
            self.images = sorted((data / "labelled" / "images").iterdir())

        def __len__(self):
            return len(self.images)

        def __getitem__(self, index):
            image = self.images[index]
            mask = read(data / "labelled" / "masks" / image.name) > 0
            return torch.tensor(read(image)).permute(2, 0, 1).float() / 255, torch.tensor(mask).float()

    network = torch_network()
    optimiser = torch.optim.AdamW(network.parameters(), lr=1e-3, weight_decay=1e-4)
    step, started = 0, 0.0
    while True:
        for images, masks in torch.utils.data.DataLoader(Files(), BATCH, shuffle=True, num_workers=2, drop_last=True):
            loss = binary_cross_entropy_with_logits(network(images)[:, 0], masks)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            step += 1
            if step == WARM_UP_STEPS:
                started = time.perf_counter()
            elif step > WARM_UP_STEPS and time.perf_counter() - started > seconds:
                return (step - WARM_UP_STEPS) * BATCH, time.perf_counter() - started


def label_torch(data: Path, seconds: float) -> tuple[int, float]:
    """One image at a time through each model in turn."""
    import torch

    models = [torch_network().eval() for _ in range(2)]

    @torch.no_grad()
    def predict(model: int, image: np.ndarray) -> np.ndarray:
        tensor = torch.tensor(image).permute(2, 0, 1)[None].float() / 255
        return models[model](tensor)[0, 0].sigmoid().numpy() > 0.5

    return _label(data, seconds, predict)


def torch_network():
    """The U-Net, written down plainly."""
    import torch
    from torch import nn

    def block(*channels_and_sides):
        layers, (before, *rest) = [], channels_and_sides
        for channels, side in rest:
            layers += [nn.Conv2d(before, channels, side, padding="same"), nn.ReLU()]
            before = channels
        return nn.Sequential(*layers, nn.BatchNorm2d(before, eps=1e-3, momentum=0.01))

    class UNet(nn.Module):
        def __init__(self):
            super().__init__()
            f0, f1, f2, f3, f4 = FILTERS
            self.stem = block(3, (f0, 1))
            downs = ((f0, f0), (f0, f1), (f1, f2), (f2, f3))
            self.down = nn.ModuleList([block(a, (b, 3), (b, 1)) for a, b in downs])
            self.bottom = block(f3, (f4, 3), (f3, 1))
            ups = ((f3, f2), (f2, f1), (f1, f0), (f0, f0))
            self.up = nn.ModuleList([nn.Sequential(block(a, (a, 1)), block(a, (a, 3), (b, 1))) for a, b in ups])
            self.head = nn.Conv2d(f0, 1, 1)

        def forward(self, x):
            x, skips = self.stem(x), []
            for down in self.down:
                x = down(x)
                skips.append(x)
                x = nn.functional.max_pool2d(x, 2)
            x = self.bottom(x)
            for up in self.up:
                x = up(nn.functional.interpolate(x, scale_factor=2) + skips.pop())
            return self.head(x)

    torch.manual_seed(0)
    return UNet()


def train_keras(data: Path, seconds: float) -> tuple[int, float]:
    """``tf.data`` from PNG files and ``fit``."""
    import tensorflow as tf

    images = sorted(str(path) for path in (data / "labelled" / "images").iterdir())
    masks = [path.replace("images", "masks") for path in images]

    def decode(image, mask):
        picture = tf.cast(tf.io.decode_png(tf.io.read_file(image), channels=3), tf.float32) / 255
        label = tf.cast(tf.io.decode_png(tf.io.read_file(mask), channels=1) > 0, tf.float32)
        return tf.ensure_shape(picture, (SIDE, SIDE, 3)), tf.ensure_shape(label, (SIDE, SIDE, 1))

    batches = tf.data.Dataset.from_tensor_slices((images, masks)).repeat().shuffle(len(images))
    batches = batches.map(decode, num_parallel_calls=2).batch(BATCH).prefetch(2)

    class Clock(tf.keras.callbacks.Callback):
        steps, started, ended = 0, 0.0, 0.0

        def on_train_batch_end(self, batch, logs=None):
            self.steps += 1
            self.ended = time.perf_counter()
            if self.steps == WARM_UP_STEPS:
                self.started = self.ended
            elif self.steps > WARM_UP_STEPS and self.ended - self.started > seconds:
                self.model.stop_training = True

    clock = Clock()
    model = keras_network()
    model.compile(tf.keras.optimizers.AdamW(1e-3, weight_decay=1e-4), "mse")
    model.fit(batches, epochs=1, steps_per_epoch=100_000, callbacks=[clock], verbose=0)
    return (clock.steps - WARM_UP_STEPS) * BATCH, clock.ended - clock.started


def label_keras(data: Path, seconds: float) -> tuple[int, float]:
    """``predict`` on one image at a time, model by model."""
    models = [keras_network() for _ in range(2)]
    return _label(
        data, seconds, lambda model, image: models[model].predict(image[None] / 255.0, verbose=0)[0, ..., 0] > 0.5
    )


def keras_network():
    """The same U-Net in Keras."""
    import tensorflow as tf

    layers = tf.keras.layers

    def block(x, *channels_and_sides):
        for channels, side in channels_and_sides:
            x = layers.Conv2D(channels, side, padding="same", activation="relu", kernel_initializer="he_normal")(x)
        return layers.BatchNormalization()(x)

    f0, f1, f2, f3, f4 = FILTERS
    image = layers.Input((SIDE, SIDE, 3))
    x, skips = block(image, (f0, 1)), []
    for filters in (f0, f1, f2, f3):
        x = block(x, (filters, 3), (filters, 1))
        skips.append(x)
        x = layers.MaxPooling2D()(x)
    x = block(x, (f4, 3), (f3, 1))
    for a, b in ((f3, f2), (f2, f1), (f1, f0), (f0, f0)):
        x = layers.Add()([layers.UpSampling2D()(x), skips.pop()])
        x = block(block(x, (a, 1)), (a, 3), (b, 1))
    return tf.keras.Model(image, layers.Conv2D(1, 1, activation="sigmoid")(x))


def _label(data: Path, seconds: float, predict) -> tuple[int, float]:
    files = sorted((data / "unlabelled" / "images").iterdir())
    out = data / "loop"
    out.mkdir(exist_ok=True)
    for model in range(2):
        predict(model, read(files[0]))
    started, num = time.perf_counter(), 0
    for file in files:
        votes = [predict(model, read(file)) for model in range(2)]
        differ = votes[0] != votes[1]
        Image.fromarray(((votes[0] & ~differ) * 255).astype(np.uint8)).save(out / f"{file.stem}_label.png")
        Image.fromarray((differ * 255).astype(np.uint8)).save(out / f"{file.stem}_mask.png")
        num += 1
        if time.perf_counter() - started > seconds:
            break
    return num, time.perf_counter() - started


if __name__ == "__main__":
    main()
