"""Write the points that the explorer of chapter 11 shows: python tools/write_clouds.py

They are measured on the networks that ship. Run it after one of those has changed; a test compares.
"""

from __future__ import annotations

import json
from pathlib import Path

from tutorlib.explore.cloud import measure_clouds

PLACE = Path(__file__).resolve().parents[1] / "src" / "tutorlib" / "explore" / "cloud.json"


def main() -> None:
    lines = ",\n".join(
        json.dumps(cloud, separators=(",", ":"), ensure_ascii=False) for cloud in measure_clouds()
    )
    PLACE.write_text(f"[{lines}]\n", encoding="utf-8")
    print(f"{PLACE.name}: {PLACE.stat().st_size} bytes")


if __name__ == "__main__":
    main()
