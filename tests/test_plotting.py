import matplotlib
import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.colors import to_hex, to_rgb

from gan_utils import plotting

IMAGES = np.linspace(-1, 1, 20 * 4 * 4 * 3, dtype="float32").reshape(20, 4, 4, 3)
LOGS = {name: np.linspace(1, 2, 10) for name in plotting.LOOKS if name != "kernel_distance"}
BAND = {name: ([0, 5, 20], [0.1, 0.2, 0.3], [0.5, 0.6, 0.7]) for name in LOGS}


@pytest.fixture(autouse=True)
def style_and_clean_up():
    plotting.use_style()
    yield
    plt.close("all")


def legend_of(ax):
    return [text.get_text() for text in ax.get_legend().get_texts()]


def test_the_style_is_set():
    plt.rcdefaults()
    plotting.use_style()
    style = matplotlib.RcParams(plotting.STYLE)
    assert all(plt.rcParams[name] == value for name, value in style.items())
    plotting.use_style(projector=True)
    assert plt.rcParams["font.size"] == plotting.PROJECTOR["font.size"] > 10
    assert set(plotting.PROJECTOR) <= set(
        plotting.STYLE
    )  # or the next lesson would keep some of it


def test_grid_shows_the_images_in_unit_range():
    ax = plotting.show_grid(IMAGES[:6], "title", num_columns=3)
    shown = ax.images[0].get_array()
    assert shown.shape == (9, 14, 3)
    assert shown[0, 0, 0] == 0.0 and shown[-1, 4, 0] == 1.0  # first pixel black, padding white
    assert ax.get_title(loc="left") == "title"
    with pytest.raises(ValueError, match=r"floats in \[-1, 1\]"):
        plotting.show_grid(IMAGES * 2)


@pytest.mark.parametrize("n, side, columns", [(1, 28, 1), (20, 28, 5), (64, 32, 8), (150, 8, 10)])
def test_a_grid_has_ten_images_in_a_row_at_most_each_64_screen_pixels_wide(n, side, columns):
    ax = plotting.show_grid(np.zeros((n, side, side, 1), "float32"), "title")
    assert ax.images[0].get_array().shape[1] == columns * (side + 1) - 1
    ax.figure.draw_without_rendering()
    assert ax.get_window_extent().width / columns >= 64


def test_real_is_blue_and_fake_is_orange():
    ax = plotting.plot_points(np.zeros((3, 2)), np.ones((4, 2)))
    colors = [to_hex(c.get_facecolor()[0]).upper() for c in ax.collections]
    assert colors == [plotting.REAL, plotting.FAKE]
    assert [len(c.get_offsets()) for c in ax.collections] == [3, 4]
    assert legend_of(ax) == ["real", "fake"]
    ax = plotting.plot_curves(range(10), LOGS)
    looks = [(line.get_color(), line.get_linestyle()) for line in ax.lines]
    assert looks == [(plotting.REAL, "-"), (plotting.FAKE, "--")] * 2
    assert legend_of(ax) == ["loss of D", "loss of G", "D on real", "D on fake"]


def test_smoothing_is_a_moving_mean_over_the_raw_values():
    ax = plotting.plot_curves(np.arange(4), {"x": [0.0, 2.0, 4.0, 6.0]}, smooth=2)
    np.testing.assert_allclose(ax.lines[0].get_xydata(), [[1, 1], [2, 3], [3, 5]])
    np.testing.assert_allclose(ax.lines[1].get_ydata(), [0, 2, 4, 6])


def test_a_band_lies_behind_the_curve_of_its_label_and_ends_with_it():
    curves = {"d_real": LOGS["d_real"], "other": LOGS["d_fake"]}
    ax = plotting.plot_curves(np.arange(10), curves, band=BAND)
    (area,) = ax.collections
    corners = area.get_paths()[0].vertices
    expected = {(0.0, 0.1), (0.0, 0.5), (5.0, 0.2), (5.0, 0.6)}
    assert {tuple(np.round(corner, 6)) for corner in corners} >= expected
    assert corners[:, 0].max() == 5.0  # the run has made 9 updates, the band goes on to 20
    assert tuple(area.get_edgecolor()[0][:3]) == pytest.approx(to_rgb(plotting.REAL))
    assert area.get_hatch() and area.get_linewidth()[0] > 0 and area.get_facecolor()[0, 3] < 0.2
    assert area.get_zorder() < ax.lines[0].get_zorder()
    assert legend_of(ax) == ["D on real", "other", "normal runs"]


