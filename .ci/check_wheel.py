"""Check what a built wheel holds: every package and entry point that pyproject.toml names, no more.

python .ci/check_wheel.py pyproject.toml dist/irflow-….whl
"""

import sys
import tomllib
import zipfile
from pathlib import Path, PurePosixPath

DATA = ["irflow/py.typed", "irflow/datasets/digits.npz", "irflow/datasets/CITATION"]


def entry_modules(project: dict) -> list[str]:
    """The dotted names of the modules that scripts and plugins live in."""
    groups = [project["scripts"], *project["entry-points"].values()]
    return [target.partition(":")[0] for group in groups for target in group.values()]


def problems(settings: dict, names: set[str]) -> list[str]:
    """One line for each thing that is missing or too much."""
    packages = settings["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]
    expected = {PurePosixPath(package).name for package in packages}
    found = {name.partition("/")[0] for name in names}
    extra = {top for top in found - expected if not top.endswith(".dist-info")}
    missing = [f"{package}/__init__.py" for package in expected] + DATA
    wrong = [f"{name} is missing" for name in sorted(missing) if name not in names]
    for module in entry_modules(settings["project"]):
        path = module.replace(".", "/")
        if not {f"{path}.py", f"{path}/__init__.py"} & names:
            wrong.append(f"module {module} of an entry point is missing")
    if not any(name.endswith(".dist-info/licenses/LICENSE") for name in names):
        wrong.append("LICENSE is missing")
    return wrong + [f"{top} does not belong into the wheel" for top in sorted(extra)]


def main() -> None:
    """Print the problems of the wheel; the exit status is 1 where there are any."""
    settings = tomllib.loads(Path(sys.argv[1]).read_text("utf-8"))
    with zipfile.ZipFile(sys.argv[2]) as wheel:
        names = set(wheel.namelist())
    wrong = problems(settings, names)
    print("\n".join(wrong) or f"{Path(sys.argv[2]).name}: {len(names)} files, complete")
    sys.exit(bool(wrong))


if __name__ == "__main__":
    main()
