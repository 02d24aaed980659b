"""One training loop for every model and tunnel.

Each step draws fresh sequences, so nothing can be memorised, and lowers the cross-entropy of **sampled**
answers: the network is never shown the exact posterior. The learning rate warms up, stays, then decays to
zero, which is what takes a small network from "close" to "very close".

A run can be stopped at any moment and resumed to the same bits: the state on disk holds the weights, the
optimisers, the random generator and the averages, and is replaced in one step.
"""

from tutorlib.training.loop import best_device, train, usable_device
from tutorlib.training.plan import DivergedError, TrainingPlan, TrainingRun, learning_rate_scale
from tutorlib.training.sweep import Setting, Sweep, sweep

__all__ = [
    "DivergedError",
    "Setting",
    "Sweep",
    "TrainingPlan",
    "TrainingRun",
    "best_device",
    "learning_rate_scale",
    "sweep",
    "train",
    "usable_device",
]
