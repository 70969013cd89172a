"""Measuring: how long pages and jobs take beside a million instruments (`make bench`)."""
