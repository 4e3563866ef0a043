"""The program with the small models as its catalogue: ``python with_fixtures.py models list`` is ``voicemode models list``."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.supervise.mirror import MODELS
from voicemode.supervise import catalogue

if __name__ == "__main__":
    catalogue.CATALOGUE = MODELS  # before anything has taken it over

    from voicemode.__main__ import main

    sys.exit(main())
