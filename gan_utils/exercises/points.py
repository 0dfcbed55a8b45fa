"""A GAN on points in plain NumPy, for the playground: networks, losses, steps, and a way back.

The networks are so small that NumPy trains them faster than a picture of them is drawn. The
gradients stand here by hand, layer after layer.
"""

import collections
import copy

import numpy as np

from gan_utils import checks, data

DENSITIES = {"two bumps (a line)": 1, "ring (a plane)": 2}  # and their dimensions
LOSSES = {
    "non-saturating": "G climbs log D",
    "minimax": "G descends log(1 - D)",
    "Wasserstein, penalty": "G climbs the critic's score",
    "Wasserstein, clipping": "G climbs the score of a critic with small weights",
    "MMD": "no D: G climbs from where fakes are too many",
}
HIDDEN, BATCH, LATENT_DIM = 32, 128, 2
CLIP, PENALTY = 0.1, 1.0  # the bound of a clipped critic's weights; the weight of the penalty
BANDWIDTHS = (2.0, 1.0, 0.5)  # of the kernel behind the MMD; each half the one before


class Network:
    """Two hidden layers of 32 tanh units; Adam with Keras's defaults but for `beta_1=0.5`."""

    def __init__(self, num_inputs, num_outputs, rng):
        sizes = [(num_inputs, HIDDEN), (HIDDEN, HIDDEN), (HIDDEN, num_outputs)]
        limits = [np.sqrt(6.0 / sum(size)) for size in sizes]  # Glorot's
        matrices = [rng.uniform(-a, a, size) for a, size in zip(limits, sizes)]
        self.weights = [w for matrix in matrices for w in (matrix, np.zeros(matrix.shape[1]))]
        self.means = [np.zeros_like(w) for w in self.weights]
        self.squares = [np.zeros_like(w) for w in self.weights]
        self.updates = 0

    def forward(self, x):
        """The outputs for `x`, and `(x, h1, h2)`: what each layer received."""
        w1, b1, w2, b2, w3, b3 = self.weights
        h1 = np.tanh(x @ w1 + b1)
        h2 = np.tanh(h1 @ w2 + b2)
        return h2 @ w3 + b3, (x, h1, h2)

    def backward(self, received, slopes):
        """From a loss's slopes in the outputs: those in the weights, and those in the inputs."""
        x, h1, h2 = received
        w1, _, w2, _, w3, _ = self.weights
        a2 = slopes @ w3.T * (1 - h2**2)  # slopes before the tanh
        a1 = a2 @ w2.T * (1 - h1**2)
        layers = ((x, a1), (h1, a2), (h2, slopes))
        return [g for h, a in layers for g in (h.T @ a, a.sum(axis=0))], a1 @ w1.T

    def mixed_backward(self, received, directions):
        """Slopes in the weights of `sum(directions * input slopes)`, for a gradient penalty.

        That number is how much the output changes when each input moves in its direction `v`. The
        changes `c1`, `c2` run forward through the layers, then both they and the layers run back.
        """
        x, h1, h2 = received
        w1, _, w2, _, w3, _ = self.weights
        s1, s2 = 1 - h1**2, 1 - h2**2
        t1 = directions @ w1
        c1 = s1 * t1
        t2 = c1 @ w2
        back2 = s2 * w3[:, 0]
        back1 = back2 @ w2.T
        a2 = -2 * h2 * t2 * back2  # the slope of the tanh changes, too
        a1 = s1 * (a2 @ w2.T) - 2 * h1 * s1 * t1 * back1
        first = directions.T @ (s1 * back1) + x.T @ a1
        second = c1.T @ back2 + h1.T @ a2
        third = (s2 * t2).sum(axis=0)[:, None]
        return [first, a1.sum(axis=0), second, a2.sum(axis=0), third, np.zeros(1)]

    def update(self, gradients, rate):
        """One step of Adam."""
        self.updates += 1
        rate = rate * np.sqrt(1 - 0.999**self.updates) / (1 - 0.5**self.updates)
        for w, g, mean, square in zip(self.weights, gradients, self.means, self.squares):
            mean += 0.5 * (g - mean)
            square += 0.001 * (g**2 - square)
            w -= rate * mean / (np.sqrt(square) + 1e-7)


