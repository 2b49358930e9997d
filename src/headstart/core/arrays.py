"""The type of NumPy's arrays in signatures; docstrings say shape and kind."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np

Array: TypeAlias = np.ndarray[Any, Any]
