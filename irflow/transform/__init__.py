"""Transforming graphs: what a pass is, how rules rewrite, how pipelines are written and run."""

from irflow.transform.pass_ import Note, Pass, PassContext
from irflow.transform.rewriter import NoMatch, Rewriter, Rule, RuleBuilder, rewrites

__all__ = [
    "NoMatch",
    "Note",
    "Pass",
    "PassContext",
    "Rewriter",
    "Rule",
    "RuleBuilder",
    "rewrites",
]
