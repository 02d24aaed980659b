"""tutorlib: the exact answer beside every network.

The library of the book *Is Attention Bayesian Inference?*. A room for each idea, in the order in which the
ideas depend on each other::

    bits, bayes  <  tunnels, models  <  training, evaluation, checkpoints  <  figures, explore, course  <  cli

Import the room you need, for example ``from tutorlib.tunnels import Bijection``. Importing the package itself
costs nothing: no room is opened until it is named.
"""

__version__ = "0.1.0"
