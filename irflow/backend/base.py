"""The interface of a backend: what compiles a graph or a program and runs it.

A backend is found through the entry-point group `irflow.backends`; the built-in ones use the same
door. Its class names what it can do, and a graph that needs more is decomposed or refused, never
silently run elsewhere.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Sequence
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from irflow import dtypes
from irflow.backend.calling import Builtin, Convention
from irflow.dtypes import DType
from irflow.errors import UnsupportedError
from irflow.ir.graph import Graph, Node
from irflow.lowering.target import GENERIC, Target
from irflow.records import dataclass
from irflow.transform.pass_ import describe

if TYPE_CHECKING:
    from irflow.loops import Kernel
    from irflow.lowering.program import Program


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a backend can run.

    Attributes:
        dtypes: element types of inputs, outputs and values in between.
        ops: names of the ops it runs, or None for all that irflow knows.
        rows: names of the scalar functions it runs elementwise, or None for all.
        dynamic_sizes: whether one compilation serves several sizes.
        control_flow: whether it runs loops and branches natively.
        host_steps: whether it can call an op's NumPy meaning for what has no native form.
        lending: whether results may lie where inputs were (`Storage.start` of a program).
    """

    dtypes: frozenset[DType] = frozenset(dtypes.ALL)
    ops: frozenset[str] | None = None
    rows: frozenset[str] | None = None
    dynamic_sizes: bool = True
    control_flow: bool = True
    host_steps: bool = True
    lending: bool = False

    def has(self, node: Node) -> bool:
        """Whether the node's op, and its scalar function if it has one, are among them."""
        if self.ops is not None and node.op.name not in self.ops:
            return False
        row = getattr(node.op, "row", None)
        return self.rows is None or row is None or row.name in self.rows


@dataclass(frozen=True, slots=True)
class Reason:
    """Why a backend does not claim a node, in one sentence; it is false in a condition."""

    text: str

    def __bool__(self) -> bool:
        return False


@dataclass(frozen=True, slots=True)
class CompileOptions:
    """How to compile.

    Attributes:
        name: the name of the function, for listings.
        level: the optimisation level, 0 to 3.
        threads: worker threads of the native code; 0 means as many as the process may use.
        memory_limit: the most bytes that intermediate values may take; None for no limit.
        lent: inputs in whose memory results may be written, where nobody else has it.
    """

    name: str = "main"
    level: int = 2
    threads: int = 0
    memory_limit: int | None = None
    lent: tuple[int, ...] = ()


class Executable(ABC):
    """A compiled graph.

    Attributes:
        graph: the graph as it was compiled; its inputs and outputs say what is taken and returned.

    Args:
        graph: that graph, or a function that makes it when it is first asked for.
    """

    def __init__(self, graph: Graph | Callable[[], Graph]) -> None:
        self._graph = graph

    @property
    def graph(self) -> Graph:
        if not isinstance(self._graph, Graph):
            self._graph = self._graph()
        return self._graph

    @abstractmethod
    def __call__(self, arrays: Sequence[np.ndarray]) -> list[np.ndarray]:
        """Run on arrays that fit the types of the graph's inputs; new arrays, one an output."""

    def overwriting(self, arrays: Sequence[np.ndarray], spent: Collection[int]) -> list[np.ndarray]:
        """The same as a call; results may be written into the memory of some of the arrays.

        Args:
            arrays: as for a call.
            spent: the positions of those that nobody reads afterwards. Results only take the memory
                of inputs that were lent when the graph was compiled.
        """
        return self(arrays)

    def builtin(self, convention: Convention, arrays: Sequence[np.ndarray]) -> Builtin | None:
        """A built-in function that does the same faster, for arrays of the shapes of these.

        None where there is none: always, unless the backend says otherwise.
        """
        return None

    def listing(self, kind: str) -> str:
        """A printed stage: `"graph"` always; more kinds by backend, see `listings`."""
        if kind == "graph":
            return str(self.graph)
        raise UnsupportedError(
            f"this executable has no listing {kind!r}",
            facts=[("available", ", ".join(self.listings))],
        )

    @property
    def listings(self) -> tuple[str, ...]:
        """The kinds that `listing` knows."""
        return ("graph",)


