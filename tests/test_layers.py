"""Who may import whom: read from the source with `ast`, so no module has to be importable.

Imports inside functions count; those under `if TYPE_CHECKING:` do not, as they do not run.
"""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]

# A module (a file or a folder of irflow/) imports only from the lines above its own.
LAYERS = [
    ["errors", "names", "records"],
    ["location", "log", "dtypes"],
    ["dims"],
    ["tree", "special"],
    ["scalars"],
    ["loops", "ir"],
    ["ops"],
    ["analysis"],
    ["transform"],
    ["autodiff"],
    ["lowering"],
    ["backend"],
    ["plugins"],
    ["compiler"],
    ["artifact"],
    ["frontend"],
    ["control"],
    ["numpy", "random", "session"],
    ["nn", "data", "datasets", "quantization"],
    ["optim", "losses"],
    ["keras"],
    ["report", "draw"],
    ["testing", "demo"],
    ["cli"],
    ["__main__"],
]
LEVEL = {module: level for level, layer in enumerate(LAYERS) for module in layer}

# A plugin imports from irflow up to and including this layer, and from no other plugin.
PLUGINS = {"passes": "autodiff", "backends": "backend"}


def imported_modules(source: str) -> Iterator[tuple[int, str]]:
    """The line and the dotted name of everything that running `source` may import."""
    tree = ast.parse(source)
    unseen = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING")
        for statement in node.body
        for inner in ast.walk(statement)
    }
    for node in ast.walk(tree):
        if id(node) in unseen:
            continue
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = "." * node.level + (node.module or "")
            yield from ((node.lineno, f"{base}.{alias.name}") for alias in node.names)


def violations(source: str, package: str, own: str, below: int) -> list[str]:
    """The imports of ours in `source`, but for its `own` module and irflow below a level."""
    wrong = []
    for line, name in imported_modules(source):
        top, _, rest = name.partition(".")
        module = rest.partition(".")[0]
        if not name.startswith((".", "irflow")) or (top == package and module == own):
            continue
        if top == package != "irflow":
            continue
        if top == "irflow" and LEVEL.get(module, len(LAYERS)) < below:
            continue
        wrong.append(f"line {line}: imports {name}")
    return wrong


def modules_of_irflow() -> list[Path]:
    return sorted(
        path for path in (ROOT / "irflow").rglob("*.py") if path != ROOT / "irflow" / "__init__.py"
    )


@pytest.mark.parametrize("path", modules_of_irflow(), ids=lambda path: str(path.relative_to(ROOT)))
def test_a_module_imports_only_what_stands_below_it(path: Path) -> None:
    own = path.relative_to(ROOT / "irflow").parts[0].removesuffix(".py")
    assert own in LEVEL, f"irflow/{own} has no layer: add it to LAYERS in tests/test_layers.py"
    assert violations(path.read_text("utf-8"), "irflow", own, LEVEL[own]) == []


@pytest.mark.parametrize("kind", PLUGINS)
def test_a_plugin_imports_irflow_only_up_to_its_interface(kind: str) -> None:
    paths = sorted((ROOT / kind).rglob("*.py"))
    assert paths, f"{kind}/ holds no module"
    wrong = [
        f"{path.relative_to(ROOT)}, {violation}"
        for path in paths
        for violation in violations(
            path.read_text("utf-8"),
            path.relative_to(ROOT / kind).parts[0],
            "",
            LEVEL[PLUGINS[kind]] + 1,
        )
    ]
    assert wrong == []


@pytest.mark.parametrize(
    ("source", "number"),
    [
        ("from irflow.errors import IrflowError", 0),
        ("from irflow.ops.matmul import MatMul", 0),
        ("from irflow import dims, ir, tree", 0),
        ("import numpy", 0),
        ("def f():\n    import cupy", 0),
        ("if TYPE_CHECKING:\n    from irflow.compiler import Options", 0),
        ("if typing.TYPE_CHECKING:\n    import irflow.cli", 0),
        ("if TYPE_CHECKING:\n    pass\nelse:\n    import irflow.cli", 1),
        ("from irflow.compiler import Options", 1),
        ("from irflow import tree, keras", 1),
        ("import irflow.analysis", 1),
        ("import irflow", 1),
        ("from irflow import jit", 1),
        ("from . import compiler", 1),
        ("from irflow.unheard import of", 1),
        ("def f():\n    from irflow.cli import main", 1),
        ("import irflow_numpy", 1),
    ],
)
def test_the_reader_of_imports(source: str, number: int) -> None:
    assert len(violations(source, "irflow", "ops", LEVEL["analysis"])) == number


def test_siblings_do_not_import_each_other() -> None:
    for own, other in [("loops", "ir"), ("ir", "loops")]:
        source = f"from irflow.{other} import x"
        assert violations(source, "irflow", own, LEVEL[own]) == [
            f"line 1: imports irflow.{other}.x"
        ]


def test_plugins_do_not_import_each_other() -> None:
    source = "from irflow_numpy import NumpyBackend"
    assert violations(source, "irflow_numpy", "", 0) == []
    assert violations(source, "irflow_llvm", "", 0) != []
