import matplotlib.pyplot as plt
import numpy as np
import pytest

from gan_utils import plotting

IMAGES = np.linspace(-1, 1, 6 * 4 * 4 * 3, dtype="float32").reshape(6, 4, 4, 3)
LOGS = {name: np.linspace(1, 2, 10) for name in ("discriminator_loss", "generator_loss", "d_real", "d_fake")}


@pytest.fixture(autouse=True)
def style_and_clean_up():
    plotting.use_style()
    yield
    plt.close("all")


def test_grid_shows_the_images_in_unit_range():
    ax = plotting.show_grid(IMAGES, "title", num_columns=3)
    shown = ax.images[0].get_array()
    assert shown.shape == (9, 14, 3)
    assert shown.min() == pytest.approx(0.0) and shown.max() == pytest.approx(1.0)
    assert ax.get_title(loc="left") == "title"


def test_grid_refuses_images_out_of_range():
    with pytest.raises(ValueError, match=r"floats in \[-1, 1\]"):
        plotting.show_grid(IMAGES * 2)


def test_real_is_blue_and_fake_is_orange():
    ax = plotting.plot_points(np.zeros((3, 2)), np.ones((4, 2)))
    colors = [plt.matplotlib.colors.to_hex(c.get_facecolor()[0]).upper() for c in ax.collections]
    assert colors == [plotting.REAL, plotting.FAKE]
    assert [len(c.get_offsets()) for c in ax.collections] == [3, 4]
    ax = plotting.plot_curves(range(10), LOGS)
    assert [line.get_color() for line in ax.lines] == [plotting.REAL, plotting.FAKE] * 2


def test_smoothing_is_a_moving_mean_over_the_raw_values():
    ax = plotting.plot_curves(np.arange(4), {"x": [0.0, 2.0, 4.0, 6.0]}, smooth=2)
    np.testing.assert_allclose(ax.lines[0].get_xydata(), [[1, 1], [2, 3], [3, 5]])
    np.testing.assert_allclose(ax.lines[1].get_ydata(), [0, 2, 4, 6])


def test_progress_draws_images_and_points():
    for samples in (IMAGES, np.zeros((5, 2)), np.zeros((5, 1))):
        figure = plotting.plot_progress(np.arange(10), LOGS, samples, "title", fraction=0.5)
        assert len(figure.axes) == 3
        assert figure.get_suptitle() == "title"


def test_samples_through_time_show_first_and_last_moment():
    steps = [0, 10, 20, 30, 40]
    ax = plotting.plot_samples_through_time(steps, [IMAGES] * 5, num_moments=3, num_images=4)
    assert [label.get_text() for label in ax.get_yticklabels()] == ["0", "20", "40"]
    assert ax.images[0].get_array().shape == (3 * 5 - 1, 4 * 5 - 1, 3)


def test_a_band_lies_behind_the_curve_of_its_label_and_ends_with_it():
    band = {"d_real": ([2, 4, 20], [0.1, 0.2, 0.3], [0.5, 0.6, 0.7]), "other": ([1], [2], [3])}
    ax = plotting.plot_curves(np.arange(10), {"d_real": LOGS["d_real"], "d_fake": LOGS["d_fake"]}, band=band)
    (area,) = ax.collections
    corners = area.get_paths()[0].vertices
    assert {tuple(np.round(corner, 6)) for corner in corners} >= {(2.0, 0.1), (2.0, 0.5), (4.0, 0.2), (4.0, 0.6)}
    assert corners[:, 0].max() == 4.0  # the run has made 9 updates, the band goes on to 20
    assert tuple(area.get_facecolor()[0][:3]) == pytest.approx(plt.matplotlib.colors.to_rgb(plotting.REAL))
    assert area.get_alpha() < 0.5


def test_progress_draws_the_bands_of_losses_and_outputs():
    band = {name: ([0, 5], [0.5, 0.5], [1.5, 1.5]) for name in LOGS}
    figure = plotting.plot_progress(np.arange(10), LOGS, IMAGES, band=band)
    assert sorted(len(ax.collections) for ax in figure.axes) == [0, 2, 2]
