"""Makes the measurements importable, which are not installed; what is installed comes first."""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[2]))
