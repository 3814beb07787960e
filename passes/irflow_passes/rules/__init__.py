"""Rewrite rules by op family; `canonicalize` and `simplify` collect them."""
