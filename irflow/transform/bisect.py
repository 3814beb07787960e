"""Finding the rule behind a wrong graph: the pass runs again with fewer applications of rules."""

from __future__ import annotations

from collections.abc import Callable

from irflow.errors import IrflowError
from irflow.ir.graph import Graph
from irflow.location import Location
from irflow.records import dataclass
from irflow.transform.pass_ import Pass, PassContext
from irflow.transform.verify import Difference


@dataclass(frozen=True, slots=True)
class Guilty:
    """The first application of a rule after which the graph is wrong.

    Attributes:
        rule: its name.
        op: the node it was applied to.
        location: the user's line of that node.
        number: how many applications the pass made, this one included.
        problem: what is wrong with the graph then.
    """

    rule: str
    op: str
    location: Location | None
    number: int
    problem: Difference


def find_guilty(
    step: Pass,
    original: Graph,
    context: Callable[[int], PassContext],
    problem: Callable[[Graph], Difference | None],
) -> Guilty | None:
    """Bisect on the number of rule applications; None when `step` is wrong without applying any.

    A pass is deterministic, so that a smaller budget gives the same steps, cut short. The time is
    that of the pass and of `problem`, times the logarithm of the number of applications.
    """

    def attempt(budget: int) -> tuple[PassContext, Difference | None]:
        trial, limited = original.copy(), context(budget)
        try:
            step.run(trial, limited)
        except IrflowError as error:
            return limited, Difference((("failure", error.summary),))
        return limited, problem(trial)

    if attempt(0)[1] is not None:
        return None
    good, bad = 0, 1
    while attempt(bad)[1] is None:
        if attempt(bad)[0].applied < bad:
            return None
        good, bad = bad, 2 * bad
    while bad - good > 1:
        middle = (good + bad) // 2
        if attempt(middle)[1] is None:
            good = middle
        else:
            bad = middle
    limited, found = attempt(bad)
    if limited.last is None or found is None:
        return None
    last = limited.last
    return Guilty(last.rule, last.op, last.location, bad, found)
