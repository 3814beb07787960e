"""Transforming graphs: what a pass is, how rules rewrite, how pipelines are written and run."""

from irflow.transform.manager import PassManager, PassRecord, Report
from irflow.transform.pass_ import Note, Pass, PassContext
from irflow.transform.pipeline import LEVELS, Fixpoint, Pipeline, level_pipeline, parse_pipeline
from irflow.transform.rewriter import NoMatch, Rewriter, Rule, RuleBuilder, rewrites

__all__ = [
    "LEVELS",
    "Fixpoint",
    "NoMatch",
    "Note",
    "Pass",
    "PassContext",
    "PassManager",
    "PassRecord",
    "Pipeline",
    "Report",
    "Rewriter",
    "Rule",
    "RuleBuilder",
    "level_pipeline",
    "parse_pipeline",
    "rewrites",
]
