"""The measurements, one module for each kind. Each gives `Figure`s and knows nothing of how they are printed."""