def softplus(x):
    """`log(1 + e^x)`."""
    return np.logaddexp(0.0, x)


def sigmoid(x):
    """`1 / (1 + e^-x)`, without an overflow."""
    return 0.5 + 0.5 * np.tanh(0.5 * x)


def discriminator_loss(loss, real, fake):
    """D's loss from the scores of real and fake points, and its slopes in both."""
    n = len(real)
    if loss.startswith("Wasserstein"):
        return fake.mean() - real.mean(), np.full_like(real, -1 / n), np.full_like(fake, 1 / n)
    return (softplus(-real) + softplus(fake)).mean(), -sigmoid(-real) / n, sigmoid(fake) / n


def generator_loss(loss, fake):
    """G's loss from the scores of fakes, and its slopes in them."""
    n = len(fake)
    if loss == "minimax":
        return -softplus(fake).mean(), -sigmoid(fake) / n
    if loss == "non-saturating":
        return softplus(-fake).mean(), -sigmoid(-fake) / n
    return -fake.mean(), np.full_like(fake, -1 / n)


def kernel(a, b):
    """Nearness of all pairs, `(n, m)`, and the same weighted: times `b - a`, its slopes in `a`."""
    squared = (a**2).sum(axis=1)[:, None] + (b**2).sum(axis=1) - 2 * a @ b.T
    nearness = np.exp(squared / (-2 * BANDWIDTHS[0] ** 2))
    total, weighted = 0, 0
    for bandwidth in BANDWIDTHS:
        total, weighted = total + nearness, weighted + nearness / bandwidth**2
        nearness = (nearness * nearness) ** 2  # of half the bandwidth, without another exp
    return total / len(BANDWIDTHS), weighted / len(BANDWIDTHS)


def mmd_loss(real, fake):
    """Squared MMD of two clouds (up to a constant of the real one), and its slopes in the fakes."""
    n = len(fake)
    (within, out), (across, to) = kernel(fake, fake), kernel(fake, real)
    toward_fakes = out @ fake - out.sum(axis=1, keepdims=True) * fake
    toward_real = to @ real - to.sum(axis=1, keepdims=True) * fake
    return within.mean() - 2 * across.mean(), 2 / n**2 * (toward_fakes - toward_real)