@pytest.mark.parametrize("width", [2.5, 4.0, 9.0])
def test_no_legend_lies_on_the_curves_or_on_the_title(width):
    _, ax = plt.subplots(figsize=(width, 3.0))
    plotting.plot_curves(range(10), LOGS, "A title of some length", ax=ax, band=BAND)
    ax.figure.draw_without_rendering()
    legend = ax.get_legend().get_window_extent()
    assert not legend.overlaps(ax.get_window_extent())
    assert not legend.overlaps(ax._left_title.get_window_extent())
    assert not legend.overlaps(ax.xaxis.label.get_window_extent())


def test_progress_shows_samples_losses_and_outputs():
    figure = plotting.plot_progress(np.arange(10), LOGS, IMAGES, "title", band=BAND)
    grid, losses, outputs = figure.axes
    assert figure.get_suptitle() == "title"
    assert grid.images[0].get_array().shape == (4 * 5 - 1, 4 * 5 - 1, 3)  # 16 of the 20
    assert losses.get_title(loc="left") == "Losses"
    assert legend_of(losses) == ["loss of D", "loss of G", "normal runs"]
    assert outputs.get_title(loc="left") == "Output of D"
    assert legend_of(outputs) == ["D on real", "D on fake", "normal runs"]
    assert [len(ax.collections) for ax in figure.axes] == [0, 2, 2]
    figure = plotting.plot_progress(np.arange(10), LOGS, np.zeros((5, 2)))
    assert [len(c.get_offsets()) for c in figure.axes[0].collections] == [5]


def test_rows_of_images_have_their_names_at_their_middles():
    rows = {"real digits": IMAGES[:3], "mean of all": -IMAGES[:3]}
    ax = plotting.show_rows(rows, "Two rows", ylabel="rows")
    assert [label.get_text() for label in ax.get_yticklabels()] == list(rows)
    np.testing.assert_allclose(ax.get_yticks(), [2.5, 7.5])
    assert ax.images[0].get_array().shape == (9, 14, 3)
    assert (ax.get_ylabel(), ax.get_title(loc="left")) == ("rows", "Two rows")
    told = "Two rows. Rows of images, from above: real digits, mean of all"
    assert plotting.alt_text(ax.figure) == told
    ax.figure.draw_without_rendering()
    assert ax.get_window_extent().width / 3 >= 64


@pytest.mark.parametrize(
    "values, expected",
    [([0.05, 6.0], ["0.05", "0.1", "0.2", "0.5", "1", "2", "5"]), ([0.001, 99.0], ["0.01", "1"])],
)
def test_ticks_of_a_logarithmic_axis_are_plain_numbers(values, expected):
    _, ax = plt.subplots()
    ax.plot([1, 2], values)
    plotting.set_log_scale(ax)
    assert ax.get_yscale() == "log" and ax.get_xscale() == "linear"
    ax.figure.draw_without_rendering()
    ticks = [label.get_text() for label in ax.get_yticklabels()]
    assert set(expected) <= set(ticks) and not any("$" in tick for tick in ticks)
    assert not ax.get_yminorticklabels()


def test_alt_text_says_titles_marks_legends_and_axes_or_what_was_set():
    figure, (left, right) = plt.subplots(1, 2)
    plotting.plot_curves(range(10), LOGS, r"Curves of $p_{data}$.", ax=left, ylabel="loss")
    plotting.show_grid(IMAGES, "Fakes", ax=right)
    figure.suptitle("A run")
    assert plotting.alt_text(figure) == (
        "A run. Curves of p_data. Drawn are loss of D, loss of G, D on real, D on fake. "
        "Horizontal axis: updates. Vertical axis: loss. Fakes"
    )
    figure.set_label("Both losses stay near 1.")
    assert plotting.alt_text(figure) == "Both losses stay near 1."


def test_a_block_diagram_has_boxes_and_arrows_of_both_kinds():
    blocks = {"[z]": (0, 0), "G": (2, 0), "D": (4, 0.0)}
    arrows = [("[z]", "G", "", "data"), ("G", "D", "fakes", "data"), ("D", "G", "g", "gradient")]
    ax = plotting.draw_blocks(blocks, arrows, "A pair")
    frames = [text.get_bbox_patch() for text in ax.texts if text.get_text() in ("z", "G", "D")]
    assert [frame.get_edgecolor()[3] > 0 for frame in frames] == [False, True, True]
    drawn = [text.arrow_patch for text in ax.texts if getattr(text, "arrow_patch", None)]
    assert [patch.get_linestyle() for patch in drawn] == ["-", "-", "--"]
    assert ax.figure.get_size_inches()[0] == pytest.approx(5.6)
