"""Write the study of chapter 15: python tools/write_formation.py [bijection routing values markov diversity]

Trains the small networks and measures them, about five minutes of one core for all parts. Without names all parts are
made; parts that are not named are kept.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

from tutorlib.formation import SEEDS, TASKS, measure_bijection, measure_markov
from tutorlib.formation.runs import SYMBOLS, markov, run_bijection, run_markov, seeded
from tutorlib.tunnels import Bijection

PLACE = Path(__file__).resolve().parents[1] / "src" / "tutorlib" / "formation" / "study.json"
TEST = 128  # sequences that every moment is measured on


def part(name: str) -> dict:
    """The numbers of one part, by seed, or by M and seed."""
    if name in ("bijection", "routing", "values"):
        tunnel = Bijection(SYMBOLS)
        batch = tunnel.sample(TEST, seeded(2026))
        freeze = None if name == "bijection" else name
        return {str(s): measure_bijection(run_bijection(s, freeze), tunnel, batch) for s in SEEDS}
    batch = markov().sample(TEST, seeded(2026))
    if name == "markov":
        return {str(s): measure_markov(run_markov(s), batch) for s in SEEDS}
    found = {}
    for tasks in TASKS:
        own, found[str(tasks)] = markov(tasks).sample(TEST, seeded(2026)), {}
        for s in SEEDS[:2]:
            kept = run_markov(s, tasks)
            both = {"new": measure_markov(kept, batch, tasks), "own": measure_markov(kept, own, tasks)}
            found[str(tasks)][str(s)] = both
            print(tasks, s, both["new"]["few"][-1], both["new"]["bigram"][-1], flush=True)
    return found


def main() -> None:
    names = sys.argv[1:] or ["bijection", "routing", "values", "markov", "diversity"]
    for name in names:
        clock = time.process_time()
        made = part(name)
        whole = json.loads(PLACE.read_text(encoding="utf-8")) if PLACE.exists() else {}
        whole[name] = made
        PLACE.write_text(json.dumps(whole, separators=(",", ":"), sort_keys=True) + "\n", encoding="utf-8")
        print(
            f"{name}: {time.process_time() - clock:.0f} core-seconds; {PLACE.stat().st_size} bytes",
            flush=True,
        )


if __name__ == "__main__":
    main()
