"""Explorers: pictures in the page that answer to the reader's hand, with no kernel and no network.

Each is a self-contained piece of HTML and plain JavaScript. Its first state is drawn by Python, so a printed
page, GitHub or a reader without JavaScript still see a picture.
"""

from tutorlib.explore.base import Explorer
from tutorlib.explore.bijection import EliminationGame
from tutorlib.explore.coin import CoinTable
from tutorlib.explore.counting import UnitSquare

__all__ = ["CoinTable", "EliminationGame", "Explorer", "UnitSquare"]
