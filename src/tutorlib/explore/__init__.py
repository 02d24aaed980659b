"""Explorers: pictures in the page that answer to the reader's hand, with no kernel and no network.

Each is a self-contained piece of HTML and plain JavaScript. Its first state is drawn by Python, so a printed
page, GitHub or a reader without JavaScript still see a picture.
"""

from tutorlib.explore.base import Explorer
from tutorlib.explore.beliefs import BeliefStrip
from tutorlib.explore.bijection import EliminationGame
from tutorlib.explore.cloud import BeliefCloud
from tutorlib.explore.coin import CoinTable
from tutorlib.explore.counting import UnitSquare
from tutorlib.explore.em import EMSteps
from tutorlib.explore.film import FormationFilm
from tutorlib.explore.guests import GuestRoom
from tutorlib.explore.measures import FoolTheMeasure
from tutorlib.explore.pools import PoolMorph
from tutorlib.explore.recall import RecallMachine
from tutorlib.explore.routing import TwoLaws
from tutorlib.explore.surprise import SurpriseAreas
from tutorlib.explore.switches import SwitchBoard
from tutorlib.explore.tracking import BeliefTriangle

__all__ = [
    "BeliefCloud",
    "BeliefStrip",
    "BeliefTriangle",
    "CoinTable",
    "EMSteps",
    "EliminationGame",
    "Explorer",
    "FoolTheMeasure",
    "FormationFilm",
    "GuestRoom",
    "PoolMorph",
    "RecallMachine",
    "SurpriseAreas",
    "SwitchBoard",
    "TwoLaws",
    "UnitSquare",
]
