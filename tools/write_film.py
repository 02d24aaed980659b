"""Write the frames that the explorer of chapter 15 shows: python tools/write_film.py

They are measured on the snapshots that ship. Run it after those have changed; a test compares.
"""

from __future__ import annotations

import json
from pathlib import Path

from tutorlib.explore.film import measure_film

PLACE = Path(__file__).resolve().parents[1] / "src" / "tutorlib" / "explore" / "film.json"


def main() -> None:
    film = measure_film()
    frames = ",\n".join(json.dumps(frame, separators=(",", ":")) for frame in film.pop("frames"))
    rest = json.dumps(film, separators=(",", ":"))[1:]
    PLACE.write_text(f'{{"frames":[{frames}],\n{rest}\n', encoding="utf-8")
    print(f"{PLACE.name}: {PLACE.stat().st_size} bytes")


if __name__ == "__main__":
    main()
