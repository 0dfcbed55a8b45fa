"""Pictures are compared: another font is the same picture, a missing curve is not."""

import base64
import io

import matplotlib.pyplot as plt
import numpy as np
import pictures
import pytest
from matplotlib.text import Text


def draw(change=lambda fig, ax: None, **options):
    """A figure as lessons have them, drawn after `change`, in base64."""
    fig, ax = plt.subplots(figsize=(6.5, 2.9), layout="constrained")
    x = np.linspace(0, 10, 100)
    ax.plot(x, np.sin(x), color="#0072b2", label="loss of D")
    ax.plot(x, np.cos(x), "--", color="#e69f00", label="loss of G")
    ax.set(title="Both players learn", xlabel="updates", ylabel="loss", ylim=(-1.2, 2.2))
    ax.legend(loc="upper right")
    change(fig, ax)
    buffer = io.BytesIO()
    fig.savefig(buffer, **{"dpi": 72, "bbox_inches": "tight", **options})
    plt.close(fig)
    return base64.b64encode(buffer.getvalue())


def write_in(family, scale=1.0):
    def change(fig, ax):
        for text in fig.findobj(Text):
            text.set(fontfamily=family, fontsize=scale * text.get_fontsize())

    return change


def shift(fig, ax):
    ax.lines[0].set_ydata(ax.lines[0].get_ydata() + 0.02)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"dpi": 73},
        {"pad_inches": 0.15},
        {"change": write_in("DejaVu Serif")},
        {"change": write_in("DejaVu Sans", 1.05)},
        {"change": write_in("DejaVu Sans", 0.95)},
        {"change": shift},
    ],
    ids=["itself", "resolution", "margin", "serif", "larger", "smaller", "rounding"],
)
def test_the_same_picture_from_another_font_or_release(options):
    assert pictures.difference(draw(), draw(**options)) < 0.9
    assert pictures.difference(draw(**options), draw()) < 0.9


def hide_curve(fig, ax):
    ax.lines[1].set_visible(False)


def hide_legend(fig, ax):
    ax.get_legend().set_visible(False)


def other_curve(fig, ax):
    ax.lines[0].set_ydata(1 + 0.2 * ax.lines[0].get_ydata())


def exchange_colours(fig, ax):
    first, second = (line.get_color() for line in ax.lines)
    ax.lines[0].set_color(second)
    ax.lines[1].set_color(first)


def add_panel(fig, ax):
    fig.set_size_inches(6.5, 5.8)
    fig.add_subplot(2, 1, 2)


@pytest.mark.parametrize(
    "change", [hide_curve, hide_legend, other_curve, exchange_colours, add_panel]
)
def test_another_picture(change):
    assert pictures.difference(draw(), draw(change)) > 1.1
    assert pictures.difference(draw(change), draw()) > 1.1


def test_other_samples_in_a_grid_are_seen_only_if_they_look_otherwise():
    def grid(kind):
        def change(fig, ax):
            rng = np.random.default_rng(0)
            picture = {"noise": rng.uniform(size=(28, 112)), "black": np.zeros((28, 112))}[kind]
            ax.clear()
            ax.imshow(picture, cmap="gray", vmin=0, vmax=1)

        return change

    assert pictures.difference(draw(grid("noise")), draw(grid("noise"))) == 0
    assert pictures.difference(draw(grid("noise")), draw(grid("black"))) > 10
