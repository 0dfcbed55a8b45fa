"""A GAN on points to play with: `from gan_utils.exercises import playground; playground.show()`.

`points.Game` knows nothing of pictures, `Picture` nothing of buttons, and `Panel` joins the two.
"""

import io
import threading
import time
import weakref

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from PIL import Image

from gan_utils import data, plotting
from gan_utils.exercises import points

LIGHT = LinearSegmentedColormap.from_list("light", ["#FBE3B5", "#FFFFFF", "#BBD9EA"])
EDGES, GRID = np.linspace(-4, 4, 65), np.linspace(-4, 4, 161)[:, None]
PLANE = np.stack(np.meshgrid(*[np.linspace(-3, 3, 32)] * 2), axis=-1).reshape(-1, 2)
NUM_ARROWS, PULL, MAGNIFIED = 24, 0.5, 4
SIZE = (6.2, 4.6)  # inches of 80 pixels; the controls fit beside it


class Picture:
    """The state of a game as pixels. What stays the same is drawn once.

    Args:
        game: a `points.Game`.
        figure: to draw in; by default one that no window shows.
    """

    def __init__(self, game, figure=None):
        self.game, self.kind = game, None
        with plt.rc_context(plotting.STYLE):
            self.figure = figure or Figure(figsize=SIZE)
        if figure is None:
            FigureCanvasAgg(self.figure)

    def set_up(self):
        """Axes, and artists without content."""
        self.figure.clear()
        self.flat = points.DENSITIES[self.game.density] == 1
        ax = self.figure.add_subplot()
        self.artists = self.set_up_line(ax) if self.flat else self.set_up_plane(ax)
        ax.set_title(f"{self.game.loss}: {points.LOSSES[self.game.loss]}")
        arrow = {"angles": "xy", "scale_units": "xy", "scale": 1, "width": 0.004}
        self.artists.append(ax.quiver(*np.zeros((4, NUM_ARROWS)), color="black", **arrow))
        for artist in self.artists:
            artist.set_animated(True)  # so it is no part of the background
        self.figure.legend(loc="outside lower center", ncols=4)

    def set_up_line(self, ax):
        """Histogram of the fakes, density of the data, D."""
        told = "x (arrows: how the loss pulls at fakes)"
        ax.set(xlim=(-4, 4), ylim=(-0.3, 1.1), xlabel=told, ylabel="density; D")
        bars = ax.stairs(EDGES[1:], EDGES, fill=True, color=plotting.FAKE, label="fakes")
        density = data.mixture_density_1d(GRID)
        (real,) = ax.plot(GRID, density, color=plotting.REAL, label="data")
        name = "D(x)" if self.game.loss in ("non-saturating", "minimax") else "score, stretched"
        (line,) = ax.plot([], [], "--", color=plotting.NEUTRAL, label=name)
        return [bars, real, line]

    def set_up_plane(self, ax):
        """D as the background, real points, fakes."""
        told = f"x (arrows: next step of G, {MAGNIFIED} times)\nbackground: D, blue for real"
        ax.set(xlim=(-3, 3), ylim=(-3, 3), xlabel=told, ylabel="y")
        look = {"cmap": LIGHT, "vmin": 0, "vmax": 1, "extent": (-3, 3, -3, 3)}
        field = ax.imshow(np.zeros((32, 32)), origin="lower", **look)
        dots = {"linestyle": "", "markersize": 3}
        (real,) = ax.plot([], [], marker="o", color=plotting.REAL, label="data", **dots)
        (fake,) = ax.plot([], [], marker="^", color=plotting.FAKE, label="fakes", **dots)
        return [field, real, fake]

    def update(self):
        """Give the artists their content; True if all must be drawn anew."""
        kind, before = (self.game.density, self.game.loss), self.kind
        if kind != before:
            with plt.rc_context(plotting.STYLE):
                self.set_up()
        self.update_line() if self.flat else self.update_plane()
        self.kind = kind
        return kind != before

    def update_line(self):
        """What changes on the line."""
        bars, _, line, arrows = self.artists
        counts = np.histogram(self.game.make(2000), EDGES)[0]
        bars.set_data(counts / (2000 * (EDGES[1] - EDGES[0])))
        line.set_data(GRID[:, 0], self.game.field(GRID))
        fake = self.game.make(points.BATCH)
        slopes = points.BATCH * self.game.judge(fake, self.game.shown)[1][:NUM_ARROWS, 0]
        heights = np.linspace(-0.25, -0.05, NUM_ARROWS)  # apart, so that arrows are seen
        arrows.set_offsets(np.stack([fake[:NUM_ARROWS, 0], heights], axis=1))
        arrows.set_UVC(np.clip(-PULL * slopes, -1, 1), np.zeros(NUM_ARROWS))

    def update_plane(self):
        """What changes on the plane."""
        field, real, fakes, arrows = self.artists
        fake = self.game.make(points.BATCH)
        field.set_data(self.game.field(PLANE).reshape(32, 32))
        real.set_data(*self.game.shown.T)
        fakes.set_data(*fake.T)
        arrows.set_offsets(fake[:NUM_ARROWS])
        arrows.set_UVC(*(MAGNIFIED * (self.game.preview() - fake)[:NUM_ARROWS]).T)

    def png(self):
        """The picture as the bytes of a PNG file."""
        canvas = self.figure.canvas
        if self.update():
            canvas.draw()
            self.background = canvas.copy_from_bbox(self.figure.bbox)
        canvas.restore_region(self.background)
        for artist in self.artists:
            artist.axes.draw_artist(artist)
        buffer = io.BytesIO()
        pixels = np.asarray(canvas.buffer_rgba())[..., :3]
        Image.fromarray(np.ascontiguousarray(pixels)).save(buffer, "PNG", compress_level=1)
        return buffer.getvalue()


