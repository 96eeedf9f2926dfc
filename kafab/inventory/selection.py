"""Which inventory a command means: the one it names, KAFAB_CLUSTER, the lab that is up, or the only file there is."""

from collections.abc import Mapping
from pathlib import Path

from kafab.errors import UsageError
from kafab.folders import state_folder
from kafab.words import nearest


def find_inventory(wanted: str | None, environ: Mapping[str, str], folder: Path) -> Path:
    """Return the path of the inventory to use.

    ``wanted`` and KAFAB_CLUSTER are a path (with a ``/``, or ending in .yaml or .yml) or the name of a file in
    ``folder``/inventory or of a lab. Raises UsageError when there is no such cluster, or none or several to choose from.
    """
    files = _inventories(folder)
    labs = _labs(environ)
    if wanted:
        return _named(wanted, files, labs, folder)
    if chosen := environ.get("KAFAB_CLUSTER"):
        return _named(chosen, files, labs, folder, origin="KAFAB_CLUSTER: ")
    if len(labs) == 1:
        return next(iter(labs.values()))
    if len(labs) > 1:
        raise UsageError(f"{len(labs)} labs are up: {', '.join(labs)}", hint=_choose(labs))
    if len(files) == 1:
        return next(iter(files.values()))
    if files:
        raise UsageError(f"{len(files)} clusters are in inventory/: {', '.join(files)}", hint=_choose(files))
    raise UsageError(
        f"there is no cluster: no lab is up and {folder / 'inventory'} has no .yaml file",
        hint="`fab lab.up` starts a throwaway one, `fab inventory.new NAME` begins a real one",
    )


def selected_lab(wanted: str | None, environ: Mapping[str, str], folder: Path) -> str | None:
    """Return the name of the lab that ``wanted`` or KAFAB_CLUSTER names; None where it names none that is up."""
    chosen = wanted or environ.get("KAFAB_CLUSTER")
    return chosen if chosen in _labs(environ) and chosen not in _inventories(folder) else None


def _named(
    wanted: str, files: Mapping[str, Path], labs: Mapping[str, Path], folder: Path, *, origin: str = ""
) -> Path:
    if "/" in wanted or wanted.endswith((".yaml", ".yml")):
        path = Path(wanted).expanduser()
        path = path if path.is_absolute() else folder / path
        if not path.exists():
            raise UsageError(f"{origin}there is no file {path}", hint=_known(files, labs))
        return path
    found = files.get(wanted) or labs.get(wanted)
    if found is None:
        near = nearest(wanted, [*files, *labs])
        hint = f"did you mean {near}?" if near else _known(files, labs)
        raise UsageError(
            f"{origin}there is no cluster {wanted!r} in {folder / 'inventory'}, nor a lab", hint=hint
        )
    return found


def _inventories(folder: Path) -> dict[str, Path]:
    return {path.stem: path for path in sorted((folder / "inventory").glob("*.yaml")) if path.is_file()}


def _labs(environ: Mapping[str, str]) -> dict[str, Path]:
    # A lab is up from the moment its inventory is written until `lab.down` takes the folder away.
    return {
        path.parent.name: path for path in sorted((state_folder(environ) / "labs").glob("*/cluster.yaml"))
    }


def _known(files: Mapping[str, Path], labs: Mapping[str, Path]) -> str:
    names = [*files, *labs]
    return f"there are: {', '.join(names)}" if names else "`fab inventory.new NAME` begins one"


def _choose(names: Mapping[str, Path]) -> str:
    first = next(iter(names))
    return f"name one: `fab on {first} ...`, or set KAFAB_CLUSTER={first}"
