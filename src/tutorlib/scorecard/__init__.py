"""The scorecard: every trained network on fresh sequences, and the paper's claims beside what was measured.

``measure_all`` evaluates checkpoints and judges the claims; the result is plain data, which ``write`` keeps as JSON and
as a page of the book. No verdict is typed: each claim has a rule that reads the measured numbers.
"""

from tutorlib.scorecard.claims import CLAIMS
from tutorlib.scorecard.groups import SEED, grouped
from tutorlib.scorecard.judge import Claim, judge
from tutorlib.scorecard.page import page
from tutorlib.scorecard.rows import SEQUENCES, measure_rows
from tutorlib.scorecard.writing import measure_all, write

__all__ = [
    "CLAIMS",
    "SEED",
    "SEQUENCES",
    "Claim",
    "grouped",
    "judge",
    "measure_all",
    "measure_rows",
    "page",
    "write",
]