class Game:
    """G, D, their settings, and the last 50 states.

    Args:
        density: one of `DENSITIES`.
        seed: of the weights, the latents and the real points.
    """

    def __init__(self, density="two bumps (a line)", seed=1):
        self.loss, self.rates, self.d_steps = "non-saturating", {"G": 3e-3, "D": 1e-2}, 1
        self.history = collections.deque(maxlen=50)
        self.start(density, seed)

    def start(self, density, seed):
        """Draw new networks. Settings stay; states of another density are forgotten."""
        if density != getattr(self, "density", density):
            self.history.clear()
        self.density = checks.check_choice("Game", "density", density, DENSITIES)
        rng, d = np.random.default_rng(seed), DENSITIES[density]
        self.networks = {"G": Network(LATENT_DIM, d, rng), "D": Network(d, 1, rng), "rng": rng}
        self.latents = np.random.default_rng(seed + 1).standard_normal((2000, LATENT_DIM))
        self.shown = self.sample_real(BATCH, np.random.default_rng(seed + 2))
        self.loss_d = self.loss_g = None

    def state(self):
        """All that a step changes or a reset draws anew, as a copy."""
        names = ("networks", "latents", "shown", "loss_d", "loss_g")
        return copy.deepcopy({name: getattr(self, name) for name in names})

    def remember(self):
        """Keep this state for `undo`."""
        self.history.append(self.state())

    def undo(self):
        """Go back to the state before the last step, round or reset; False if there is none."""
        if self.history:
            vars(self).update(self.history.pop())
            return True
        return False

    def sample_real(self, n, rng=None):
        """Real points, `(n, 1)` or `(n, 2)`."""
        seed = (rng or self.networks["rng"]).integers(2**32)
        if DENSITIES[self.density] == 1:
            return data.sample_mixture_1d(n, seed=seed)
        return data.sample_modes(n, data.ring_centers(), scale=0.1, seed=seed)[0]

    def sample_latents(self):
        """Latents of one batch."""
        return self.networks["rng"].standard_normal((BATCH, LATENT_DIM))

    def make(self, n):
        """Fakes from the latents that stay the same in all pictures."""
        return self.networks["G"].forward(self.latents[:n])[0]

    def step_discriminator(self):
        """One step of D. The MMD has no D."""
        if self.loss == "MMD":
            return
        d, real = self.networks["D"], self.sample_real(BATCH)
        fake = self.networks["G"].forward(self.sample_latents())[0]
        scores, received = d.forward(np.concatenate([real, fake]))
        self.loss_d, *slopes = discriminator_loss(self.loss, scores[:BATCH], scores[BATCH:])
        gradients, _ = d.backward(received, np.concatenate(slopes))
        if self.loss == "Wasserstein, penalty":
            penalty, more = self.penalise(real, fake)
            gradients = [g + m for g, m in zip(gradients, more)]
            self.loss_d += penalty
        d.update(gradients, self.rates["D"])
        if self.loss == "Wasserstein, clipping":
            for w in d.weights:
                np.clip(w, -CLIP, CLIP, out=w)

    def penalise(self, real, fake):
        """`PENALTY mean (|slope of D| - 1)^2` between real and fake; its slopes in the weights."""
        d, t = self.networks["D"], self.networks["rng"].uniform(size=(BATCH, 1))
        _, received = d.forward(t * real + (1 - t) * fake)
        _, slopes = d.backward(received, np.ones((BATCH, 1)))
        lengths = np.sqrt((slopes**2).sum(axis=1, keepdims=True)) + 1e-12
        directions = 2 * PENALTY / BATCH * (lengths - 1) * slopes / lengths
        return PENALTY * ((lengths - 1) ** 2).mean(), d.mixed_backward(received, directions)

    def judge(self, fake, real):
        """G's loss on these fakes, and its slopes in them; only the MMD looks at real points."""
        if self.loss == "MMD":
            return mmd_loss(real, fake)
        scores, received = self.networks["D"].forward(fake)
        value, slopes = generator_loss(self.loss, scores)
        return value, self.networks["D"].backward(received, slopes)[1]

    def step_generator(self):
        """One step of G."""
        g = self.networks["G"]
        fake, received = g.forward(self.sample_latents())
        self.loss_g, slopes = self.judge(fake, self.sample_real(BATCH))
        g.update(g.backward(received, slopes)[0], self.rates["G"])

    def preview(self):
        """Where the shown fakes would be after a step of G; nothing changes."""
        g = copy.deepcopy(self.networks["G"])
        fake, received = g.forward(self.latents[:BATCH])
        g.update(g.backward(received, self.judge(fake, self.shown)[1])[0], self.rates["G"])
        return g.forward(self.latents[:BATCH])[0]

    def field(self, points):
        """D at `points` in [0, 1]: a probability, or a score stretched to this range."""
        if self.loss == "MMD":  # more real points near, or more fakes?
            clouds = (self.shown, self.make(BATCH))
            real, fake = (kernel(points, cloud)[0].mean(axis=1) for cloud in clouds)
            return 0.5 + (real - fake) / (2 * np.abs(real - fake).max() + 1e-9)
        scores = self.networks["D"].forward(points)[0][:, 0]
        if self.loss.startswith("Wasserstein"):
            return (scores - scores.min()) / (np.ptp(scores) + 1e-9)
        return sigmoid(scores)

    def play_round(self):
        """Steps of D, then one of G."""
        for _ in range(self.d_steps):
            self.step_discriminator()
        self.step_generator()