class Backend(ABC):
    """The base of all backends; one instance is made when the backend is first used.

    Class attributes:
        name: how users ask for it.
        level: what `compile` receives: `"graph"` or `"program"`.
        priority: the highest available one is the default.
    """

    name: ClassVar[str]
    level: ClassVar[str] = "graph"
    priority: ClassVar[int] = 0

    def capabilities(self) -> Capabilities:
        """What it can run; everything by default."""
        return Capabilities()

    def available(self) -> str | None:
        """None when it can run here, else one sentence: why not, and which extra to install."""
        return None

    def target(self) -> Target:
        """The machine for which the loops of programs are cut; a backend of level program says
        which.
        """
        return GENERIC

    def pipeline(self, level: int) -> str:
        """Passes to run after the default ones at this optimisation level."""
        return ""

    def claims(self, node: Node) -> bool | Reason:
        """Whether the backend runs this node or named call itself, as with a library call."""
        return Reason("the backend claims no nodes")

    @abstractmethod
    def compile(self, work: Graph | Program, options: CompileOptions) -> Executable:
        """Make an executable of a checked graph, or of a program, by `level`."""

    def build(
        self,
        make: Callable[[Callable[[Kernel], None]], Graph | Program],
        options: CompileOptions,
    ) -> Executable:
        """Compile what `make` returns; it tells of each kernel as soon as that is written.

        Backends may override this to work on kernels while others are still to come.
        """
        return self.compile(make(lambda _: None), options)

    def fingerprint(self) -> tuple[str, ...] | None:
        """All that an executable depends on besides the graph, the pipeline, the options, the
        target, and the sources of irflow and of the packages with this backend and its passes.

        That is the processor, the versions of libraries, settings. None: executables of this
        backend are not kept on disk.
        """
        return None

    def save(self, executable: Executable) -> Sequence[bytes | memoryview] | None:
        """An executable for `restore`, in pieces; None for one that cannot be kept."""
        return None

    def restore(
        self,
        content: bytes | memoryview,
        graph: Graph,
        work: Callable[[], Graph | Program],
        options: CompileOptions,
    ) -> Executable:
        """What `save` was given, in another process.

        Args:
            content: what `save` returned, joined, for the same fingerprint; its maker is trusted,
                but it may not fit.
            graph: as traced; inputs and outputs are those of the graph that was compiled.
            work: what `compile` would receive; it takes as long as that, and is for listings.
            options: as for `compile`.

        Raises:
            IrflowError, ValueError: the content does not fit; it is then made anew.
        """
        raise UnsupportedError(f"backend {self.name} keeps no executables")


def require_supported(backend: Backend, graph: Graph) -> None:
    """Raise UnsupportedError naming the first node that the backend cannot run."""
    abilities = backend.capabilities()
    if graph.symbols and not abilities.dynamic_sizes:
        sizes = ", ".join(symbol.name for symbol in graph.symbols)
        raise UnsupportedError(f"backend {backend.name}: no dynamic sizes (here {sizes})")
    for value in graph.inputs:
        if value.type.dtype not in abilities.dtypes:
            raise UnsupportedError(
                f"backend {backend.name}: no {value.type.dtype} (input {value.hint})"
            )
    for node in graph:
        if not abilities.has(node) and not backend.claims(node):
            raise UnsupportedError(
                f"backend {backend.name} cannot run {describe(node)}",
                hint="the pass 'decompose' may express it by simpler ops",
                location=node.location,
            )
        for value in node.outputs:
            if value.type.dtype not in abilities.dtypes:
                raise UnsupportedError(
                    f"backend {backend.name}: {node.op.name} makes {value.type}",
                    location=node.location,
                )
        for region in node.regions:
            require_supported(backend, region)
