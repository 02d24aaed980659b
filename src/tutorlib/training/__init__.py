"""One training loop for every model and tunnel.

Each step draws fresh sequences, so nothing can be memorised, and lowers the cross-entropy of **sampled**
answers: the network is never shown the exact posterior. The learning rate warms up, stays, then decays to
zero, which is what takes a small network from "close" to "very close".

A run can be stopped at any moment and resumed to the same bits: the state on disk holds the weights, the
optimisers, the random generator and the averages, and is replaced in one step. It never holds a number that is
not finite. Several GPUs or machines share each batch when ``torchrun`` or ``accelerate launch`` starts the run.
"""

from tutorlib.training.distributed import Team, TeamError, session
from tutorlib.training.faults import TooLargeError
from tutorlib.training.loop import best_device, train, usable_device
from tutorlib.training.plan import DivergedError, TrainingPlan, TrainingRun, learning_rate_scale
from tutorlib.training.sweep import Setting, Sweep, sweep

__all__ = [
    "DivergedError",
    "Setting",
    "Sweep",
    "Team",
    "TeamError",
    "TooLargeError",
    "TrainingPlan",
    "TrainingRun",
    "best_device",
    "learning_rate_scale",
    "session",
    "sweep",
    "train",
    "usable_device",
]
