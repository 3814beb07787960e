"""Making large graphs readable: which nodes share a box, and which need none.

Folding goes through levels until few enough boxes are left:

    1  constants of one or a few elements, and their broadcasts, become text in their readers
    2  elementwise ops, and moves of elements, that only one other reads share its box
    3  fused groups and calls are closed
    4  nodes of one line of the user's program share a box
    5  nodes of one function of the user's program share a box
    6  neighbours in the order of the graph share a box, as many as it takes

Levels 4 and 5 are passed over when they would leave next to nothing: a model that a loop builds has
few lines. What shares a box can always be contracted: no path leaves it and returns.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence

from irflow.analysis import every_graph
from irflow.ir.graph import Graph, Node, Value
from irflow.ops import Constant, Elementwise

LITERALS, CHAINS, CLOSED, LINES, FUNCTIONS, BLOCKS = range(1, 7)
SMALL_CONSTANT = 4
FEW = 4
"""A level that leaves less than this part of the boxes that there may be is passed over."""

LITERAL_OPS = ("broadcast", "reshape", "stop_gradient", "convert")
CHAIN_OPS = ("elementwise", "convert")
MOVES = ("broadcast", "reshape", "slice", "stop_gradient", "transpose")

Cluster = list[Node]


def clusters_of(graph: Graph, level: int, most: int) -> tuple[list[Cluster], dict[Value, str]]:
    """The groups of nodes that share a box, in an order of definition before use.

    Args:
        graph: what is drawn; regions have clusters of their own.
        level: how far to fold, see above; 0 gives a box to every node.
        most: how many boxes there may be, for level 6.

    Returns:
        The clusters, and the texts of values that have no box.
    """
    texts = literal_texts(graph) if level >= LITERALS else {}
    clusters: list[Cluster] = [[n] for n in graph if not (n.outputs and n.outputs[0] in texts)]
    if level >= CHAINS:
        clusters = _join_chains(clusters)
    if level == BLOCKS:
        return _blocks(clusters, most), texts
    for at, key in ((LINES, _line), (FUNCTIONS, _function)):
        if level >= at:
            clusters = merge(clusters, [key(cluster) for cluster in clusters])
    return clusters, texts


def count_boxes(graph: Graph, level: int, most: int) -> int:
    """How many boxes a level leaves, those in open regions too."""
    clusters, _ = clusters_of(graph, level, most)
    inner = [] if level >= CLOSED else [region for c in clusters for n in c for region in n.regions]
    return len(clusters) + sum(count_boxes(region, level, most) for region in inner)


def choose_level(graph: Graph, most: int) -> int:
    """The least folding that leaves at most `most` boxes; none at all when `most` is 0."""
    if most <= 0:
        return 0
    has_regions = any(True for part in every_graph(graph) if part is not graph)
    for level in range(LITERALS, BLOCKS):
        if level == CLOSED and not has_regions:
            continue
        count = count_boxes(graph, level, most)
        if count <= most and (level < LINES or count * FEW >= most):
            return level
    return BLOCKS


# --------------------------------------------------------------------------------------- literals


def literal_texts(graph: Graph) -> dict[Value, str]:
    """The values that are small constants, repeated maybe, which stand as text in their readers."""
    texts: dict[Value, str] = {}
    for node in graph:
        text = _literal_text(node, texts)
        if text is not None:
            texts[node.output] = text
    return {value: text for value, text in texts.items() if _can_hide(value, texts)}


def _literal_text(node: Node, texts: dict[Value, str]) -> str | None:
    if isinstance(node.op, Constant):
        array = node.op.value.array
        if array.size > SMALL_CONSTANT:
            return None
        return str(array.reshape(())[()]) if array.size == 1 else str(array.tolist())
    if node.op.name in LITERAL_OPS and len(node.inputs) == 1:
        return texts.get(node.inputs[0])
    return None


def _can_hide(value: Value, texts: dict[Value, str]) -> bool:
    """Whether every reader can show the text, or is shown as text itself."""
    if value.is_output or not value.uses:
        return False
    return all(
        not node.regions and (node.outputs[0] not in texts or _can_hide(node.outputs[0], texts))
        for node in value.users
        if node.outputs
    )


# ---------------------------------------------------------------------------------------- merging


def _join_chains(clusters: list[Cluster]) -> list[Cluster]:
    """Give each elementwise node that only one other reads to that reader's cluster."""
    home: dict[Node, Cluster] = {}
    for cluster in reversed(clusters):
        (node,) = cluster
        readers = node.outputs[0].users if len(node.outputs) == 1 else []
        target = home.get(readers[0]) if len(readers) == 1 else None
        is_joined = (
            target is not None and not node.outputs[0].is_output and _joins(node, readers[0])
        )
        home[node] = target if is_joined and target is not None else cluster
        if is_joined and target is not None:
            target.insert(0, node)
    return [cluster for cluster in clusters if home[cluster[-1]] is cluster]