# Seconds from picture to picture, and of a run that nobody stops. A Jupyter server drops what comes
# faster than 1 MB a second; 16 pictures of 40 kB stay below.
PERIOD, LONGEST = 0.06, 600
panels = weakref.WeakSet()


class Panel:
    """Buttons, sliders and the picture; `box` holds them all."""

    def __init__(self, seed=1):
        import ipywidgets as w

        self.game, self.stopped = points.Game(seed=seed), None  # an Event while it runs
        self.lock = threading.RLock()  # JupyterLab calls buttons in other threads than cells
        self.picture, self.words = Picture(self.game), w.Label()
        self.image = w.Image(format="png", layout={"align_self": "flex-start"})
        buttons, settings = self.build_buttons(w), self.build_settings(w, seed)
        controls = w.VBox([w.HBox(buttons[:3]), w.HBox(buttons[3:]), *settings])
        picture = w.VBox([self.image, self.words])
        self.box = w.HBox([picture, controls], layout={"flex_flow": "row wrap"})
        self.box._view_count = 0  # the page then tells how often it shows the box
        self.box.observe(lambda change: change["new"] or self.stop(), "_view_count")
        panels.add(self)
        self.act(self.read_settings)

    def build_buttons(self, w):
        """The five buttons."""
        actions = {
            "Step D": (self.step_d, "D steps of the discriminator, as many as the slider says"),
            "Step G": (self.step_g, "One step of the generator"),
            "Undo": (self.undo, "Back by one step, round or reset, 50 times at most"),
            "Run": (self.toggle, "Play rounds until paused: D steps, then one of G"),
            "Reset": (self.reset, "New networks from this seed"),
        }
        buttons = []
        for name, (function, tooltip) in actions.items():
            buttons.append(w.Button(description=name, tooltip=tooltip, layout={"width": "100px"}))
            buttons[-1].on_click(lambda _, function=function: self.act(function))
        self.run_button = buttons[3]
        return buttons

    def build_settings(self, w, seed):
        """Menus, sliders and the seed."""
        self.density = w.Dropdown(options=list(points.DENSITIES), description="data")
        self.loss = w.Dropdown(options=list(points.LOSSES), description="loss")
        rate = {"base": 10, "min": -4, "max": -1, "step": 0.1, "readout_format": ".4f"}
        self.rates = {
            name: w.FloatLogSlider(value=start, description=f"rate of {name}", **rate)
            for name, start in self.game.rates.items()
        }
        self.d_steps = w.IntSlider(value=1, min=1, max=10, description="D steps")
        self.seed = w.BoundedIntText(value=seed, min=0, max=9999, description="seed")
        self.density.observe(lambda _: self.act(self.reset), "value")
        for setting in (self.loss, *self.rates.values(), self.d_steps):
            setting.observe(lambda _: self.act(self.read_settings), "value")
        return [self.density, self.loss, *self.rates.values(), self.d_steps, self.seed]

    def act(self, function):
        """Call a function and draw; an error is told and ends the run, not the panel."""
        with self.lock:
            try:
                function()
                self.image.value = self.picture.png()
                self.words.value = self.describe()
            except Exception as error:
                self.stop()
                self.words.value = f"Stopped by {type(error).__name__}: {error}"
                print(self.words.value)

    def describe(self):
        """The line below the picture."""
        told = []
        for name, loss in (("D", self.game.loss_d), ("G", self.game.loss_g)):
            number = "" if loss is None else f" (loss {loss:.3f})"
            told.append(f"{self.game.networks[name].updates} steps of {name}{number}")
        return ", ".join([*told, f"{len(self.game.history)} to undo"])

    def step_d(self):
        """The half of a round that is D's."""
        self.game.remember()
        for _ in range(self.game.d_steps):
            self.game.step_discriminator()

    def step_g(self):
        """One step of G."""
        self.game.remember()
        self.game.step_generator()

    def play_round(self):
        """One round; the state before it can come back."""
        self.game.remember()
        self.game.play_round()

    def undo(self):
        """Pause, and go back."""
        self.stop()
        self.game.undo()

    def reset(self):
        """New networks."""
        if self.game.density == self.density.value:
            self.game.remember()
        self.game.start(self.density.value, self.seed.value)

    def read_settings(self):
        """Hand the settings to the game."""
        self.game.loss, self.game.d_steps = self.loss.value, self.d_steps.value
        self.game.rates = {name: slider.value for name, slider in self.rates.items()}

    def toggle(self):
        """Run, or pause."""
        if self.stopped:
            return self.stop()
        for other in list(panels):
            other.stop()
        self.stopped, self.run_button.description = threading.Event(), "Pause"
        threading.Thread(target=self.run, args=[self.stopped], daemon=True).start()

    def stop(self):
        """Pause."""
        if self.stopped:
            self.stopped.set()
        self.stopped, self.run_button.description = None, "Run"

    def run(self, stopped):
        """Rounds in a thread of their own; between two of them buttons have their turn."""
        end, pause = time.monotonic() + LONGEST, 0.0
        while not stopped.wait(pause):
            begin = time.monotonic()
            with self.lock:
                if begin > end:
                    self.stop()
                elif not stopped.is_set():
                    self.act(self.play_round)
            pause = max(0.01, begin + PERIOD - time.monotonic())


def show(seed=1):
    """The playground; without ipywidgets one picture of a training of 300 rounds.

    Args:
        seed: of the first networks and points.

    Returns:
        The widget, for the cell to show, or None.

    Taught in: `01_intuition`.
    """
    for panel in list(panels):  # of an earlier run of the cell
        panel.stop()
    try:
        return Panel(seed).box
    except ImportError:
        print(
            "Without ipywidgets the playground is a picture. Install them and restart the kernel."
        )
    game = points.Game(seed=seed)
    for _ in range(300):
        game.play_round()
    Picture(game, plt.figure(figsize=SIZE, layout="constrained")).update()
