"""The playground: gradients by hand, steps, the way back, and the panel without a page."""

import builtins
import io
import threading
import time

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from gan_utils import data
from gan_utils.exercises import playground, points

DENSITIES, LOSSES = list(points.DENSITIES), list(points.LOSSES)


def game_of(loss, density=DENSITIES[0], seed=1):
    game = points.Game(density, seed)
    game.loss = loss
    return game


def run_network(weights, x):
    """The same network in TensorFlow."""
    w1, b1, w2, b2, w3, b3 = weights
    return tf.tanh(tf.tanh(x @ w1 + b1) @ w2 + b2) @ w3 + b3


def variables(network, rng):
    """The weights as variables, the biases no longer zero."""
    for w in network.weights:
        w += 0.1 * rng.standard_normal(w.shape)
    return [tf.Variable(w) for w in network.weights]


@pytest.mark.parametrize("dimension", [1, 2])
def test_gradients_are_those_of_a_tape(dimension):
    rng = np.random.default_rng(dimension)
    network = points.Network(dimension, 1, rng)
    weights, x = variables(network, rng), tf.Variable(rng.standard_normal((7, dimension)))
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(run_network(weights, x) ** 3)
    *expected, in_x = tape.gradient(loss, [*weights, x])
    outputs, received = network.forward(x.numpy())
    gradients, slopes = network.backward(received, 3 * outputs**2)
    for got, wanted in zip([*gradients, slopes], [*expected, in_x]):
        np.testing.assert_allclose(got, wanted, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("density", DENSITIES)
def test_the_penalty_has_the_gradients_of_two_tapes(density):
    game, rng = game_of("Wasserstein, penalty", density), np.random.default_rng(3)
    weights = variables(game.networks["D"], rng)
    real, fake = rng.standard_normal((2, points.BATCH, points.DENSITIES[density]))
    state = game.networks["rng"].bit_generator.state
    penalty, gradients = game.penalise(real, fake)
    game.networks["rng"].bit_generator.state = state
    t = game.networks["rng"].uniform(size=(points.BATCH, 1))
    x = tf.constant(t * real + (1 - t) * fake)
    with tf.GradientTape() as outer:
        with tf.GradientTape() as inner:
            inner.watch(x)
            outputs = run_network(weights, x)
        lengths = tf.norm(inner.gradient(outputs, x), axis=1)
        expected = points.PENALTY * tf.reduce_mean((lengths - 1) ** 2)
    wanted = outer.gradient(expected, weights[:-1])
    np.testing.assert_allclose(penalty, expected, rtol=1e-9)
    for got, gradient in zip(gradients, [*wanted, np.zeros(1)]):
        np.testing.assert_allclose(got, gradient, rtol=1e-6, atol=1e-12)


def numeric(function, x):
    """Central differences."""
    slopes = np.zeros_like(x)
    for place in np.ndindex(x.shape):
        shift = np.zeros_like(x)
        shift[place] = 1e-5
        slopes[place] = (function(x + shift) - function(x - shift)) / 2e-5
    return slopes


@pytest.mark.parametrize("loss", LOSSES[:4])
def test_slopes_of_the_losses_are_differences(loss):
    real, fake = np.random.default_rng(4).normal(0, 3, (2, 5, 1))
    _, in_real, in_fake = points.discriminator_loss(loss, real, fake)
    for_real = numeric(lambda x: points.discriminator_loss(loss, x, fake)[0], real)
    for_fake = numeric(lambda x: points.discriminator_loss(loss, real, x)[0], fake)
    np.testing.assert_allclose(in_real, for_real, atol=1e-8)
    np.testing.assert_allclose(in_fake, for_fake, atol=1e-8)
    value, slopes = points.generator_loss(loss, fake)
    assert np.isfinite(value)
    expected = numeric(lambda x: points.generator_loss(loss, x)[0], fake)
    np.testing.assert_allclose(slopes, expected, atol=1e-8)


@pytest.mark.parametrize("dimension", [1, 2])
def test_slopes_of_the_mmd_are_differences(dimension):
    real, fake = np.random.default_rng(5).standard_normal((2, 6, dimension))
    expected = numeric(lambda x: points.mmd_loss(real, x)[0], fake)
    np.testing.assert_allclose(points.mmd_loss(real, fake)[1], expected, atol=1e-8)
    by_hand = [np.exp(-((1.5 - 0.5) ** 2) / (2 * s**2)) for s in points.BANDWIDTHS]
    nearness = points.kernel(np.array([[1.5]]), np.array([[0.5]]))[0]
    assert nearness[0, 0] == pytest.approx(np.mean(by_hand), rel=1e-12)


def test_losses_stay_finite_at_extreme_scores():
    far = np.array([[-1e4], [1e4]])
    for loss in LOSSES[:4]:
        parts = [*points.discriminator_loss(loss, far, far), *points.generator_loss(loss, far)]
        assert all(np.isfinite(part).all() for part in parts)


def test_adam_is_that_of_keras():
    import keras

    rng = np.random.default_rng(6)
    network = points.Network(1, 1, rng)
    weights = [keras.Variable(w) for w in network.weights]
    adam = keras.optimizers.Adam(0.01, beta_1=0.5)
    for _ in range(5):
        gradients = [rng.standard_normal(w.shape) for w in network.weights]
        network.update(gradients, 0.01)
        adam.apply([tf.constant(g, "float32") for g in gradients], weights)
    for got, wanted in zip(network.weights, weights):
        np.testing.assert_allclose(got, wanted.numpy(), atol=1e-5)


@pytest.mark.parametrize("density", DENSITIES)
@pytest.mark.parametrize("loss", LOSSES)
def test_a_step_moves_one_player_and_lowers_its_loss(loss, density):
    game = game_of(loss, density)
    game.rates = {"G": 1e-3, "D": 1e-3}
    real, latents = game.sample_real(2000), np.random.default_rng(7).standard_normal((2000, 2))

    def losses():
        fake = game.networks["G"].forward(latents)[0]
        scores = [game.networks["D"].forward(x)[0] for x in (real, fake)]
        for_d = 0.0 if loss == "MMD" else points.discriminator_loss(loss, *scores)[0]
        return for_d, game.judge(fake, real)[0]

    game.networks["G"].weights[-1] += 2.0  # so that there is something to learn
    if loss == "Wasserstein, clipping":
        game.step_discriminator()  # the first step also cuts the weights, and D is flat
    for step, player in ((game.step_discriminator, 0), (game.step_generator, 1)):
        before = losses(), game.state()["networks"]
        for _ in range(20 if loss == "Wasserstein, clipping" else 5):
            step()
        still = "GD"[player]
        for old, new in zip(before[1][still].weights, game.networks[still].weights):
            np.testing.assert_array_equal(old, new)
        if loss == "MMD" and player == 0:
            assert game.networks["D"].updates == 0
        elif not (loss == "Wasserstein, penalty" and player == 0):  # its penalty is lowered, too
            assert losses()[player] < before[0][player]
    if loss == "Wasserstein, clipping":
        assert max(np.abs(w).max() for w in game.networks["D"].weights) <= points.CLIP


def test_a_penalised_step_lowers_loss_and_penalty_together():
    game, total = game_of("Wasserstein, penalty"), []
    for _ in range(100):
        game.step_discriminator()
        total.append(game.loss_d)
    assert np.mean(total[-10:]) < np.mean(total[:10]) - 0.05


def flat(game):
    """All numbers of a state in one list, the state of the random numbers among them."""
    state = game.state()
    nets = [state["networks"][name] for name in "GD"]
    arrays = [a for net in nets for a in (*net.weights, *net.means, *net.squares)]
    arrays += [state["latents"], state["shown"], [net.updates for net in nets]]
    numbers = np.concatenate([np.ravel(a) for a in arrays])
    losses = state["loss_d"], state["loss_g"]
    return numbers.tolist(), losses, state["networks"]["rng"].bit_generator.state


@pytest.mark.parametrize("density", DENSITIES)
def test_undo_goes_back_exactly_and_the_same_step_leads_on(density):
    game, states = game_of("Wasserstein, penalty", density), []
    for _ in range(60):
        states.append(flat(game))
        game.remember()
        game.play_round()
    states.append(flat(game))
    for expected in states[-2:-52:-1]:
        assert game.undo()
        assert flat(game) == expected
    assert not game.undo()
    for expected in states[-50:]:
        game.play_round()
        assert flat(game) == expected


def test_a_reset_can_be_undone_and_another_density_begins_anew():
    game = game_of("non-saturating")
    game.play_round()
    before = flat(game)
    game.remember()
    game.start(DENSITIES[0], 1)
    assert flat(game) == flat(points.Game(DENSITIES[0], 1))
    assert game.undo() and flat(game) == before
    game.remember()
    game.start(DENSITIES[1], 1)
    assert not game.undo() and game.make(3).shape == (3, 2)


@pytest.mark.parametrize("loss", LOSSES[1:])
def test_the_state_survives_another_loss(loss):
    game = game_of("non-saturating")
    game.play_round()
    before = flat(game)
    game.loss = loss
    assert flat(game) == before
    game.play_round()
    assert game.networks["G"].updates == 2


def test_looking_changes_nothing():
    for density in DENSITIES:
        game = points.Game(density)
        picture, before = playground.Picture(game), flat(game)
        for game.loss in LOSSES:
            picture.png()
            assert flat(game) == before


@pytest.mark.parametrize("seed", [2, 3, 4])
def test_300_rounds_bring_fakes_near_both_bumps(seed):
    game = game_of("non-saturating", seed=seed)
    for _ in range(300):
        game.play_round()
    fake = game.make(2000)
    assert np.mean(np.abs(fake + 1.5) < 0.6) > 0.15  # 0.35 of the data
    assert np.mean(np.abs(fake - 1.0) < 0.9) > 0.3  # 0.52 of the data


def test_300_rounds_reach_most_of_the_ring():
    game = game_of("non-saturating", DENSITIES[1])
    for _ in range(300):
        game.play_round()
    distances = np.linalg.norm(game.make(2000)[:, None] - data.ring_centers(), axis=2)
    assert len(set(distances.argmin(axis=1)[distances.min(axis=1) < 0.4])) >= 6


@pytest.mark.parametrize("density", DENSITIES)
def test_the_picture_changes_with_a_round_and_comes_back(density):
    game = game_of("non-saturating", density)
    picture = playground.Picture(game)
    first = picture.png()
    game.remember()
    game.play_round()
    second = picture.png()
    game.undo()
    assert first != second and picture.png() == first
    pixels = np.asarray(Image.open(io.BytesIO(first)))
    assert pixels.shape == (368, 496, 3) and pixels.std() > 10


@pytest.fixture
def panel():
    built = playground.Panel()
    yield built
    built.stop()


def test_show_builds_widgets(panel):
    import ipywidgets

    assert isinstance(playground.show(), ipywidgets.HBox)
    first, second, *named = panel.box.children[1].children
    assert all(widget.description for widget in named)
    buttons = [*first.children, *second.children]
    assert all(button.description and button.tooltip for button in buttons)
    assert len({button.description for button in buttons}) == 5
    assert bytes(panel.image.value).startswith(b"\x89PNG")


def press(panel, name):
    rows = panel.box.children[1].children[:2]
    (button,) = (b for row in rows for b in row.children if b.description == name)
    button.click()


def test_buttons_and_settings_reach_the_game(panel):
    press(panel, "Step D")
    press(panel, "Step D")
    press(panel, "Step G")
    assert [panel.game.networks[name].updates for name in "DG"] == [2, 1]
    assert panel.words.value.startswith("2 steps of D (loss ")
    press(panel, "Undo")
    assert [panel.game.networks[name].updates for name in "DG"] == [2, 0]
    panel.rates["G"].value, panel.d_steps.value, panel.loss.value = 0.1, 3, "MMD"
    assert panel.game.rates["G"] == pytest.approx(0.1)
    assert (panel.game.d_steps, panel.game.loss) == (3, "MMD")
    panel.loss.value = "minimax"
    press(panel, "Step D")
    assert panel.game.networks["D"].updates == 5
    press(panel, "Reset")
    assert panel.game.networks["D"].updates == 0
    press(panel, "Undo")
    assert panel.game.networks["D"].updates == 5
    panel.density.value = DENSITIES[1]
    assert panel.game.make(1).shape == (1, 2)


def wait_until(condition):
    for _ in range(3000):
        if condition():
            return
        time.sleep(0.01)
    raise AssertionError("waited for 30 seconds")


def run_for(panel, meanwhile, rounds=3):
    """Run until some rounds are played, do something, and wait for the end of the thread."""
    before = panel.game.networks["G"].updates
    threads = set(threading.enumerate())
    with panel.lock:  # the thread waits
        press(panel, "Run")
        (thread,) = set(threading.enumerate()) - threads
        assert panel.run_button.description == "Pause"
    wait_until(lambda: panel.game.networks["G"].updates >= before + rounds or not panel.stopped)
    meanwhile()
    thread.join(30)
    assert not thread.is_alive() and panel.stopped is None
    assert panel.run_button.description == "Run"


def test_a_run_plays_until_paused(panel):
    for _ in range(2):
        played = panel.game.networks["G"].updates
        run_for(panel, lambda: press(panel, "Pause"))
        assert panel.game.networks["G"].updates >= played + 3


def test_a_run_ends_when_the_cell_runs_again_or_its_output_goes(panel):
    run_for(panel, playground.show)

    def close():
        panel.box._view_count = 1
        assert panel.stopped
        panel.box._view_count = 0

    run_for(panel, close)
    other = playground.Panel()
    run_for(panel, lambda: press(other, "Run"))
    other.stop()


def test_a_run_ends_by_itself(panel, monkeypatch):
    monkeypatch.setattr(playground, "LONGEST", 0.2)
    run_for(panel, lambda: None, rounds=1)


def test_undo_pauses_a_run(panel):
    run_for(panel, lambda: press(panel, "Undo"))
    before = flat(panel.game)
    assert panel.words.value.startswith(f"{panel.game.networks['D'].updates} steps of D")
    assert flat(panel.game) == before


def test_settings_may_change_at_any_moment(panel):
    """The page's messages come in another thread than the rounds."""

    def change():
        for density in DENSITIES[::-1]:
            panel.density.value = density
            for loss in LOSSES[::-1]:
                panel.loss.value = loss
                press(panel, "Step G")
                press(panel, "Reset")
        assert panel.stopped and "Stopped" not in panel.words.value
        panel.stop()

    run_for(panel, change)


def test_an_error_is_told_and_the_panel_goes_on(panel, capsys, monkeypatch):
    def fail():
        raise ZeroDivisionError("no luck")

    with monkeypatch.context() as patch:
        patch.setattr(panel.game, "play_round", fail)
        run_for(panel, lambda: None)
    assert panel.words.value == "Stopped by ZeroDivisionError: no luck"
    assert capsys.readouterr().out == "Stopped by ZeroDivisionError: no luck\n"
    run_for(panel, panel.stop)
    assert panel.game.networks["G"].updates >= 1


def test_without_ipywidgets_there_is_a_figure(monkeypatch, capsys):
    import matplotlib.pyplot as plt

    load = builtins.__import__

    def refuse(name, *rest, **named):
        if name == "ipywidgets":
            raise ImportError(name)
        return load(name, *rest, **named)

    monkeypatch.setattr(builtins, "__import__", refuse)
    figures = len(plt.get_fignums())
    assert playground.show() is None
    assert len(plt.get_fignums()) == figures + 1
    assert "ipywidgets" in capsys.readouterr().out
    buffer = io.BytesIO()
    plt.gcf().savefig(buffer)
    plt.close()
    assert np.asarray(Image.open(buffer)).std() > 10