def _joins(node: Node, reader: Node) -> bool:
    """Whether the box of its only reader can show a node."""
    if node.op.name in MOVES:
        return not reader.regions
    return node.op.name in CHAIN_OPS and isinstance(reader.op, Elementwise)


def _blocks(clusters: list[Cluster], most: int) -> list[Cluster]:
    """At most about `most` groups of neighbours in the order of the graph, whole lines if many."""
    lines = merge(clusters, [_line(cluster) for cluster in clusters])
    base = lines if len(lines) > most else clusters
    length = max(-(-len(base) // most), 2)
    while True:
        found = merge(base, [number // length for number in range(len(base))])
        if len(found) <= most or length >= len(base):
            break
        length += -(-length // 4)
    length = -(-len(found) // most)
    keys = [number // length for number in range(len(found))]
    return merge(found, keys, apart=True) if length > 1 else found


def merge(
    clusters: Sequence[Cluster], keys: Sequence[Hashable], apart: bool = False
) -> list[Cluster]:
    """Join connected clusters of equal keys as far as no path leaves the result and returns.

    A cluster's phase is the number of changes of the key on the way to it, at most. Edges between
    clusters of different keys lead to a higher phase, so equal keys of one phase can be joined.

    Args:
        clusters: in an order of definition before use.
        keys: one a cluster.
        apart: whether clusters are joined that no edges connect.
    """
    home = {node: position for position, cluster in enumerate(clusters) for node in cluster}
    sources = [_sources(cluster, home, position) for position, cluster in enumerate(clusters)]
    phases: list[int] = []
    for position, before in enumerate(sources):
        changes = (phases[b] + (keys[b] != keys[position]) for b in before)
        phases.append(max(changes, default=0))
    names: list[tuple[int, Hashable]] = list(zip(phases, keys, strict=True))
    heads = list(range(len(clusters)))
    for position, before in enumerate(sources):
        for other in before:
            if names[other] == names[position]:
                heads[_head(heads, other)] = _head(heads, position)
    joined: dict[Hashable, Cluster] = {}
    for position in sorted(range(len(clusters)), key=lambda position: phases[position]):
        name = names[position] if apart else _head(heads, position)
        joined.setdefault(name, []).extend(clusters[position])
    return list(joined.values())


def _sources(cluster: Cluster, home: dict[Node, int], own: int) -> list[int]:
    """The positions of the clusters that a cluster reads."""
    read = (value.node for node in cluster for value in node.inputs)
    found = dict.fromkeys(home[node] for node in read if node is not None and node in home)
    return [position for position in found if position != own]


def _head(heads: list[int], position: int) -> int:
    """The representative of a set, in a forest of sets; paths are halved on the way."""
    while heads[position] != position:
        heads[position] = heads[heads[position]]
        position = heads[position]
    return position


def _line(cluster: Cluster) -> Hashable:
    location = cluster[-1].location
    return (location.file, location.line) if location is not None else cluster[-1]


def _function(cluster: Cluster) -> Hashable:
    location = cluster[-1].location
    return (location.file, location.function) if location is not None else cluster[-1]


def merged_lines(cluster: Cluster, describe: Callable[[Node], str]) -> list[str]:
    """The nodes of a cluster as texts, equal ones once with how often they occur."""
    counts: dict[str, int] = {}
    for node in cluster:
        text = describe(node)
        counts[text] = counts.get(text, 0) + 1
    return [f"{text} ×{times}" if times > 1 else text for text, times in counts.items()]
